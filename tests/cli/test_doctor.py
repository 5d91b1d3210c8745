"""``segpp-doctor`` here, and on machines that lack packages."""

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from segpp.runtime.backends.base import BACKENDS
from tests.helpers.commands import HEAVY

Command = Callable[..., "subprocess.CompletedProcess[str]"]


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
        "export", "run-cpu", "run-openvino", "run-cuda", "build-tensorrt", "build-tensorrt-rtx",
        "run-engines", "video", "plugins",
    ]  # fmt: skip
    assert all(item["works"] or item["reason"] for item in found["abilities"])
    assert found["packages"]["numpy"] == np.__version__


def test_every_backend_has_an_ability(segpp: Command) -> None:
    found = json.loads(segpp("doctor", "--json").stdout)

    keys = {item["key"] for item in found["abilities"]}
    assert {f"run-{spec.extra}" for spec in BACKENDS.values() if ".onnx" in spec.suffixes} <= keys
    assert {spec.module for spec in BACKENDS.values()} <= set(found["packages"])


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
