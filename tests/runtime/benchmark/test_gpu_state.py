"""What nvidia-smi, nvpmodel and a Jetson's kernel print, read."""

from pathlib import Path

import pytest

from segpp.runtime.benchmark.gpu_state import (
    GpuState,
    parse_nvidia_smi,
    parse_nvpmodel,
    query_nvpmodel,
    read_gpu_state,
)

# The values that an H200 gave: docs/results/gpu/nvidia_h200_2026-11-28/environment.json.
H200 = "NVIDIA H200, 580.159.04, 345, 1980, 3201, 38, 79.02, 700.00\n"
WITH_UNITS = "NVIDIA H200, 580.159.04, 345 MHz, 1980 MHz, 3201 MHz, 38, 79.02 W, 700.00 W\n"
STATE = GpuState("NVIDIA H200", "580.159.04", 345.0, 1980.0, 3201.0, 38.0, 79.02, 700.0)


@pytest.mark.parametrize("text", [H200, WITH_UNITS, H200 + H200.replace("345", "1980")])
def test_nvidia_smi_tells_the_first_gpu_with_or_without_units(text: str) -> None:
    assert parse_nvidia_smi(text) == STATE


def test_what_a_driver_does_not_tell_is_nothing() -> None:
    text = "Orin (nvgpu), [N/A], [N/A], [N/A], [N/A], [N/A], [N/A], [Not Supported]\n"

    assert parse_nvidia_smi(text) == GpuState("Orin (nvgpu)")


@pytest.mark.parametrize(
    "text", ["", "No devices were found\n", 'Field "clocks.sm" is not a valid field\n', "a, b"]
)
def test_what_is_no_answer_is_no_gpu(text: str) -> None:
    assert parse_nvidia_smi(text) is None


def devfreq(root: Path, name: str, **hertz: str) -> Path:
    folder = root / "sys/class/devfreq" / name
    folder.mkdir(parents=True)
    for key, value in hertz.items():
        (folder / f"{key}_freq").write_text(f"{value}\n")
    return root


@pytest.mark.parametrize("name", ["17000000.gpu", "17000000.ga10b"])
def test_a_jetson_tells_the_clock_of_its_gpu(name: str, tmp_path: Path) -> None:
    devfreq(tmp_path, "15340000.vic", cur="115200000", min="1", max="2")
    devfreq(tmp_path, name, cur="306000000", min="306000000", max="930750000")

    found = read_gpu_state(tmp_path)

    assert found == GpuState(megahertz=306.0, most_megahertz=930.75, clock_fixed=False)


def test_a_clock_with_one_value_is_fixed(tmp_path: Path) -> None:
    same = "930750000"
    devfreq(tmp_path, "17000000.gpu", cur=same, min=same, max=same)

    found = read_gpu_state(tmp_path)

    assert found
    assert found.clock_fixed is True


@pytest.mark.parametrize("text", ["", "broken", "-1"])
def test_a_clock_that_is_no_number_is_nothing(text: str, tmp_path: Path) -> None:
    assert read_gpu_state(devfreq(tmp_path, "17000000.gpu", cur=text)) is None
    assert read_gpu_state(tmp_path / "empty") is None


def test_the_power_mode_is_told_as_its_number_and_its_name() -> None:
    assert parse_nvpmodel("NV Power Mode: MODE_30W\n2\n") == "2 (MODE_30W)"
    assert parse_nvpmodel("NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN\n0\n") == "0 (MAXN)"
    assert parse_nvpmodel("") is None


def test_a_program_answers_that_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvpmodel"
    program.write_text("#!/bin/sh\n[ \"$1\" = -q ] && echo 'NV Power Mode: 15W' && echo 0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert query_nvpmodel() == "0 (15W)"
    program.write_text("#!/bin/sh\necho 'NV Power Mode: 15W'; echo 0; exit 1\n")
    assert query_nvpmodel() is None
