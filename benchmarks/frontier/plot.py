"""Accuracy over cost, a panel for each checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.frontier.tables import Row, seeds_of
from segpp.runtime.benchmark.plot import check_plotting

__all__ = ["draw"]

_COLOURS = {
    "merging": "#0072B2",
    "grid": "#009E73",
    "ffn": "#CC79A7",
    "channels": "#E69F00",
    "combined": "#D55E00",
    "deep": "#56B4E9",
    "windows": "#56B4E9",
    "patches": "#CC79A7",
    "pass": "#E69F00",
}
_UNREDUCED = "none"


def draw(results: Mapping[str, Row], trials: Sequence[Row], path: Path) -> None:
    """Draw mIoU on unseen pictures over the multiply-accumulates of the file.

    A point's number is that of its row in the table; an arrow leads to the mean of the students.
    What takes more than no reduction is left out.

    Args:
        results: Of each network, by its name.
        trials: Distillations.
        path: Where to.
    """
    check_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(7 * len(results), 7), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for panel, (name, result) in zip(panels, results.items(), strict=True):
        _panel(panel, result, trials)
        _labelled(panel, name, result)
    figure.savefig(path, dpi=110)


def _panel(panel: Any, result: Row, trials: Sequence[Row]) -> None:
    most = result["rows"][0]["file_gmacs"]
    for number, row in enumerate(result["rows"], 1):
        x, y = row["file_gmacs"], row["unseen"]["miou"] * 100
        if x > most:
            continue
        panel.scatter(x, y, color=_COLOURS[row["group"]], zorder=3)
        panel.annotate(str(number), (x, y), (3, 3), textcoords="offset points", fontsize=7)
        if seeds := seeds_of(row, result, trials):
            won = mean(seed["after"]["unseen"]["miou"] * 100 for seed in seeds)
            panel.annotate("", (x, won), (x, y), arrowprops={"arrowstyle": "->"})
        if row["setting"] == _UNREDUCED:
            panel.axhline(y, color="#999999", linewidth=0.8, label="no reduction")


def _labelled(panel: Any, name: str, result: Row) -> None:
    groups = {row["group"] for row in result["rows"]}
    for group, colour in _COLOURS.items():
        if group in groups:
            panel.scatter([], [], color=colour, label=group)
    panel.set_title(f"{name}, {result['size']}")
    panel.set_xlabel("multiply-accumulates of the file, billions")
    panel.set_ylabel("mIoU on unseen pictures, percent")
    panel.grid(alpha=0.3)
    panel.legend(loc="lower right")
