"""From the graph in FP32 to the one that is written: islands found on a picture, then halves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from segpp.export.onnx_graph.islands import find_islands, largest_values, nodes_in_fp32
from segpp.export.onnx_graph.mixed_precision import HALF_KINDS, to_half
from segpp.manifest import Island

__all__ = ["half_note", "half_step", "in_half"]


def in_half(
    graph: ModelProto,
    precision: str,
    image: NDArray[Any] | None,
    *,
    half_input: bool = False,
    half_output: bool = False,
) -> tuple[ModelProto, tuple[Island, ...]]:
    """Return the graph in half precision, and what stays FP32 in it because of its range.

    Args:
        graph: Clean, in FP32.
        precision: ``fp16`` or ``bf16``.
        image: What the file will be compared with PyTorch on; without it, nothing is known of
            ranges. BF16 has that of FP32.
        half_input: Take the input as halves.
        half_output: Give the logits as halves.
    """
    islands: tuple[Island, ...] = ()
    if precision == "fp16" and image is not None:
        # Before it is converted, the graph takes floats.
        wide = image.astype(np.float32) if image.dtype == np.float16 else image
        islands = find_islands(graph, largest_values(graph, wide))
    in_fp32 = nodes_in_fp32(graph.graph, islands)
    kind = HALF_KINDS[precision]
    half = to_half(graph, kind, in_fp32, half_input=half_input, half_output=half_output)
    return half, islands


def half_note(precision: str, islands: Sequence[Island], *, seen: bool) -> str | None:
    """Return one sentence on what a person must know of ranges and backends, or None.

    Args:
        precision: Of the file.
        islands: What was found.
        seen: Whether anything was looked at.
    """
    if precision == "bf16":
        return (
            "ONNX Runtime does not run BF16 on a CPU: OpenVINO does, which segpp-run takes where "
            "it is installed (--backend openvino), and engines do (segpp-build-engine)"
        )
    if precision != "fp16":
        return None
    if not seen:
        return "nobody looked at ranges: what FP16 cannot hold would be infinite (--no-check)"
    if not islands:
        return "islands: none, FP16 holds every value of the picture"
    count = sum(len(island.nodes) for island in islands)
    largest = max(islands, key=lambda island: island.largest)
    return (
        f"islands: {len(islands)} value(s) that FP16 may not hold, up to {largest.largest:,.0f} in "
        f"{largest.place or largest.value}; {count} operators compute in FP32 for them"
    )


def half_step(precision: str, *, seen: bool) -> str:
    """Return what ``in_half`` does, for the line that says so."""
    if precision == "fp16" and seen:
        return "looking for what half precision cannot hold"
    return f"converting to {precision.upper()}"
