"""What other machines' own files say of them."""

from pathlib import Path

import pytest

from segpp.runtime.system.hardware import Jetson, this_machine


def system(root: Path, **files: str) -> Path:
    """Write files below ``root``; the keys are paths with ``__`` for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


ORIN = {
    "etc__nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n",
    "proc__device-tree__model": "NVIDIA Jetson Orin Nano Engineering Reference Kit\0",
    "proc__cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm aes asimddp\n",
    "proc__meminfo": "MemTotal:        7802616 kB\nMemAvailable:    5000000 kB\n",
    "dev__nvhost-gpu": "",
}


def test_a_jetson_is_known_by_its_release_file(tmp_path: Path) -> None:
    found = this_machine(system(tmp_path, **ORIN))

    assert found.jetson == Jetson("36.4.3", "6.2")
    assert found.jetson.supported
    assert found.board == "NVIDIA Jetson Orin Nano Engineering Reference Kit"
    assert found.cpu.features == ("NEON", "NEON dot product")
    assert found.memory == 7802616 * 1024
    assert found.gpu.device_files


@pytest.mark.parametrize(
    ("release", "revision", "jetpack", "supported"),
    [
        (35, "4.1", "5.1.2", False),
        (36, "3.0", "6.0", False),
        (36, "4.0", "6.1", True),
        (36, "9.9", "6.x", True),
        (39, "2.0", "7.2", True),
        (77, "1.0", None, True),
    ],
)
def test_jetpack_follows_from_the_release(
    tmp_path: Path, release: int, revision: str, jetpack: str | None, *, supported: bool
) -> None:
    text = f"# R{release} (release), REVISION: {revision}, GCID: 1, BOARD: generic"

    found = this_machine(system(tmp_path, etc__nv_tegra_release=text)).jetson

    assert found is not None
    assert (found.jetpack, found.supported) == (jetpack, supported)


@pytest.mark.parametrize(
    "line",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build",
    ],
)
def test_the_driver_and_its_gpus_are_listed(tmp_path: Path, line: str) -> None:
    gpu = "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 12\n"
    files = {"proc__driver__nvidia__version": f"{line}\nGCC version:  gcc 12\n"}
    files["proc__driver__nvidia__gpus__0000:01:00.0__information"] = gpu

    found = this_machine(system(tmp_path, **files)).gpu

    assert (found.driver, found.names) == ("550.54.15", ("NVIDIA GeForce RTX 4090",))


def test_a_container_gets_its_own_share_of_cores_and_memory(tmp_path: Path) -> None:
    files = {
        "proc__meminfo": "MemTotal: 64000000 kB\nMemAvailable: 1000 kB\n",
        "sys__fs__cgroup__memory.max": "2000000000\n",
        "sys__fs__cgroup__cpu.max": "100000 100000\n",
    }

    found = this_machine(system(tmp_path, **files))

    assert found.cpu.cores == 1
    assert (found.memory, found.memory_free) == (2000000000, 1024000)


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    found = this_machine(tmp_path)

    assert found.memory is None
    assert found.jetson is None
    assert found.cpu.cores >= 1
