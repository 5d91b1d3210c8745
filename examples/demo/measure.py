"""Latency, agreement and mIoU of several files on the same pictures."""

import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from examples.street_scenes.renderer.labels import IGNORE
from segpp.datasets.pairs import Pair, find_pairs
from segpp.images.preprocess import ImageArray, load_image
from segpp.manifest import Manifest
from segpp.runtime.evaluation import Evaluation, Segmenter, evaluate
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Session, Timing

__all__ = ["Measured", "measure", "merged_share"]


@dataclass(frozen=True)
class Measured:
    """What one file did.

    Args:
        merged: Share of the tokens that merge away, over all sites; 0 to 1.
        network_ms: Median time of the network alone.
        latency_ms: Median time from picture to class numbers.
        agreement: Share of the pixels with the same class as in the first file, 0 to 1.
        miou: Against the drawn labels, 0 to 1.
        setting: Library and threads, in words.
    """

    file: Path
    merged: float
    network_ms: float
    latency_ms: float
    agreement: float
    miou: float
    setting: str


def measure(
    files: Sequence[Path], scenes: Path, *, rounds: int, threads: int | None = None
) -> list[Measured]:
    """Run every picture of ``scenes`` through every file in turn, ``rounds`` times."""
    threads = threads or os.cpu_count() or 1
    pairs = find_pairs(scenes / "images", scenes / "labels")
    with ExitStack() as stack:
        # Spinning threads of one session would take the cores from the other.
        sessions = [
            stack.enter_context(open_session(file, threads=threads, spinning=False))
            for file in files
        ]
        # First, because the first run of a session is slower than all others.
        scores = _evaluate(sessions, pairs).scores
        timings = _interleaved(sessions, [load_image(pair.image) for pair in pairs], rounds)
        return [
            Measured(
                file=file,
                merged=merged_share(session.manifest),
                network_ms=statistics.median(timing.inference_ms for timing in mine),
                latency_ms=statistics.median(timing.total_ms for timing in mine),
                agreement=score.agreement,
                miou=score.confusion.miou,
                setting=f"{session.description}, {threads} threads",
            )
            for file, session, score, mine in zip(files, sessions, scores, timings, strict=True)
        ]


def merged_share(manifest: Manifest) -> float:
    """Return the share of tokens that merge away at the sites of a file, each block counted."""
    depths = manifest.architecture.depths
    sites = [(depths[site.stage - 1], site) for site in manifest.reduction if site.side != "grid"]
    arriving = sum(depth * site.tokens_in for depth, site in sites)
    leaving = sum(depth * site.tokens_out for depth, site in sites)
    return 1 - leaving / arriving if arriving else 0.0


def _evaluate(sessions: Sequence[Session], pairs: Sequence[Pair]) -> Evaluation:
    classes = len(sessions[0].classes.names)
    with tqdm(total=len(pairs), desc="comparing", unit="image", file=sys.stderr) as bar:
        return evaluate(
            [_segmenter(session) for session in sessions],
            pairs,
            classes=classes,
            ignored={IGNORE},
            after_each=bar.update,
        )


def _segmenter(session: Session) -> Segmenter:
    return lambda image, size: session(image, sizes=[size]).masks[0]


def _interleaved(
    sessions: Sequence[Session], images: Sequence[ImageArray], rounds: int
) -> list[list[Timing]]:
    timings: list[list[Timing]] = [[] for _ in sessions]
    # One file after the other would charge a busy moment of the machine to one of them alone.
    for _ in tqdm(range(rounds), desc="timing", unit="round", file=sys.stderr):
        for image in images:
            for session, mine in zip(sessions, timings, strict=True):
                mine.append(session(image).timing)
    return timings
