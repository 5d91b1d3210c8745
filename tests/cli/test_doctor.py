"""``segpp-doctor`` here, on machines that lack packages, and on other machines' system files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.system.hardware import Jetson, this_machine
from segpp.runtime.system.self_test import TINY_MODEL

Command = Callable[..., "subprocess.CompletedProcess[str]"]

HEAVY = {"torch", "onnx", "onnxruntime", "tensorrt_rtx", "openvino", "av", "matplotlib"}


def doctor_without(*modules: str, arguments: tuple[str, ...] = ()) -> dict[str, object]:
    """Run the doctor where ``modules`` cannot be imported, and return its findings."""
    program = (
        "import sys; from segpp.cli import main\n"
        f"sys.modules.update(dict.fromkeys({modules!r}))\n"
        f"sys.exit(main(['doctor', '--json', *{arguments!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    return {**json.loads(done.stdout), "rc": done.returncode, "stderr": done.stderr}


def ability(found: dict[str, object], key: str) -> dict[str, object]:
    abilities = found["abilities"]
    assert isinstance(abilities, list)
    [one] = [item for item in abilities if item["key"] == key]
    return dict(one)


def test_every_ability_has_an_answer_and_a_missing_one_a_reason(segpp: Command) -> None:
    done = segpp("doctor", "--json")

    found = json.loads(done.stdout)
    keys = [item["key"] for item in found["abilities"]]
    assert keys == [
        "export", "run-cpu", "run-openvino", "run-cuda", "build-tensorrt-rtx", "run-engines",
        "video", "plugins",
    ]  # fmt: skip
    assert all(item["works"] or item["reason"] for item in found["abilities"])
    assert found["packages"]["numpy"] == np.__version__


def test_a_missing_package_is_named_with_the_command_that_brings_it() -> None:
    found = doctor_without("torch", "av")

    assert ability(found, "export")["reason"] == "torch is not installed"
    assert ability(found, "export")["fix"] == "pip install 'segpp[export]'"
    assert ability(found, "video")["fix"] == "pip install 'segpp[video]'"


def test_a_board_that_only_runs_is_healthy() -> None:
    pytest.importorskip("onnxruntime")

    found = doctor_without("torch", "onnx")

    assert not ability(found, "export")["works"]
    assert ability(found, "run-cpu")["works"]
    assert found["rc"] == 0


def test_where_nothing_works_the_exit_code_says_so() -> None:
    found = doctor_without("torch", "onnx", "onnxruntime")

    assert found["rc"] == 3
    assert "can neither export nor run here" in str(found["stderr"])


def test_no_heavy_package_is_imported() -> None:
    program = "import sys; from segpp.cli import main; main(['doctor']); print(sorted(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    loaded = done.stdout.splitlines()[-1]
    assert "'segpp.cli.doctor'" in loaded
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


def test_verifying_really_runs_a_network() -> None:
    pytest.importorskip("onnxruntime")

    # Only the run is tried here: the rest takes longer and is the same code.
    found = doctor_without("torch", "av", "tensorrt_rtx", arguments=("--verify",))

    assert ability(found, "run-cpu")["reason"] == "tried: works"


def test_a_package_that_breaks_when_loaded_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec is gone')")

    done = subprocess.run(
        [sys.executable, "-m", "segpp.runtime.system.self_test", "video"],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: libavcodec is gone"


def test_the_tiny_network_is_what_it_says(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "tiny.onnx"
    path.write_bytes(TINY_MODEL)

    model = onnx.load(path)

    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Relu"]
    assert model.opset_import[0].version == 18
    [y] = (
        BACKENDS["onnxruntime"]
        .open(path, BackendConfig())
        .run({"x": np.array([[-1, 0, 1, 2]], np.float32)}, ["y"])
    )
    assert y.tolist() == [[0, 0, 1, 2]]


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
