"""The commands run no code of the current folder, and write and call nowhere they were not told."""

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.calibrate.quantizable_network import save_network, save_pictures
from tests.helpers.commands import Completed, in_subprocess
from tests.helpers.tiny_networks import Network, network

__all__ = ["network"]

# Modules that segpp, its libraries or Python itself import.
HOSTILE = ("numpy", "json", "typing", "PIL", "onnx", "torch", "sitecustomize", "argparse")

Command = Callable[..., Completed]


def commands(model: Path, checkpoint: Path, image: Path) -> dict[str, list[object]]:
    """Return a call of every command; their outputs go into the current folder."""
    found: dict[str, list[object]] = {
        "export": [checkpoint, "out.onnx", "--size", "64x64"],
        "run": [model, image, "--out", "o.png"],
        "bench": [model, "--iterations", 1, "--warmup", 0, "--image", image],
        "inspect": [checkpoint],
        "doctor": ["--verify"],
        "calibrate": [
            save_network(image.parent / "nets" / "float.onnx"),
            save_pictures(image.parent / "pictures"),
            *("-o", "int8.onnx", "--no-timing"),
        ],
    }
    if find_spec("openvino"):
        found["run "] = [model, image, "--out", "p.png", "--backend", "openvino"]
    if find_spec("tensorrt_rtx"):
        found["build-engine"] = [model, "o.engine"]
    return found


@pytest.fixture
def calls(
    network: Network, tiny_checkpoint: Path, tmp_path: Path, stripes: Callable[[int, int], object]
) -> dict[str, list[object]]:
    from PIL import Image  # noqa: PLC0415 - for this alone

    image = tmp_path / "stripes.png"
    Image.fromarray(stripes(32, 48)).save(image)  # type: ignore[arg-type]  # an array
    return commands(network(), tiny_checkpoint, image)


@pytest.mark.slow
def test_no_command_runs_foreign_code_writes_at_home_or_opens_a_connection(
    calls: dict[str, list[object]], tmp_path: Path
) -> None:
    """One pass for all three: every command is a process with all its libraries."""
    folder, home, ran, log = (tmp_path / name for name in ("hostile", "home", "ran", "trace"))
    folder.mkdir()
    home.mkdir()
    for name in HOSTILE:
        code = f"open({str(ran)!r}, 'a').write({name!r})\nraise SystemExit('hostile')\n"
        (folder / f"{name}.py").write_text(code)

    for verb, arguments in calls.items():
        done = traced(log, verb.strip(), *arguments, cwd=folder, env=environment(home))

        assert done.returncode == 0, (verb, done.stderr)
        assert not ran.exists(), (verb, ran.read_text())
        assert sorted(home.rglob("*")) == [], verb
        assert "AF_INET" not in (log.read_text() if log.exists() else ""), verb


def environment(home: Path) -> dict[str, str]:
    """Return a user's environment: a home, and no relative folder in PYTHONPATH."""
    set_by_segpp = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}
    kept = {name: value for name, value in os.environ.items() if name not in set_by_segpp}
    folders = [path for path in kept.get("PYTHONPATH", "").split(os.pathsep) if path]
    path = os.pathsep.join(str(Path(one).absolute()) for one in folders)
    return {**kept, "HOME": str(home), "PYTHONPATH": path}


def traced(log: Path, *arguments: object, **options: object) -> Completed:
    """Run a command; where strace is installed, with every socket of it in ``log``."""
    strace = shutil.which("strace")
    if strace is None:
        return in_subprocess(*arguments, **options)
    python = [strace, "-f", "-e", "trace=network", "-o", str(log), sys.executable]
    return in_subprocess(*arguments, python=python, **options)
