"""Child processes run segpp's code and no other, and end with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import segpp
from segpp.utils.child import child_command

ECHO = "segpp.runtime.system.self_test"

# A parent that starts a child which waits, tells its number, and waits too.
PARENT = """
import subprocess, sys
from segpp.utils import child
child._START = child._START.replace("runpy.run_module", "import time; time.sleep(60); print")
process = subprocess.Popen(child.child_command("segpp"))
print(process.pid, flush=True)
process.wait()
"""


def run(command: list[str], **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]  # forwarded options


def test_a_child_runs_the_package_of_its_parent(tmp_path: Path) -> None:
    command = child_command(ECHO, "export")
    code = command[command.index("-c") + 1]
    printing = code.replace("import runpy", "print(package.__file__, sys.argv)")

    said = run([printing if part is code else part for part in command], cwd=tmp_path).stdout

    assert said.startswith(f"{segpp.__file__} ['{ECHO}', 'export']")


@pytest.mark.parametrize("module", ["numpy", "json", "segpp", "typing", "sitecustomize"])
@pytest.mark.parametrize("place", ["current folder", "PYTHONPATH"])
def test_no_module_of_somebody_else_runs(tmp_path: Path, module: str, place: str) -> None:
    marker = tmp_path / "ran"
    (tmp_path / f"{module}.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    (tmp_path / "elsewhere").mkdir()
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)} if place == "PYTHONPATH" else None
    folder = tmp_path / "elsewhere" if variables else tmp_path

    done = run(child_command(ECHO, "run-cpu"), cwd=folder, env=variables)

    assert done.returncode == 0, done.stderr
    assert not marker.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        # It asks for the signal as the first thing, but not before it runs.
        time.sleep(1)
        parent.send_signal(signal.SIGKILL)

    assert not lives(child)


def lives(process: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = Path(f"/proc/{process}/stat")
        # One that nobody has waited for yet is dead, too.
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.05)
    return True
