"""The benchmark as a picture: where the time goes, and how steady it is."""

from pathlib import Path
from typing import Any

from segpp.errors import MissingError
from segpp.runtime.benchmark.interleave import STAGES
from segpp.runtime.benchmark.report import Bench, series
from segpp.runtime.benchmark.statistics import percentile

__all__ = ["check_plotting", "draw"]

# Of the Okabe-Ito palette: told apart by people who see colours differently.
_COLOURS = {"decode": "#999999", "pre": "#56B4E9", "engine": "#0072B2", "post": "#E69F00"}
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


def draw(bench: Bench, path: Path) -> None:
    """Write the picture as PNG, whatever the file is called."""
    count = len(bench.entries)
    figure = check_plotting()(figsize=(12, 2.4 + 0.5 * count), layout="constrained")
    bars, times = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_stages(bench, bars)
    _draw_times(bench, times)
    figure.suptitle(_title(bench), fontsize="medium")
    figure.savefig(path, format="png", dpi=150)


def _draw_stages(bench: Bench, axes: Any) -> None:
    rows = range(len(bench.entries))
    left = [0.0] * len(bench.entries)
    for stage in STAGES[:-1]:
        medians = [percentile(series(entry.laps, stage), 50) for entry in bench.entries]
        axes.barh(rows, medians, left=left, color=_COLOURS[stage], label=stage, height=0.6)
        left = [a + b for a, b in zip(left, medians, strict=True)]
    for row, entry in enumerate(bench.entries):
        slowest = max(series(entry.laps, "total"))
        axes.plot([left[row], slowest], [row, row], color="black", linewidth=1)
        axes.plot(slowest, row, "|", color="black", markersize=10)
    axes.set_yticks(rows, [entry.name for entry in bench.entries])
    axes.invert_yaxis()
    axes.set_xlabel("ms per call: medians by stage, line to the slowest call")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_times(bench: Bench, axes: Any) -> None:
    for index, entry in enumerate(bench.entries):
        totals = series(entry.laps, "total")
        colour = _LINES[index % len(_LINES)]
        axes.plot(range(1, len(totals) + 1), totals, ".-", color=colour, label=entry.name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round")
    axes.set_ylabel("total, ms")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(bench.entries) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.spines[["top", "right"]].set_visible(False)


def _title(bench: Bench) -> str:
    threads = "" if bench.threads is None else f", {bench.threads} threads"
    return f"{bench.place.cpu}{threads}"
