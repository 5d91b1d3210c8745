"""A whole benchmark: every network loaded, timed in turn with the others, and reported."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from segpp.runtime.benchmark.case import BenchmarkCase, case_names
from segpp.runtime.benchmark.environment import read_cpu_usage, read_system_state
from segpp.runtime.benchmark.interleave import BenchmarkConfig, interleave
from segpp.runtime.benchmark.reliability import reliability_warnings
from segpp.runtime.benchmark.report import BenchmarkReport
from segpp.runtime.benchmark.runner import LoadedCase, environment_between, load_case
from segpp.runtime.benchmark.statistics import supported_percentiles
from segpp.utils.limits import default_threads
from segpp.utils.progress import step

__all__ = ["run_benchmark"]


def run_benchmark(
    cases: Sequence[BenchmarkCase],
    config: BenchmarkConfig,
    *,
    image: Path | None = None,
    percents: tuple[float, ...] | None = None,
    settings: Mapping[str, Any],
    after_each: Callable[[], object] = lambda: None,
) -> BenchmarkReport:
    """Time the networks in turn, one call of each a round, and say what speaks against the numbers.

    Args:
        cases: The networks; the others are compared with the first.
        config: How long to measure.
        image: What to segment; None for the bundled street at each network's own size.
        percents: The percentiles to report, 0 to 100; None for the usual ones that the calls
            suffice for.
        settings: More of ``open_session``: provider, threads, cache.
        after_each: Called after every round.

    Raises:
        SegppError: A network cannot be loaded or run.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        own = {**settings, "alone": len(cases) == 1}
        loaded = [
            stack.enter_context(_load(name, case, image, folder, own))
            for name, case in zip(case_names(cases), cases, strict=True)
        ]
        before, used = read_system_state(), read_cpu_usage()
        runners = [one.sample for one in loaded]
        samples = interleave(runners, config, clock=time.perf_counter, after_each=after_each)
        environment = environment_between(before, used, {one.module for one in loaded})
        report = BenchmarkReport(
            image=loaded[0].image_text,
            threads=settings.get("threads") or default_threads(),
            warmup=config.warmup,
            percents=percents or supported_percentiles(len(samples[0])),
            environment=environment,
            results=tuple(
                one.result(own, loaded[0]) for one, own in zip(loaded, samples, strict=True)
            ),
        )
        notes = [note for one in loaded for note in one.notes]
    return replace(report, warnings=(*notes, *reliability_warnings(report)))


def _load(
    name: str, case: BenchmarkCase, image: Path | None, folder: Path, settings: dict[str, Any]
) -> LoadedCase:
    with step(f"loading {name}"):
        return load_case(name, case, image, folder, settings)
