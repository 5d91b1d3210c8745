"""What a user types on a board: pip takes segpp and everything it needs, and the command runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.board import userland

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip would build it from the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder))
    command = [sys.executable, "-m", "pip", "wheel", *options, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("segpp-*.whl")
    return path


def test_pip_installs_segpp_with_onnxruntime_and_the_command_runs(
    wheel: Path, tmp_path: Path
) -> None:
    [pip] = userland.wheels().glob("pip-*.whl")
    options = ("--no-index", "--find-links", userland.wheels(), "--no-compile", "--quiet")
    command = [f"{pip}/pip", "install", *options, "--target", tmp_path, f"{wheel}[cpu]"]
    done = userland.run([userland.python(), *command], {"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr

    words = [userland.python(), "-m", "segpp", "doctor"]
    doctor = userland.run(words, {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)

    assert doctor.returncode == 0, doctor.stderr
    assert re.search(
        rf"onnxruntime +{re.escape(userland.ONNXRUNTIME)}$", doctor.stdout, re.MULTILINE
    )
    assert re.search(r"run ONNX files with ONNX Runtime +yes", doctor.stdout)
