"""Several things timed in turn, one call of each a round, so that a slow minute slows them all."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.scoring import cpu
from segpp.images import sample_image
from segpp.images.postprocess import labels_from
from segpp.images.preprocess import load_image, prepare
from segpp.manifest import InputSpec, read_manifest
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig
from segpp.runtime.benchmark.interleave import BenchmarkConfig, Sample, interleave, series
from segpp.runtime.benchmark.statistics import ratio
from segpp.utils.choices import check_choice

Runner = Callable[[], object]
Times = dict[str, list[float]]


def interleaved(runners: Mapping[str, Runner], rounds: int, *, warmup: int = 1) -> Times:
    """Return the milliseconds of every call of every runner, round by round."""
    samples = interleave(
        [partial(_sample, run) for run in runners.values()],
        BenchmarkConfig(warmup, rounds, 0.0),
        clock=time.perf_counter,
    )
    return {name: series(own, "total") for name, own in zip(runners, samples, strict=True)}


def summary(times: Times) -> dict[str, dict[str, float]]:
    """Return the median of each, and how many times as fast as the first it is, pair by pair."""
    first = next(iter(times.values()))
    found = {}
    for name, measured in times.items():
        faster = ratio(first, measured)
        found[name] = {
            "median_ms": median(measured),
            "faster": faster.median,
            "faster_lower_quartile": faster.lower_quartile,
            "faster_upper_quartile": faster.upper_quartile,
        }
    return found


def opened(stack: ExitStack, path: Path, *, backend: str, threads: int) -> Backend:
    """Load a file that others are timed beside; it is closed with ``stack``."""
    check_choice(backend, BACKENDS, kind="backend")
    # Idle threads of one must not spin while another is timed, and a cache would be left behind.
    options = BackendConfig(threads=threads, provider="cpu", alone=False, cache=False)
    loaded = BACKENDS[backend].open(path, options)
    stack.callback(loaded.close)
    return loaded


def street(spec: InputSpec) -> NDArray[Any]:
    """Return the bundled street as ``spec`` takes it."""
    return prepare([load_image(sample_image())] * spec.batch, spec)


def labels_of(path: Path, backend: Backend, tensor: NDArray[Any]) -> NDArray[Any]:
    """Return a file's labels of the first image of ``tensor``, at the size of its input."""
    manifest = read_manifest(path)
    [output, *_] = manifest.outputs
    [raw] = backend.run({manifest.input.name: tensor}, [output.name])
    size = (manifest.input.height, manifest.input.width)
    classes = manifest.architecture.classes
    return labels_from(raw, output=output, sizes=[size] * len(raw), classes=classes)[0]


def equal_share(labels: NDArray[Any], others: NDArray[Any]) -> float:
    """Return the share of pixels with equal labels."""
    return float(np.mean(labels == others))


def place(threads: int, backend: str) -> dict[str, object]:
    """Return what every result says about where it was measured."""
    return {"machine": cpu(), "threads": threads, "backend": backend}


def faster_text(row: Mapping[str, float]) -> str:
    """Return how many times as fast, with the quartiles."""
    spread = f"{row['faster_lower_quartile']:.2f}-{row['faster_upper_quartile']:.2f}"
    return f"{row['faster']:.2f}x [{spread}]"


def columns(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _sample(run: Runner) -> Sample:
    start = time.perf_counter()
    run()
    spent = 1e3 * (time.perf_counter() - start)
    return Sample(0.0, 0.0, inference_ms=spent, postprocess_ms=0.0, total_ms=spent)
