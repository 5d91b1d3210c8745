"""Raw frames of another process: whole ones, its end, its last words."""

import sys
import time

import pytest

from segpp.errors import ImageError, MissingError
from segpp.runtime.media.live.csi import RawReader, open_csi, pipeline_of
from segpp.runtime.media.live.reader import LiveConfig

SIZE = (4, 6)

# As gst-launch does it, in a process of its own: frames to the descriptor, talk to stdout.
SENDER = """
import os, sys, time
end, count = int(sys.argv[1]), int(sys.argv[2])
print("GST_ARGUS: Creating output stream", flush=True)
for grey in range(count):
    os.write(end, bytes([grey, 1, 2, 255]) * 24)
print("ERROR: the sensor went away", file=sys.stderr, flush=True)
time.sleep(float(sys.argv[3]))
"""


def reader(count: int, seconds: float = 0) -> RawReader:
    def command(end: int) -> list[str]:
        return [sys.executable, "-c", SENDER, str(end), str(count), str(seconds)]

    return RawReader("csi://0", command, SIZE, 30.0)


def test_frames_come_whole_and_without_their_fourth_channel() -> None:
    camera, pictures = reader(5), []
    with pytest.raises(ImageError, match="csi://0 broke off"):  # noqa: PT012 - all come before it
        for one in camera.pictures():
            pictures.append(one.pixels())  # noqa: PERF401 - a list would be lost with the error
    camera.close()

    assert [one.shape for one in pictures] == [(*SIZE, 3)] * 5
    assert [one[0, 0].tolist() for one in pictures] == [[grey, 1, 2] for grey in range(5)]


def test_every_frame_is_in_memory_of_its_own() -> None:
    camera = reader(5, seconds=30)
    pictures = camera.pictures()
    first, second = next(pictures), next(pictures)
    camera.interrupt()
    list(pictures)
    camera.close()

    assert first.pixels().shape == (*SIZE, 3)
    assert first.pixels()[0, 0].tolist() == [0, 1, 2]
    assert second.pixels()[0, 0].tolist() == [1, 1, 2]
    assert camera.rate == 30.0


def test_a_process_that_ends_leaves_its_last_words() -> None:
    camera = reader(1)

    with pytest.raises(ImageError, match=r"csi://0 broke off[\s\S]*the sensor went away"):
        list(camera.pictures())
    camera.close()


def test_an_interruption_ends_what_waits_at_once() -> None:
    camera = reader(1, seconds=60)
    pictures = camera.pictures()
    next(pictures)
    start = time.monotonic()
    camera.interrupt()

    assert list(pictures) == []
    camera.close()
    assert time.monotonic() - start < 5


def test_a_process_that_cannot_be_started_is_said() -> None:
    with pytest.raises(ImageError, match="csi://0 cannot be opened"):
        RawReader("csi://0", lambda _end: ["/no/such/program"], SIZE, 30.0)


def test_without_gstreamer_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(MissingError, match=r"gst-launch-1\.0, which is not here"):
        open_csi(0, LiveConfig())


def test_the_pipeline_asks_for_the_size_and_rate_and_writes_to_the_descriptor() -> None:
    words = " ".join(pipeline_of(1, (720, 1280), 29.97, 7))

    assert "nvarguscamerasrc sensor-id=1" in words
    assert "width=1280,height=720,framerate=29970/1000" in words
    assert "format=RGBA,width=1280,height=720" in words
    assert "fdsink fd=7" in words
