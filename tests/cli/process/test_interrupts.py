"""Ctrl-C, or a stop of the system, in the middle of the work: exit 130, and folders as before."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.earlier_results import write_earlier_results
from tests.helpers.tiny_networks import write_graph

IMAGES = 200
SECONDS = 120

rtx = pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="needs TensorRT-RTX (extra rtx)")

# A product of matrices of 4096x4096 takes seconds, and there are forty.
SLOW = (
    """(float[1,3,32,64] image) => (float[1,3,8,16] out) {
    one = ReduceMean<keepdims=1>(image)
    side = Constant<value_ints=[1,1,4096,4096]>()
    m0 = Expand(one, side)
    """
    + "".join(f"m{i + 1} = MatMul(m{i}, m0)\n" for i in range(40))
    + """
    last = ReduceMean<keepdims=1>(m40)
    small = AveragePool<kernel_shape=[4,4], strides=[4,4]>(image)
    out = Max(small, last)
}"""
)

# A command that gets a signal while it imports a module.
STOPPED_AT = """
import os, sys

number, module = int(sys.argv.pop(1)), sys.argv.pop(1)

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), number)

sys.meta_path.insert(0, Stop())
from segpp.__main__ import main
sys.exit(main())
"""

Start = Callable[..., "Running"]


class Running:
    """A command on a terminal of its own, whose messages can be waited for."""

    def __init__(self, *arguments: object) -> None:
        self._terminal, end = os.openpty()
        # Rows and columns: a terminal without any shows no progress bar.
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "segpp", *map(str, arguments)],
            stderr=end,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for the command alone, not for the tests.
            start_new_session=True,
        )
        os.close(end)

    def wait_for(self, happened: Callable[[str], bool]) -> None:
        """Wait until ``happened`` is true of what was said so far."""
        os.set_blocking(self._terminal, False)
        deadline = time.monotonic() + SECONDS
        while not happened(self.said) and time.monotonic() < deadline:
            self._read()
            time.sleep(0.01)
        assert happened(self.said), self.said
        assert self.process.poll() is None, f"it ended too early: {self.said}"

    def wait_until_busy(self, seconds: float) -> None:
        """Wait until the command has used so many seconds of a CPU."""
        ticks, status = os.sysconf("SC_CLK_TCK"), Path(f"/proc/{self.process.pid}/stat")
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it ended too early: {self.said}"
            user, system = status.read_text().rpartition(")")[2].split()[11:13]
            if (int(user) + int(system)) / ticks >= seconds:
                return
            time.sleep(0.05)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            # A terminal that nobody reads fills up, and the command would wait.
            self._read()
            time.sleep(0.01)
        self._read()
        return self.process.wait(timeout=1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)

    def _read(self) -> None:
        try:
            self.said += os.read(self._terminal, 1 << 16).decode(errors="replace")
        except (BlockingIOError, OSError):
            # Nothing new, or the other end is closed.
            return


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def begin(*arguments: object) -> Running:
        running.append(Running(*arguments))
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with the results of an earlier run."""
    folder = tmp_path / "out"
    folder.mkdir()
    write_earlier_results(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More images with labels than a command can do before it is stopped."""
    folder = tmp_path_factory.mktemp("data")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    for name, array in {"images": pixels, "labels": pixels[..., 0] % 19}.items():
        (folder / name).mkdir()
        first = folder / name / "0000.png"
        Image.fromarray(array).save(first)
        for index in range(1, IMAGES):
            (folder / name / f"{index:04}.png").hardlink_to(first)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def said(text: str) -> Callable[[str], bool]:
    return lambda so_far: text in so_far


@pytest.mark.parametrize(
    # The first and the last of a command's own modules, one of Python's and one of a package.
    "module",
    ["segpp.cli", "argparse", "tqdm", "segpp.utils.process", "segpp.cli.run"],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_stopped_while_it_is_imported_says_so(
    module: str, number: signal.Signals
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_AT, str(int(number)), module, "run", "-h"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == "error: interrupted; nothing half-written is left\n"
    assert (done.returncode, done.stdout) == (130, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_stopped_while_tracing_changes_nothing(
    start: Start, tiny_or_b0: Path, out: Path, number: signal.Signals
) -> None:
    before = contents(out)
    running = start("export", tiny_or_b0, out / "b.onnx", "--size", "64x64", "--no-check")
    running.wait_for(said("tracing"))

    assert running.stop(number) == 130
    assert running.said.endswith("error: interrupted; nothing half-written is left\r\n")
    assert "Traceback" not in running.said
    assert contents(out) == before


def test_an_export_stopped_while_comparing_changes_nothing(
    start: Start, tiny_or_b0: Path, out: Path
) -> None:
    """The file is written by then, under another name."""
    before = contents(out)
    running = start("export", tiny_or_b0, out / "b.onnx", "--size", "512x1024")
    running.wait_for(said("comparing with PyTorch"))
    assert contents(out) != before

    assert running.stop(signal.SIGINT) == 130
    assert contents(out) == before


@rtx
@pytest.mark.rtx
def test_a_build_that_is_stopped_changes_nothing(start: Start, b0_onnx: Path, out: Path) -> None:
    before = contents(out)
    running = start("build-engine", b0_onnx, out / "b.engine")
    running.wait_for(said("building b.engine"))

    assert running.stop(signal.SIGINT) == 130
    assert "Traceback" not in running.said
    assert contents(out) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_whole_images_only(
    *, start: Start, b0_onnx: Path, data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    masks = tmp_path / "masks"
    bare = ("--save", "both", "--legend", "none")
    running = start("run", b0_onnx, data / "images", "--out", masks, *bare)
    running.wait_for(lambda _: masks.is_dir() and len(list(masks.iterdir())) > 6)

    assert running.stop(number) == 130
    assert "interrupted; nothing half-written is left" in running.said
    assert "Traceback" not in running.said
    names = sorted(path.name for path in masks.iterdir())
    done = sorted({name.partition(".")[0] for name in names})
    assert 0 < len(done) < IMAGES
    assert names == [f"{name}.{kind}.png" for name in done for kind in ("mask", "overlay")]
    for name in names:
        with Image.open(masks / name) as image:
            image.load()
            assert image.size == (128, 64)


def test_a_network_that_computes_for_minutes_is_stopped_at_once(
    start: Start, tmp_path: Path
) -> None:
    """One call of native code, in which no exception can be raised."""
    slow, image, folder = tmp_path / "slow.onnx", tmp_path / "a.png", tmp_path / "out"
    folder.mkdir()
    write_graph(slow, SLOW)
    Image.fromarray(np.full((32, 64, 3), 9, np.uint8)).save(image)
    running = start("run", slow, image, "--out", folder / "o.png", "--threads", 1)
    # Busy for longer than loading takes: it is in the network.
    running.wait_until_busy(seconds=6)
    asked = time.monotonic()

    assert running.stop(signal.SIGTERM) == 130
    assert time.monotonic() - asked < 2
    assert "interrupted; nothing half-written is left" in running.said
    assert list(folder.iterdir()) == []


# A mutex that is waited for twice: no signal ends that.
STUCK = """
import ctypes, sys
from pathlib import Path
from segpp.utils.process import before_forced_end, clean_up_when_stopped
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
with clean_up_when_stopped(), before_forced_end(Path(sys.argv[1]).touch):
    libc.pthread_mutex_lock(mutex)
    print("in", flush=True)
    libc.pthread_mutex_lock(mutex)
"""


def test_what_is_to_be_done_before_a_forced_end_is_done(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUCK, str(tmp_path / "done")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    # It has said so, and is about to wait.
    main = Path(f"/proc/{process.pid}/task/{process.pid}/stat")
    while main.read_text().rpartition(") ")[2][0] != "S":
        time.sleep(0.01)

    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "interrupted; nothing half-written is left" in told
    assert (tmp_path / "done").exists()


def test_an_evaluation_that_is_stopped_changes_nothing(
    start: Start, b0_onnx: Path, data: Path, out: Path
) -> None:
    before = contents(out)
    running = start("eval", b0_onnx, "--dataset", data, "--csv", out / "b.csv")
    running.wait_for(said("/200 ["))

    assert running.stop(signal.SIGINT) == 130
    assert "Traceback" not in running.said
    assert contents(out) == before
