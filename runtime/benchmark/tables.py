"""The report as text: for the terminal, or as Markdown for a README."""

from collections.abc import Sequence

from segpp.runtime.benchmark.environment import SystemState
from segpp.runtime.benchmark.interleave import DEVICE_STAGES, STAGES, device_series, series
from segpp.runtime.benchmark.report import BenchmarkReport, CaseResult, Environment
from segpp.runtime.benchmark.statistics import percentile, samples_for
from segpp.utils.table import table
from segpp.utils.terminal import one_line

__all__ = ["as_markdown", "as_text"]


def as_text(report: BenchmarkReport) -> str:
    """Return tables for the terminal: by stage, by network, and where it was measured."""
    compared = len(report.results) > 1
    stages = [_stage_head(report), *(_stage_row(report, result) for result in report.results)]
    results = [_result_row(report, result, compared=compared) for result in report.results]
    return "\n".join(
        [
            f"ms, median of {_rounds(report)} calls by stage; percentiles of the total",
            table(stages, "l" + "r" * (len(stages[0]) - 1)),
            "",
            table(
                [_result_head(compared=compared), *results],
                "l" + "r" * (5 if compared else 2) + "l",
            ),
            *(["", _RATIO] if compared else []),
            *_gpu_table(report),
            "",
            table(_facts(report), "ll"),
            *([_ESTIMATE] if _has_estimates(report, _tail(report)) else []),
        ]
    )


def as_markdown(report: BenchmarkReport) -> str:
    """Return one table, and below it where it was measured."""
    head = _markdown_head(report)
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    rows = [head, rule, *(_markdown_row(report, result) for result in report.results)]
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    facts = "; ".join(f"{name}: {text}" for name, text in _facts(report))
    note = (
        f"Times in ms of {_rounds(report)} interleaved calls; faster: the first one's time ÷ this "
        "one's in the same round, median [quartiles]."
    )
    if _has_estimates(report, report.percents):
        note += " ~: an estimate, too few calls for this percentile."
    note += "".join(f" {text}." for text in map(_gpu_sentence, report.results) if text)
    return "\n".join([*lines, "", f"{note} {facts}."])


_ON_THE_GPU = "ms on the GPU, median by its own events; the rates of the engine and of it all"


def _gpu_table(report: BenchmarkReport) -> list[str]:
    """Return a table of the networks whose time on a GPU is known."""
    timed = [result for result in report.results if result.device]
    if not timed:
        return []
    head = ["", *DEVICE_STAGES, "engine images/s", "picture to mask", "launched", "transfers"]
    rows = [head, *map(_gpu_row, timed)]
    return ["", _ON_THE_GPU, table(rows, "l" + "r" * (len(DEVICE_STAGES) + 2) + "ll")]


def _gpu_row(result: CaseResult) -> list[str]:
    medians = [percentile(device_series(result.samples, stage), 50) for stage in DEVICE_STAGES]
    return [
        result.name,
        *(f"{value:.2f}" for value in medians),
        *(f"{result.engine_rate or 0:.1f}", f"{result.rate:.2f}"),
        *_ways(result),
    ]


def _ways(result: CaseResult) -> tuple[str, str]:
    device = result.device
    if device is None:
        return "", ""
    return (
        "as a CUDA graph" if device.cuda_graph else "kernel by kernel",
        "none, shared memory" if device.shared_memory else "pinned memory",
    )


def _gpu_sentence(result: CaseResult) -> str:
    if not result.device:
        return ""
    name, upload, engine, download, rate, whole, launched, transfers = _gpu_row(result)
    return (
        f"{name} on the GPU, median by CUDA events: upload {upload} ms, engine {engine} ms, "
        f"download {download} ms ({launched}; transfers: {transfers}); the engine alone makes "
        f"{rate} images/s, picture to mask {whole}"
    )


def _cell(text: str) -> str:
    # A name with the sign that divides cells would make one more.
    return one_line(text).replace("|", r"\|")


_RATIO = (
    "faster: the first one's time ÷ this one's, of the calls next to each other; median [quartiles]"
)
_ESTIMATE = "~ too few samples for this percentile: an estimate"


def _rounds(report: BenchmarkReport) -> int:
    return len(report.results[0].samples)


def _markdown_head(report: BenchmarkReport) -> list[str]:
    percents = [f"total p{percent:g}" for percent in report.percents]
    return [
        *("model", "run by", "inference p50", *percents, "images/s", "peak memory"),
        *("inference faster", "total faster", "same labels"),
    ]


def _markdown_row(report: BenchmarkReport, result: CaseResult) -> list[str]:
    median = percentile(series(result.samples, "inference"), 50)
    return [
        *(result.name, result.backend, f"{median:.1f}"),
        *_percentile_cells(result, report.percents),
        *(f"{result.rate:.2f}", _mb(result.memory.peak)),
        *_comparison(report, result),
    ]


def _stage_head(report: BenchmarkReport) -> list[str]:
    return ["", *STAGES, *(f"p{percent:g}" for percent in _tail(report))]


def _stage_row(report: BenchmarkReport, result: CaseResult) -> list[str]:
    medians = [percentile(series(result.samples, stage), 50) for stage in STAGES]
    return [
        result.name,
        *(f"{value:.1f}" for value in medians),
        *_percentile_cells(result, _tail(report)),
    ]


def _percentile_cells(result: CaseResult, percents: Sequence[float]) -> list[str]:
    values = result.summary("total", percents).percentiles
    count = len(result.samples)
    return [f"{'~' if count < samples_for(p) else ''}{value:.1f}" for p, value in values.items()]


def _tail(report: BenchmarkReport) -> tuple[float, ...]:
    # The median of the total is among the stages.
    return tuple(percent for percent in report.percents if percent != 50)  # noqa: PLR2004 - percent


def _has_estimates(report: BenchmarkReport, shown: Sequence[float]) -> bool:
    return any(_rounds(report) < samples_for(percent) for percent in shown)


def _result_head(*, compared: bool) -> list[str]:
    middle = ["inference faster", "total faster", "same labels"] if compared else []
    return ["", "images/s", "peak memory", *middle, "run by"]


def _result_row(report: BenchmarkReport, result: CaseResult, *, compared: bool) -> list[str]:
    middle = _comparison(report, result) if compared else []
    return [result.name, f"{result.rate:.2f}", _mb(result.memory.peak), *middle, result.backend]


def _comparison(report: BenchmarkReport, result: CaseResult) -> list[str]:
    """Return what differs from the first network: inference time, total time, labels."""
    faster = [_faster(report, result, stage) for stage in ("inference", "total")]
    return [*faster, _agreement(result)]


def _faster(report: BenchmarkReport, result: CaseResult, stage: str) -> str:
    if result is report.results[0]:
        return "1"
    speed_up = report.speed_up(result, stage)
    spread = f"[{speed_up.lower_quartile:.2f}-{speed_up.upper_quartile:.2f}]"
    return f"{speed_up.median:.2f}x {spread}"


def _agreement(result: CaseResult) -> str:
    if result.agreement is None:
        return "-"
    # All of them is a claim that rounding must not make.
    return "all" if result.agreement == 1 else f"{min(result.agreement, 0.99999):.3%}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _facts(report: BenchmarkReport) -> list[list[str]]:
    environment = report.environment
    sizes = sorted({f"{e.size[0]}x{e.size[1]}, batch {e.batch}" for e in report.results})
    rows = {
        "input": " and ".join(sizes),
        "image": report.image,
        "machine": f"{environment.board + ', ' if environment.board else ''}{environment.cpu}",
        "threads": "the library's choice" if report.threads is None else str(report.threads),
        "clocks": _clocks(environment.before),
        "temperature": _temperature(environment),
        "GPU": _gpu(environment),
        "load average": ", ".join(f"{value:g}" for value in environment.before.load),
        "others": f"used {environment.others:.0%} of the CPUs meanwhile"
        if environment.others is not None
        else "",
        "versions": ", ".join(
            f"{name} {version}" for name, version in environment.versions.items()
        ),
    }
    return [[name, text] for name, text in rows.items() if text]


def _clocks(state: SystemState) -> str:
    parts: Sequence[str] = (
        ", ".join(state.governors),
        f"{state.megahertz[0]}-{state.megahertz[1]} MHz" if state.megahertz else "",
        "fixed" if state.clocks_fixed else "",
        f"power mode {state.power_mode}" if state.power_mode else "",
    )
    return ", ".join(part for part in parts if part)


def _gpu(environment: Environment) -> str:
    before, after = environment.before.gpu, environment.after.gpu
    if before is None or after is None:
        return ""
    parts = (
        before.name,
        before.driver and f"driver {before.driver}",
        _span("MHz", before.megahertz, after.megahertz, before.most_megahertz),
        before.clock_fixed and "clock fixed",
        _span("°C", before.celsius, after.celsius),
        _span("W", before.watts, after.watts, before.most_watts),
    )
    return ", ".join(str(part) for part in parts if part)


def _span(unit: str, first: float | None, last: float | None, most: float | None = None) -> str:
    if first is None or last is None:
        return ""
    limit = "" if most is None else f" of at most {most:.0f}"
    return f"{first:.0f} {unit} at the start, {last:.0f} at the end{limit}"


def _temperature(environment: Environment) -> str:
    before, after = (
        max(one.temperatures.values(), default=None)
        for one in (environment.before, environment.after)
    )
    if before is None or after is None:
        return ""
    return f"{before:.0f} °C at the start, {after:.0f} °C at the end (hottest sensor)"
