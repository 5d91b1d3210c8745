"""A film of thousands of frames takes no more memory than one of a hundred."""

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av: Any = pytest.importorskip("av", reason="PyAV (segpp[video]) reads videos")

# What is kept of a frame, if anything, is 2.8 MB: 1,500 would need 4 GiB.
SOME, MANY = 1_500, 10_000
MOST_MIB = 100

Network = Callable[..., Path]

# Prints what the process needed most, in KiB, behind what it said.
PEAK = """
import resource, sys
from segpp.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def still(path: Path, count: int) -> Path:
    """Write a film of one picture of 720p."""
    image = np.zeros((720, 1280, 3), np.uint8)
    image[:, :640, 0] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "40"}
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        for number in range(count):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def peak_of(network: Path, film: Path, *more: str) -> tuple[float, dict[str, Any]]:
    """Return the most memory of a run in MiB, and its report."""
    command = [sys.executable, "-c", PEAK, "run", str(network), str(film), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report, _, kib = done.stdout.rstrip().rpartition("\n")
    return int(kib) / 1024, json.loads(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "out", "count"),
    [
        ("a.mkv", "masks", SOME),
        ("a.mp4", "o.mp4", SOME),
        pytest.param("a.mkv", "masks", MANY, marks=pytest.mark.exhaustive),
        pytest.param("a.mp4", "o.mp4", MANY, marks=pytest.mark.exhaustive),
    ],
)
def test_thousands_of_frames_take_the_memory_of_a_hundred(
    network: Network, name: str, out: str, count: int, tmp_path: Path
) -> None:
    """5.4 MiB were kept of each frame once, which are 53 GiB."""
    film = still(tmp_path / name, count)
    # A network whose masks are small and looks that are flat: what counts is each frame's way.
    small = network("labels")
    looks = ("--legend", "none", "--save", "mask", "--out")

    few, _ = peak_of(small, film, "--frames", "100", *looks, str(tmp_path / f"few-{out}"))
    all_, report = peak_of(small, film, *looks, str(tmp_path / out))

    assert len(report["images"]) == count
    assert report["images"][-1]["time"] == pytest.approx((count - 1) / 25)
    assert all_ - few < MOST_MIB, f"{few:.0f} MiB for 100 frames, {all_:.0f} MiB for {count:,}"
    if out.endswith(".mp4"):
        with av.open(str(tmp_path / out)) as container:
            stream = container.streams.video[0]
            assert (stream.frames, stream.height, stream.width) == (count, 720, 1280)
