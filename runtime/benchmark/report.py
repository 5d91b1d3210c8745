"""Everything that a benchmark found, for people and for machines."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.benchmark.environment import SystemState
from segpp.runtime.benchmark.interleave import (
    DEVICE_STAGES,
    STAGES,
    Sample,
    device_series,
    series,
)
from segpp.runtime.benchmark.memory import PeakMemory
from segpp.runtime.benchmark.statistics import Ratio, Summary, ratio
from segpp.utils.table import spreadsheet_text

__all__ = ["BenchmarkReport", "CaseResult", "Environment", "as_csv", "as_json"]


@dataclass(frozen=True)
class CaseResult:
    """One network's part.

    Args:
        name: What it is called in tables.
        file: Its file, without folders.
        backend: Library, version and device in words.
        size: Height and width of its input.
        batch: Images per call.
        load_seconds: From the file to a network that is ready.
        agreement: Share of the image's pixels with the first network's label; None where the
            labels are of another size.
        memory: Of a process that runs it alone.
        samples: Every call that counts.
    """

    name: str
    file: str
    backend: str
    size: tuple[int, int]
    batch: int
    load_seconds: float
    agreement: float | None
    memory: PeakMemory
    samples: tuple[Sample, ...]

    @property
    def rate(self) -> float:
        """Images per second, back to back."""
        return self.batch * len(self.samples) * 1e3 / sum(series(self.samples, "total"))

    def summary(self, stage: str, percents: Sequence[float]) -> Summary:
        """Return the statistics of one stage."""
        return Summary.of(series(self.samples, stage), percents)

    def device_summary(self, stage: str, percents: Sequence[float]) -> Summary | None:
        """Return those of one of ``DEVICE_STAGES``; None where no GPU was timed."""
        times = device_series(self.samples, stage)
        return Summary.of(times, percents) if times else None

    @property
    def device(self) -> DeviceTimes | None:
        """The last call on the GPU, which tells how it was launched; None where none was timed."""
        return self.samples[-1].device

    @property
    def engine_rate(self) -> float | None:
        """Images per second of the network alone, were there nothing around it."""
        times = device_series(self.samples, "engine")
        return self.batch * len(times) * 1e3 / sum(times) if times else None


@dataclass(frozen=True)
class Environment:
    """Where it was measured.

    Args:
        cpu: The model and how many cores this process may use.
        system: The operating system and its architecture.
        board: The board's name, where it has one.
        versions: Of segpp, Python and every library that took part.
        before: The state at the start.
        after: The state at the end.
        others: Share of the CPUs that other processes used meanwhile.
        stolen: Share that the hypervisor gave to other machines.
    """

    cpu: str
    system: str
    board: str | None
    versions: dict[str, str]
    before: SystemState
    after: SystemState
    others: float | None
    stolen: float | None


@dataclass(frozen=True)
class BenchmarkReport:
    """The whole of it.

    Args:
        image: What was segmented, with its size.
        threads: CPU threads, those of a limit of this process too; None for the library's choice.
        warmup: Calls of each network that did not count.
        percents: The percentiles to tell.
        results: One per network; the first is what the others are compared with.
        warnings: What speaks against the numbers, a sentence each.
    """

    image: str
    threads: int | None
    warmup: int
    percents: tuple[float, ...]
    environment: Environment
    results: tuple[CaseResult, ...]
    warnings: tuple[str, ...] = ()

    def speed_up(self, result: CaseResult, stage: str) -> Ratio:
        """Return how many times as fast as the first network ``result`` is, round by round."""
        return ratio(series(self.results[0].samples, stage), series(result.samples, stage))


def as_json(report: BenchmarkReport) -> str:
    """Return everything, every single time included."""
    run = {
        "image": report.image,
        "threads": report.threads,
        "warmup_rounds": report.warmup,
        "percentile_definition": "nearest rank",
        "environment": asdict(report.environment),
        "warnings": report.warnings,
    }
    return json.dumps(
        {**run, "models": [_model(report, result) for result in report.results]},
        indent=2,
        ensure_ascii=False,
    )


def as_csv(report: BenchmarkReport) -> str:
    """Return one row per network and stage, times in milliseconds."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    percents = [f"p{percent:g}" for percent in report.percents]
    head = ["model", "file", "backend", "stage", "samples", "mean", "deviation", "min", "max"]
    writer.writerow([*head, *percents, "images_per_second", "peak_memory_bytes", "speed_up"])
    for result in report.results:
        for stage in (*STAGES, *DEVICE_STAGES):
            summary = _summary(result, stage, report.percents)
            if summary is None:
                continue
            times = (summary.mean, summary.deviation, summary.minimum, summary.maximum)
            is_total = stage == "total"
            writer.writerow(
                [
                    *map(spreadsheet_text, (result.name, result.file, result.backend)),
                    *(stage, summary.count),
                    *(f"{value:.4f}" for value in (*times, *summary.percentiles.values())),
                    f"{result.rate:.4f}" if is_total else "",
                    result.memory.peak if is_total else "",
                    f"{report.speed_up(result, stage).median:.4f}" if _is_compared(stage) else "",
                ]
            )
    return out.getvalue()


def _summary(result: CaseResult, stage: str, percents: Sequence[float]) -> Summary | None:
    if stage in DEVICE_STAGES:
        return result.device_summary(stage, percents)
    return result.summary(stage, percents)


def _is_compared(stage: str) -> bool:
    # What the others cost depends on the machine and the image, not on the network.
    return stage in {"inference", "total"}


def _model(report: BenchmarkReport, result: CaseResult) -> dict[str, object]:
    return {
        "name": result.name,
        "file": result.file,
        "backend": result.backend,
        "input_size": list(result.size),
        "batch": result.batch,
        "load_seconds": round(result.load_seconds, 4),
        "images_per_second": round(result.rate, 4),
        "peak_memory_bytes": result.memory.peak,
        "memory_before_loading_bytes": result.memory.before,
        "pixel_agreement_with_first": result.agreement,
        "stages_ms": {stage: _stage(result.summary(stage, report.percents)) for stage in STAGES},
        "speed_up_over_first": {
            stage: asdict(report.speed_up(result, stage)) for stage in STAGES if _is_compared(stage)
        },
        "samples_ms": {stage: series(result.samples, stage) for stage in STAGES},
        "gpu": _gpu(report, result),
    }


def _gpu(report: BenchmarkReport, result: CaseResult) -> dict[str, object] | None:
    """Return what its events told, and under which conditions; None where no GPU was timed."""
    device = result.device
    summaries = {one: result.device_summary(one, report.percents) for one in DEVICE_STAGES}
    if device is None or None in summaries.values():
        return None
    return {
        "measured_by": "CUDA events on the engine's stream",
        "cuda_graph": device.cuda_graph,
        "transfers": "none: shared memory" if device.shared_memory else "pinned memory",
        "engine_images_per_second": result.engine_rate,
        "stages_ms": {name: _stage(one) for name, one in summaries.items() if one},
        "samples_ms": {name: device_series(result.samples, name) for name in DEVICE_STAGES},
    }


def _stage(summary: Summary) -> dict[str, object]:
    return {
        "samples": summary.count,
        "mean": summary.mean,
        "deviation": summary.deviation,
        "cv": summary.variation,
        "min": summary.minimum,
        "max": summary.maximum,
        **{f"p{percent:g}": value for percent, value in summary.percentiles.items()},
    }
