"""The benchmark as a picture: where the time goes, and how steady it is."""

from pathlib import Path
from typing import Any

from segpp.errors import MissingError
from segpp.runtime.benchmark.interleave import STAGES, series
from segpp.runtime.benchmark.report import BenchmarkReport
from segpp.runtime.benchmark.statistics import percentile
from segpp.utils.overwrite import MARK

__all__ = ["check_plotting", "draw"]

# Of the Okabe-Ito palette: told apart by people who see colours differently.
_COLORS = {
    "decode": "#999999",
    "preprocess": "#56B4E9",
    "inference": "#0072B2",
    "postprocess": "#E69F00",
}
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def check_plotting() -> Any:
    """Return matplotlib's Figure, which needs no display.

    Raises:
        MissingError: The package is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only when a plot is asked for
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package matplotlib is not installed", hint="pip install 'segpp[plot]'"
        ) from failure
    return Figure


def draw(report: BenchmarkReport, path: Path) -> None:
    """Write the picture as PNG, whatever the file is called.

    Raises:
        MissingError: The package matplotlib is not installed.
    """
    count = len(report.results)
    figure = check_plotting()(figsize=(12, 2.4 + 0.5 * count), layout="constrained")
    bars, times = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_stages(report, bars)
    _draw_times(report, times)
    figure.suptitle(_title(report), fontsize="medium")
    figure.savefig(path, format="png", dpi=150, metadata={"Software": MARK})


def _draw_stages(report: BenchmarkReport, axes: Any) -> None:
    rows = range(len(report.results))
    left = [0.0] * len(report.results)
    for stage in STAGES[:-1]:
        medians = [percentile(series(result.samples, stage), 50) for result in report.results]
        axes.barh(rows, medians, left=left, color=_COLORS[stage], label=stage, height=0.6)
        left = [a + b for a, b in zip(left, medians, strict=True)]
    for row, result in enumerate(report.results):
        slowest = max(series(result.samples, "total"))
        axes.plot([left[row], slowest], [row, row], color="black", linewidth=1)
        axes.plot(slowest, row, "|", color="black", markersize=10)
    axes.set_yticks(rows, [result.name for result in report.results])
    axes.invert_yaxis()
    axes.set_xlabel("ms per call: medians by stage, line to the slowest call")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_times(report: BenchmarkReport, axes: Any) -> None:
    for index, result in enumerate(report.results):
        totals = series(result.samples, "total")
        color = _LINES[index % len(_LINES)]
        axes.plot(range(1, len(totals) + 1), totals, ".-", color=color, label=result.name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round")
    axes.set_ylabel("total, ms")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(report.results) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.spines[["top", "right"]].set_visible(False)


def _title(report: BenchmarkReport) -> str:
    threads = "" if report.threads is None else f", {report.threads} threads"
    return f"{report.environment.cpu}{threads}"
