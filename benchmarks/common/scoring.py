"""What the benchmarks on labelled images share: scores, agreement and times of exported files."""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segpp.datasets.pairs import Pair
from segpp.images.preprocess import ImageArray
from segpp.manifest import Manifest
from segpp.runtime.evaluation import Score, Segmenter, evaluate
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Session

Labels = NDArray[Any]

# Every round times every variant once, so that a slow minute slows them all.
ROUNDS = 15


def times_of(
    files: dict[str, Path], threads: int, image: ImageArray
) -> dict[str, tuple[float, float]]:
    """Return the median milliseconds, and the median over rounds of none's divided by them."""
    # Idle threads of one session must not spin while another is timed.
    sessions = {
        name: open_session(file, threads=threads, spinning=False) for name, file in files.items()
    }
    rounds = [
        {name: session(image).timing.inference_ms for name, session in sessions.items()}
        for _ in tqdm(range(ROUNDS + 1), "timing")
    ][1:]
    return {
        name: (
            float(np.median([times[name] for times in rounds])),
            float(np.median([times["none"] / times[name] for times in rounds])),
        )
        for name in files
    }


def scores(
    models: list[Callable[[ImageArray], Labels]],
    pairs: Sequence[Pair],
    manifest: Manifest,
    label: str,
) -> tuple[Score, ...]:
    """Return each model's score, its agreement with the first of ``models`` included."""
    classes = manifest.architecture.classes
    with tqdm(total=len(pairs), desc=label) as bar:
        result = evaluate(
            [_at_one_size(model) for model in models],
            pairs,
            classes=classes,
            ignored=(classes, 255),
            after_each=bar.update,
        )
    return result.scores


def _at_one_size(model: Callable[[ImageArray], Labels]) -> Segmenter:
    # Images and labels of these data sets have one size.
    return lambda image, _size: model(image)


def by_session(session: Session, image: ImageArray) -> Labels:
    """Return what a file makes of one image."""
    return session(image).masks[0]


def remembering(segment: Callable[[ImageArray], Labels]) -> Callable[[ImageArray], Labels]:
    """Return ``segment`` with a memory of the images that it has seen."""
    known: dict[bytes, Labels] = {}

    def remembered(image: ImageArray) -> Labels:
        key = np.ascontiguousarray(image[::7, ::7]).tobytes()
        if key not in known:
            known[key] = segment(image)
        return known[key]

    return remembered


def cpu() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
