"""Whether a way to run a file gives the labels of the reference, every time, in threads too."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

import segpp
from benchmarks.gpu.engines.ways import Way
from segpp.images.preprocess import ImageArray
from segpp.runtime.inference.session import Session

__all__ = ["LEAST", "checked", "problems"]

# Share of pixels with the reference's label. Random weights leave many pixels near ties, so this
# is no measure of a trained network; a wrong layout, type or kernel falls far below.
LEAST = {"fp32": 0.99, "fp16": 0.95}

_THREADS, _CALLS = 4, 6


def checked(way: Way, image: ImageArray, expected: NDArray[Any] | None) -> dict[str, Any]:
    """Return what came out for the image, and for others in between.

    Args:
        way: How to run.
        image: (H, W, 3).
        expected: The reference's labels; None of the reference itself.
    """
    with segpp.load(way.file, **way.settings) as session:
        first = session(image).masks[0]
        kept = first.copy()
        session(image[::-1].copy())
        again = session(image).masks[0]
        return {
            "labels": first,
            "run by": session.description,
            "notes": list(session.notes),
            "agreement": 1.0 if expected is None else float(np.mean(first == expected)),
            "repeatable": bool((first == again).all()),
            "results stay": bool((first == kept).all()),
            "threads agree": _in_threads(session, image, first),
            "two sessions agree": _beside(way, session, image, first),
        }


def problems(found: dict[str, Any], precision: str) -> list[str]:
    """Return which promises were not kept."""
    kept = ("repeatable", "results stay", "threads agree", "two sessions agree")
    broken = [name for name in kept if not found[name]]
    if found["agreement"] < LEAST[precision]:
        broken.append(f"agreement {found['agreement']:.5f} < {LEAST[precision]}")
    return broken


def _in_threads(session: Session, image: ImageArray, expected: NDArray[Any]) -> bool:
    """Return whether threads that share a session get the labels of their own picture."""
    turned = image[::-1].copy()
    other = session(turned).masks[0]

    def call(number: int) -> bool:
        picture, labels = (turned, other) if number % 2 else (image, expected)
        return bool((session(picture).masks[0] == labels).all())

    with ThreadPoolExecutor(_THREADS) as pool:
        return all(pool.map(call, range(_THREADS * _CALLS)))


def _beside(way: Way, session: Session, image: ImageArray, expected: NDArray[Any]) -> bool:
    """Return whether two sessions at work at once leave each other alone."""
    with segpp.load(way.file, **way.settings) as other, ThreadPoolExecutor(2) as pool:
        masks = pool.map(lambda one: one(image).masks[0], [session, other] * _CALLS)
        return all(bool((mask == expected).all()) for mask in masks)
