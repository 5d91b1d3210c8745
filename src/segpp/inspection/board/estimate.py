"""What a board would need for a file: an estimate from counts, as sections of a report and data.

Nothing here was measured on a board, and every heading says so.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from onnx import ModelProto

from segpp.errors import GraphError
from segpp.inspection.board.boards import Board
from segpp.inspection.board.layers import (
    PRECISIONS,
    count_layers,
    peak_activations,
    weight_bytes,
)
from segpp.inspection.board.roofline import (
    AT_BEST,
    AT_WORST,
    Estimate,
    PartEstimate,
    estimate_latency,
)
from segpp.inspection.report import Section, facts, giga, megabytes, rows

__all__ = ["BoardEstimate", "compare_sections", "estimate_file", "estimate_sections"]

# Kept by the system and its desktop, by CUDA's context and by TensorRT's libraries.
_TAKEN = 3 * 10**9


@dataclass(frozen=True)
class BoardEstimate:
    """What a board would need for one call of a file.

    Attributes:
        board: Which.
        latency: By part and in all.
        weights: Bytes of the file's constants.
        activations: Bytes alive at once, at most.
        uncounted: Operators whose shapes the file does not tell.
    """

    board: Board
    latency: Estimate
    weights: int
    activations: int
    uncounted: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the memory holds weights and activations beside everything else."""
        return self.weights + self.activations + _TAKEN <= self.board.memory

    @property
    def milliseconds(self) -> tuple[float, float]:
        """At best and at worst."""
        best, worst = self.latency.total.seconds
        return best * 1e3, worst * 1e3

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "is": "an estimate from counts and peak rates; nothing was measured on a board",
            "board": {**asdict(self.board), "rates": self.board.rates},
            "at_best": asdict(AT_BEST),
            "at_worst": asdict(AT_WORST),
            "parts": [asdict(part) for part in self.latency.parts],
            "total": asdict(self.latency.total),
            "memory": {
                "weights": self.weights,
                "activations": self.activations,
                "taken": _TAKEN,
                "fits": self.fits,
            },
            "uncounted": dict(Counter(self.uncounted)),
        }


def estimate_file(
    model: ModelProto, board: Board, *, assumed: str | None = None, name: str = "the file"
) -> BoardEstimate:
    """Estimate what ``board`` needs for one call of an ONNX file.

    Args:
        model: The file; weights beside it need not be loaded.
        board: One of ``BOARDS``.
        assumed: One of ``layers.PRECISIONS`` to count an FP32 file as if it were written in that.
        name: What the file is called in messages.

    Raises:
        GraphError: Nothing in it can be counted, or its graph contradicts itself.
    """
    _check_order(model, name)
    try:
        layers, unknown = count_layers(model, assumed=assumed)
        weights = weight_bytes(model, assumed=assumed)
        activations = peak_activations(model, assumed=assumed)
    except (IndexError, KeyError, TypeError, ValueError) as failure:
        raise GraphError(
            f"{name} cannot be counted for a board", "its shapes do not fit its operators"
        ) from failure
    latency = estimate_latency(layers, board)
    if latency.total.seconds[1] <= 0:
        raise GraphError(
            f"{name} has nothing that can be counted for a board",
            f"of unknown shape: {', '.join(sorted(set(unknown))) or 'nothing'}",
            hint="export it with a fixed --size",
        )
    return BoardEstimate(board, latency, weights, activations, tuple(unknown))


def _check_order(model: ModelProto, file: str) -> None:
    """Refuse a graph in a circle: whoever follows its tensors would never come to an end."""
    made = {value.name for value in (*model.graph.input, *model.graph.initializer)}
    own = {name for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        late = [name for name in node.input if name in own and name not in made]
        twice = [name for name in node.output if name and name in made]
        if late or twice:
            what = "read before it is made" if late else "made twice"
            raise GraphError(
                f"the graph of {file} is damaged", f"{(late or twice)[0]!r:.80} is {what}"
            )
        made.update(node.output)


def estimate_sections(estimate: BoardEstimate) -> tuple[Section, ...]:
    """Return an estimate for a person to read."""
    title = f"estimate for {estimate.board.title}, from counts; not measured"
    cells = [["", "G MACs", "MB moved", "ms", "images/s", "waits for memory"]]
    cells += [_row(part) for part in (*estimate.latency.parts, estimate.latency.total)]
    return (
        rows(title, cells, "lrrrrr"),
        facts("that estimate takes for granted", _assumptions(estimate, "the file as it is")),
    )


def _row(part: PartEstimate) -> list[str]:
    best, worst = part.seconds
    # At best all of it may disappear into what stands before it, in no time.
    rate = f"{_two_digits(1 / worst)}-{_two_digits(1 / best)}" if best > 0 else ""
    return [
        part.part,
        giga(part.macs),
        _range(*(count / 1e6 for count in part.bytes)),
        _range(best * 1e3, worst * 1e3),
        rate if part.part == "total" else "",
        f"{part.memory_bound:.0%}",
    ]


def _assumptions(estimate: BoardEstimate, what: str) -> dict[str, object]:
    taken = f"{megabytes(_TAKEN)} for the system and TensorRT"
    fits = "holds" if estimate.fits else "does not hold"
    needs = (
        f"{megabytes(estimate.weights)} of weights, {megabytes(estimate.activations)} of "
        f"activations and {taken}"
    )
    return {
        "at best": f"{AT_BEST.arithmetic:.0%} of the peak rate, {AT_BEST.bandwidth:.0%} of the "
        f"bandwidth, {AT_BEST.launch * 1e6:g} us a launch, everything fused that can be",
        "at worst": f"{AT_WORST.arithmetic:.0%} of the peak rate, {AT_WORST.bandwidth:.0%} of the "
        f"bandwidth, {AT_WORST.launch * 1e6:g} us a launch, nothing fused, FP32 without TF32",
        "clocks": "at their highest: nvpmodel and jetson_clocks set so",
        "plugins": "the operators of segpp as plugins; without them matching takes longer",
        "left out": "reading, resizing and drawing pictures",
        "memory": f"of {what}: its {megabytes(estimate.board.memory)} {fits} {needs}",
        "not counted": ", ".join(f"{n} {name}" for name, n in Counter(estimate.uncounted).items()),
    }


def compare_sections(
    estimates: Mapping[str, Mapping[str, BoardEstimate]], board: Board
) -> tuple[Section, ...]:
    """Return a table of reductions by name, each in every precision of ``PRECISIONS``."""
    title = f"estimate for {board.title}, ms an image, from counts; not measured"
    cells = [["", *PRECISIONS]]
    cells += [
        [name, *(_range(*row[precision].milliseconds) for precision in PRECISIONS)]
        for name, row in estimates.items()
    ]
    name, row = next(iter(estimates.items()))
    return (
        rows(title, cells, "l" + "r" * len(PRECISIONS)),
        facts("that estimate takes for granted", _assumptions(row["fp32"], f"{name} in fp32")),
    )


def _range(low: float, high: float) -> str:
    return f"{_two_digits(low)}-{_two_digits(high)}"


def _two_digits(value: float) -> str:
    """Return a number with as many digits as an estimate deserves."""
    if value <= 0:
        return "0"
    places = max(0, 1 - math.floor(math.log10(value)))
    return f"{round(value, 1 - math.floor(math.log10(value))):,.{min(places, 3)}f}"
