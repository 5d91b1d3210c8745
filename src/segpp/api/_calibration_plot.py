"""A calibration as a picture: what blocks cost in INT8, and what they gain."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segpp.calib.report import CalibrationResult
from segpp.calib.selection.costs import BlockResult
from segpp.runtime.benchmark.plot import check_plotting
from segpp.utils.overwrite import MARK

__all__ = ["draw"]

# Of the Okabe-Ito palette: told apart by people who see colours differently.
_INT8, _SOME, _FLOAT = "#0072B2", "#56B4E9", "#999999"
_STATES = {_INT8: "all products in INT8", _SOME: "some of them", _FLOAT: "float"}


def draw(result: CalibrationResult, path: Path) -> None:
    """Write the picture as PNG, whatever the file is called.

    Raises:
        MissingError: The package matplotlib is not installed.
    """
    blocks = result.blocks
    figure = check_plotting()(figsize=(12, 2.2 + 0.3 * len(blocks)), layout="constrained")
    costs, gains = figure.subplots(1, 2, sharey=True)
    _bars(costs, blocks, [block.divergence for block in blocks])
    costs.set_xlabel("divergence in INT8 alone, nats per pixel")
    costs.set_yticks(range(len(blocks)), [block.block for block in blocks])
    costs.invert_yaxis()
    _bars(gains, blocks, [block.milliseconds for block in blocks])
    on = f" with {result.engine}" if result.engine else ""
    gains.set_xlabel(f"gain of a call{on}, ms")
    for color, label in _STATES.items():
        costs.barh([0], [0], color=color, label=label)
    figure.legend(ncols=3, loc="outside lower center", frameon=False)
    figure.suptitle(_title(result), fontsize="medium")
    figure.savefig(path, format="png", dpi=150, metadata={"Software": MARK})


def _bars(axes: Any, blocks: Sequence[BlockResult], values: Sequence[float | None]) -> None:
    rows = range(len(blocks))
    colors = [_color(block) for block in blocks]
    axes.barh(rows, [value or 0.0 for value in values], color=colors, height=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if any(value is not None for value in values):
        axes.axvline(0, color="black", linewidth=0.8)
        axes.ticklabel_format(axis="x", scilimits=(-2, 4))
        return
    axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center")
    axes.set_xticks([])


def _color(block: BlockResult) -> str:
    if block.int8 == 0:
        return _FLOAT
    return _INT8 if block.int8 == block.products else _SOME


def _title(result: CalibrationResult) -> str:
    drop, name = result.drop, result.out.name
    if not result.judged:
        return f"{name}, not written: every product stays float"
    called = f"{name}, not written" if result.failed else name
    return (
        f"{called}: {drop.measure} {drop.model:.2f} of {drop.reference:.2f} in float, "
        f"{drop.pictures} pictures"
    )
