"""SegppDecodeHead: torch and the ONNX function give the oracle's logits.

Tests custom_ops/functions/decode_head.py and its part of custom_ops/torch_ops.py.
"""

from typing import Any

import numpy as np
import onnx
import onnx.inliner
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper

from segpp import ops
from segpp.errors import GraphError
from segpp.export.custom_ops import torch_ops
from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses, functions_for
from segpp.export.targets import TARGETS
from tests.helpers.onnx_models import node_of, session_for

Floats = NDArray[Any]

# The size of each level: a network's, one that 4 does not divide, a lone row, a smaller grid's
# with levels as large as the first, and a level that is finer than the first.
SIZES = (
    ((8, 16), (4, 8), (2, 4), (1, 2)),
    ((13, 21), (7, 11), (4, 6), (2, 3)),
    ((1, 9), (1, 5), (1, 3), (1, 1)),
    ((6, 10), (6, 10), (6, 10), (3, 5)),
    ((5, 4), (9, 7), (5, 4), (2, 9)),
)

# A sum of D products is off by at most D units of its terms' sum, in FP32 (Higham, Accuracy and
# Stability of Numerical Algorithms, 2002, section 3.1); the terms here are below 40.
CHANNELS = 24
TOLERANCE = CHANNELS * 2.0**-24 * 40 * CHANNELS


def inputs_of(
    sizes: tuple[tuple[int, int], ...], classes: int = 7, batch: int = 2, seed: int = 0
) -> tuple[list[Floats], Floats, Floats]:
    random = np.random.default_rng(seed)
    levels = [random.standard_normal((batch, CHANNELS, *size), np.float32) for size in sizes]
    weight = random.standard_normal((classes, CHANNELS, 1, 1), np.float32)
    return levels, weight, random.standard_normal(classes, np.float32)


def by_onnx(
    levels: list[Floats], weight: Floats, bias: Floats, target: str, *, align_corners: bool
) -> Floats:
    arrays = [*levels, weight, bias]
    # Half-pixel centres are what a node without the attribute means.
    corners = (("align_corners", 1),) if align_corners else ()
    shapes = tuple(array.shape for array in arrays)
    session = session_for("SegppDecodeHead", corners, shapes, "f" * len(arrays), target)
    names = ops.CONTRACTS["SegppDecodeHead"].inputs
    found: Floats = session.run(None, dict(zip(names, arrays, strict=True)))[0]
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
def test_torch_and_onnx_give_the_oracles_logits(
    sizes: tuple[tuple[int, int], ...], target: str, *, align_corners: bool
) -> None:
    levels, weight, bias = inputs_of(sizes)
    corners = {"align_corners": align_corners}

    expected = ops.decode_head_reference(levels, weight, bias, **corners)

    tensors = [torch.from_numpy(array) for array in (*levels, weight, bias)]
    by_torch = torch_ops.decode_head(tensors[:4], *tensors[4:], **corners).numpy()
    for logits in (by_torch, by_onnx(levels, weight, bias, target, **corners)):
        assert logits.shape == (2, 7, *sizes[0])
        assert logits.dtype == expected.dtype == np.float32
        assert np.abs(logits - expected).max() <= TOLERANCE


def test_the_oracle_is_the_formula_in_double_precision() -> None:
    levels, weight, bias = inputs_of(SIZES[1])

    logits = ops.decode_head_reference(levels, weight, bias)

    first, *deeper = (torch.from_numpy(level).double() for level in levels)
    resized = [torch.nn.functional.interpolate(x, first.shape[2:], mode="bilinear") for x in deeper]
    fused = (first + sum(resized)).clamp(min=0).numpy()
    expected = np.einsum("kd,bdyx->bkyx", weight[:, :, 0, 0], fused) + bias[:, None, None]
    assert np.abs(logits - expected).max() <= TOLERANCE


def test_the_oracle_computes_halves_in_single_and_rounds_once() -> None:
    levels, weight, bias = inputs_of(SIZES[0])
    halves = [level.astype(np.float16) for level in levels]

    logits = ops.decode_head_reference(halves, weight, bias)

    wide = [level.astype(np.float32) for level in halves]
    expected = ops.decode_head_reference(wide, weight, bias).astype(np.float16)
    assert logits.dtype == np.float16
    assert (logits == expected).all()


def test_not_a_number_reaches_every_class_of_its_pixel_and_no_other() -> None:
    levels, weight, bias = inputs_of(SIZES[0])
    levels[0][1, 3, 4, 5] = np.nan

    logits = ops.decode_head_reference(levels, weight, bias)

    assert np.isnan(logits[1, :, 4, 5]).all()
    assert np.isnan(logits).sum() == logits.shape[1]


def graph_of(sizes: tuple[tuple[int, int], ...], attributes: dict[str, int]) -> onnx.GraphProto:
    levels, weight, bias = inputs_of(sizes)
    contract = ops.CONTRACTS["SegppDecodeHead"]
    arrays = [*levels, weight, bias]
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape)
        for name, array in zip(contract.inputs, arrays, strict=True)
    ]
    node = node_of(contract.name, attributes)
    return helper.make_graph([node], "one", inputs, [onnx.ValueInfoProto(name="logits")])


def test_a_level_of_the_firsts_size_is_not_resized() -> None:
    [function] = functions_for(graph_of(SIZES[3], {"align_corners": 0}))

    kinds = [node.op_type for node in function.node]

    assert kinds.count("Resize") == 1
    assert kinds.count("Add") == 3


def test_a_function_for_levels_of_unknown_shape_is_refused() -> None:
    node = node_of("SegppDecodeHead", {})

    with pytest.raises(GraphError, match="levels of unknown shape"):
        FUNCTIONS["SegppDecodeHead"](OperatorUses([node], {}))


def test_nodes_that_differ_cannot_share_a_function() -> None:
    shapes = dict.fromkeys(ops.CONTRACTS["SegppDecodeHead"].inputs, (1, 3, 4, 4))
    nodes = [node_of("SegppDecodeHead", {"align_corners": corners}) for corners in (0, 1)]

    with pytest.raises(GraphError, match="several sizes"):
        FUNCTIONS["SegppDecodeHead"](OperatorUses(nodes, shapes))
