"""What overlapping reading, network and writing gains on a film, on this machine.

    python -m benchmarks.runtime.overlap hq.onnx --threads 1 2 --out docs/results/overlap.json

A made film of 720x1280 goes through ``segpp-run``'s own loop and becomes an mp4 of overlays, once
stage by stage and once overlapped, in turn, round by round. The rate counts everything from the
opened film to the closed mp4; the network's time stands beside it.
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common.markdown import table
from benchmarks.common.scoring import cpu
from segpp.images import sample_image
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.predict import Prediction, predict_all
from segpp.runtime.inference.seeing import Seeing
from segpp.runtime.inference.session import Session
from segpp.runtime.media.looks.base import RenderConfig
from segpp.runtime.media.sources import find_source
from segpp.runtime.media.video import VideoWriter
from segpp.runtime.media.writers import OutputTarget, open_writer
from segpp.utils.files import check_writable
from segpp.utils.limits import usable_cpus

SIZE, RATE = (720, 1280), 25.0


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    check_writable(args.out)
    with TemporaryDirectory() as name:
        film = _film(Path(name) / "film.mp4", args.frames)
        rows = [
            measure(model, threads, film, args.rounds)
            for model in args.models
            for threads in args.threads
        ]
    found = {"cpu": cpu(), "cpus": usable_cpus(), "frames": args.frames, "rows": rows}
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def _film(path: Path, count: int) -> Path:
    picture = np.asarray(Image.open(sample_image()).resize(SIZE[::-1]))
    with VideoWriter(path, RATE) as video:
        for number in range(count):
            video.write(np.roll(picture, 4 * number, axis=1))
    return path


def measure(model: Path, threads: int, film: Path, rounds: int) -> dict[str, Any]:
    """Return rates of both ways, the gain pair by pair, and the network's median time."""
    in_turn: list[float] = []
    overlapped: list[float] = []
    network: list[float] = []
    # Two threads of the loop would wait for one that spins.
    with open_session(model, threads=threads, spinning=False) as session:
        _run(session, film, overlapped=True)
        for _ in range(rounds):
            for rates, is_overlapped in ((in_turn, False), (overlapped, True)):
                rate, times = _run(session, film, overlapped=is_overlapped)
                rates.append(rate)
                network += [] if is_overlapped else times
    return {
        "model": model.stem,
        "threads": threads,
        "in_turn": median(in_turn),
        "overlapped": median(overlapped),
        "gain": median(b / a for a, b in zip(in_turn, overlapped, strict=True)),
        "network_ms": median(network),
    }


def _run(session: Session, film: Path, *, overlapped: bool) -> tuple[float, list[float]]:
    """Return frames per second, and the network's milliseconds for each."""
    source = find_source(str(film))
    target = OutputTarget(film.with_name("seen.mp4"), one_file=True)
    classes = session.classes
    render = RenderConfig(("overlay",), classes.palette, 0.5, classes.names, "panel", film=True)
    start = time.perf_counter()
    with open_writer(target, render, source) as write:
        outcomes = list(predict_all(Seeing(session), source, write, overlapped=overlapped))
    spent = time.perf_counter() - start
    times = [one.timing.inference_ms for one in outcomes if isinstance(one, Prediction)]
    return len(outcomes) / spent, times


def table_of(found: Mapping[str, Any]) -> str:
    """Return the result as a table of Markdown."""
    heads = ["file", "threads", "network", "one after the other", "overlapped", "gain"]
    rows = [
        [
            row["model"],
            str(row["threads"]),
            f"{row['network_ms']:.0f} ms",
            f"{row['in_turn']:.2f} frames/s",
            f"{row['overlapped']:.2f} frames/s",
            f"{row['gain']:.2f}x",
        ]
        for row in found["rows"]
    ]
    return table(heads, rows)


if __name__ == "__main__":
    main()
