"""segpp-run on cameras and streams, from the outside: drops, ends, films, browsers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from segpp.cli import main
from segpp.runtime.media.items import Frame
from segpp.runtime.media.video import frames
from segpp.runtime.serve.reachable import own_address
from tests.runtime.media.live import streams
from tests.runtime.media.live.streams import HttpStream, served

pytest.importorskip("av", reason="PyAV (segpp[video]) reads streams")

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]
Capture = pytest.CaptureFixture[str]

SECONDS = 60


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


@pytest.fixture
def camera(stripes: Stripes) -> Iterator[str]:
    """A camera of a hundred frames a second without an end."""
    pictures = [np.roll(stripes(48, 90), 3 * number, axis=1) for number in range(30)]
    with served(HttpStream([streams.frames(pictures, times=10_000, pause=0.01)])) as url:
        yield url


def test_a_stream_ends_after_so_many_frames_and_is_a_film(
    network: Network, camera: str, tmp_path: Path, capsys: Capture
) -> None:
    code = run(network(), camera, "--frames", 12, "--out", tmp_path / "o.mp4")

    said = capsys.readouterr()
    assert code == 0
    assert "12 frames in" in said.out
    assert "from frame to mask p50" in said.out
    times = [one.time for one in frames(tmp_path / "o.mp4") if isinstance(one, Frame)]
    assert len(times) == 12
    assert times == sorted(set(times))  # type: ignore[type-var]  # numbers all


def test_a_stream_ends_after_so_long_and_becomes_masks_in_a_folder(
    network: Network, camera: str, tmp_path: Path
) -> None:
    start = time.monotonic()
    code = run(
        *(network(), camera, "--duration", 1, "--out", tmp_path / "o", "--save", "mask"),
    )

    assert code == 0
    assert time.monotonic() - start < 20
    written = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert written[0] == "frame-000001.mask.png"
    assert len(written) > 1


def test_a_network_slower_than_its_stream_drops_frames_and_stays_up_to_date(
    network: Network, camera: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segpp.runtime.inference.session import Session  # noqa: PLC0415 - slowed down here

    whole = Session._infer

    def slow(self: Session, *given: object) -> np.ndarray:
        time.sleep(0.1)
        return whole(self, *given)  # type: ignore[arg-type]  # forwarded

    monkeypatch.setattr(Session, "_infer", slow)
    code = run(network(), camera, "--duration", 2, "--json")

    report = json.loads(capsys.readouterr().out)
    live = report["live"]
    assert code == 0
    # Ten a second at most are done of the hundred that come.
    assert live["done"] <= 20
    assert live["dropped"] > live["done"]
    assert live["seen"] >= live["done"] + live["dropped"]
    # A frame waits for no other: one turn of the network, and what a busy machine adds.
    assert 100 <= live["latency_ms"]["p50"] < 400
    assert report["rate"] <= 10
    assert report["images"][0]["time"] == 0.0


def test_nothing_of_a_stream_is_written_unless_it_is_asked_for(
    network: Network, camera: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    monkeypatch.chdir(tmp_path)

    assert run(model, camera, "--frames", 2) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["nets"]


def test_a_stream_that_does_not_come_back_keeps_its_film_and_is_exit_1(
    network: Network, stripes: Stripes, tmp_path: Path, capsys: Capture
) -> None:
    silent = streams.frames([stripes(48, 90)], times=40, pause=0.02, then=30)
    with served(HttpStream([silent])) as url:
        code = run(
            *(network(), url, "--out", tmp_path / "o.mp4", "--reconnect", "off"),
            *("--timeout", 0.5),
        )

    said = capsys.readouterr()
    assert code == 1
    assert "skipped frame-" in said.err
    assert "1 skipped" in said.out
    assert len(list(frames(tmp_path / "o.mp4"))) > 1


def test_breaks_are_told_on_stderr(network: Network, stripes: Stripes, capsys: Capture) -> None:
    short = streams.frames([stripes(48, 90)], times=20, pause=0.02)
    endless = streams.frames([stripes(48, 90)], times=10_000, pause=0.02)
    with served(HttpStream([short, endless])) as url:
        code = run(network(), url, "--duration", 3)

    said = capsys.readouterr()
    assert code == 0
    assert "ended; opened again in 0.5 s" in said.err
    assert "is back" in said.err
    assert "opened again once" in said.out


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (("/dev/video97",), 2, "the camera /dev/video97 is not there"),
        (("/dev/null",), 2, "it is no camera"),
        (("http://127.0.0.1:1/live",), 2, "does not answer"),
        (("a.png", "--frames", 3), 2, "--frames and --duration are for videos"),
        (("a.png", "--duration", 3), 2, "a.png is no video"),
        (("/dev/video97", "a.png"), 2, "run it alone"),
        (("a.png", "--serve", "nowhere:99999"), 2, "is no address to serve on"),
        (("/dev/video97", "--reconnect", -1), 2, "--reconnect is -1"),
    ],
)
def test_what_cannot_work_is_said(
    *,
    network: Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    given: tuple[object, ...],
    code: int,
    says: str,
) -> None:
    model = network()
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")

    assert run(model, *given) == code
    assert says in capsys.readouterr().err


def test_a_port_in_use_is_exit_2_before_the_network_is_loaded(
    tmp_path: Path, stripes: Stripes, capsys: Capture
) -> None:
    Image.fromarray(stripes(48, 90)).save(tmp_path / "a.png")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = run(tmp_path / "none.onnx", tmp_path / "a.png", "--serve", f"127.0.0.1:{port}")

    assert code == 2
    assert "another program has that port" in capsys.readouterr().err


def started(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "segpp", "run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happened()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_stream_and_its_film_is_whole(
    network: Network, camera: str, tmp_path: Path, number: signal.Signals
) -> None:
    running = started(network(), camera, "--out", tmp_path / "o.mp4")
    wait_for(lambda: any(path.suffix == ".part" for path in tmp_path.iterdir()))
    time.sleep(1)
    running.send_signal(number)
    out, err = running.communicate(timeout=SECONDS)

    assert running.returncode == 0, err
    assert "Traceback" not in err
    assert "frames in" in out
    assert len(list(frames(tmp_path / "o.mp4"))) > 3
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_who_lets_everybody_watch_is_told_so(
    network: Network, camera: str, capsys: Capture
) -> None:
    everywhere = "0.0.0.0:0"
    assert run(network(), camera, "--frames", 1, "--serve", everywhere) == 0

    first, second, *_ = capsys.readouterr().err.splitlines()
    host = own_address(socket.AF_INET) or "127.0.0.1"
    assert re.fullmatch(rf"serving at http://{host}:\d+/ \(Ctrl-C ends\)", first)
    assert second == "everybody on the network can watch, without a password"


def test_a_browser_sees_the_run_and_its_end(network: Network, camera: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = started(network(), camera, "--serve", f"127.0.0.1:{port}")
    try:
        assert running.stderr is not None
        first = running.stderr.readline()
        state = {}

        def has_frames() -> bool:
            with urlopen(f"http://127.0.0.1:{port}/state.json", timeout=20) as answer:
                state.update(json.load(answer))
            return bool(state["done"])

        wait_for(has_frames)
        with urlopen(f"http://127.0.0.1:{port}/frame.jpg", timeout=20) as answer:
            jpeg = answer.read()
    finally:
        os.kill(running.pid, signal.SIGINT)
        running.communicate(timeout=SECONDS)

    assert first == f"serving at http://127.0.0.1:{port}/ (Ctrl-C ends)\n"
    assert [one["name"] for one in state["classes"]] == ["red", "green", "blue"]
    assert sum(one["share"] for one in state["classes"]) == pytest.approx(1, abs=1e-3)
    assert jpeg.startswith(b"\xff\xd8")
    assert running.returncode == 0
