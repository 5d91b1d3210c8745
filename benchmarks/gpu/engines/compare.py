"""Engines and providers against ONNX Runtime on the CPU: built, checked, and timed in turn.

B0 with random weights, none, hq and fast, FP32 and FP16, pixels in and labels out. Every library
that is installed takes part. Where no GPU is (``--try``) engines are built and files exported all
the same, and what cannot run is told.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

import segpp
from benchmarks.gpu.effort import effort, trying
from benchmarks.gpu.engines.checks import checked, problems
from benchmarks.gpu.engines.files import checkpoint, export
from benchmarks.gpu.engines.ways import Way, ways_of
from benchmarks.gpu.results import exit_if_failed, record, record_failure
from segpp.errors import CheckError, MissingError
from segpp.images import sample_image
from segpp.images.preprocess import load_image
from segpp.runtime.benchmark.report import as_json

STAGE = "engines and providers"
PRESETS = ("none", "hq", "fast")
PRECISIONS = ("fp32", "fp16")


def main() -> None:
    """Compare and time every file; what fails is said, and left out."""
    with TemporaryDirectory() as name:
        weights = checkpoint(Path(name))
        for precision in PRECISIONS:
            for preset in PRESETS[: 1 if trying() else None]:
                try:
                    _file(weights, preset, precision)
                except Exception:  # noqa: BLE001, PERF203 - the next file may work
                    record_failure(STAGE, f"{preset} {precision}")
    exit_if_failed()


def _file(weights: Path, preset: str, precision: str) -> None:
    size = effort().engines
    place = f"b0 {preset} {precision} {size[0]}x{size[1]}"
    image = load_image(sample_image())
    expected: NDArray[Any] | None = None
    running, failed = [], []
    for way in ways_of(export(weights, preset, precision, size)):
        try:
            found = checked(way, image, expected)
        except MissingError as failure:
            problem = failure.problem.replace(f"{way.file.parent}/", "")
            record(STAGE, **{f"{place}: {way.name}": f"not run: {problem}"})
            # Without a GPU that is as it should be; with one it is not.
            failed += [] if trying() else [way.name]
            continue
        expected = found.pop("labels") if expected is None else expected
        found.pop("labels", None)
        broken = problems(found, precision)
        record(STAGE, **{f"{place}: {way.name}": {**found, "broken": broken}})
        failed += [f"{way.name}: {', '.join(broken)}"] if broken else []
        running.append(way)
    record(STAGE, **{f"{place}: times": {way.name: _timed(way) for way in running}})
    if failed:
        raise CheckError(f"{place}: {'; '.join(failed)}")


def _timed(way: Way) -> dict[str, Any]:
    """Return what segpp-bench tells of one way: every stage, and the GPU's part by its events."""
    report = segpp.benchmark(way.file, iterations=effort().rounds, warmup=5, **way.settings)
    told = json.loads(as_json(report))
    [model] = told["models"]
    model.pop("samples_ms")
    if model["gpu"]:
        model["gpu"].pop("samples_ms")
    return {**model, "warnings": told["warnings"], "environment": told["environment"]}


if __name__ == "__main__":
    main()
