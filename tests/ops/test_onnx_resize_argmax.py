"""SegppResizeArgmax: torch and the ONNX function choose like the oracle, strip by strip."""

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
from segpp.export.targets import ONNXRUNTIME, PORTABLE, TARGETS
from tests.helpers.onnx_models import node_of, session_for

Floats = NDArray[np.float32]


@pytest.mark.parametrize(
    "size", [(8, 12), (16, 24), (32, 48), (12, 18), (8, 24), (13, 21), (13, 29), (5, 3)]
)
@pytest.mark.parametrize("classes", [1, 2, 3, 7, 19, 150, 300])
def test_torch_and_onnx_resize_and_choose_like_the_oracle(
    size: tuple[int, int], classes: int
) -> None:
    logits = np.random.default_rng(0).standard_normal((2, classes, 4, 6), np.float32)
    height, width = size

    expected = ops.resize_argmax_reference(logits, height=height, width=width)

    # Random logits have no ties within rounding here, so every label must be equal.
    for labels in (
        by_onnx_resize_argmax(logits, height, width),
        by_onnx_resize_argmax(logits, height, width, ONNXRUNTIME),
        torch_ops.resize_argmax(torch.from_numpy(logits), height, width).numpy(),
    ):
        assert labels.dtype == expected.dtype == (np.int8 if classes <= 127 else np.int32)
        assert (labels == expected).all()


def by_onnx_resize_argmax(
    logits: Floats, height: int, width: int, target: str = PORTABLE
) -> NDArray[Any]:
    attributes = (("height", height), ("width", width))
    kind = "h" if logits.dtype == np.float16 else "f"
    session = session_for("SegppResizeArgmax", attributes, (logits.shape,), kind, target)
    return session.run(None, {"logits": logits})[0]


@pytest.mark.parametrize("target", TARGETS)
def test_strips_of_rows_join_without_a_seam(target: str) -> None:
    # Four strips of 49 rows of cells; smooth logits, as a network gives them.
    rng = np.random.default_rng(1)
    coarse = torch.from_numpy(rng.standard_normal((1, 7, 6, 32), np.float32))
    size = (48, 256)
    logits = torch.nn.functional.interpolate(coarse, size, mode="bicubic").numpy() * 8

    labels = by_onnx_resize_argmax(logits, 4 * size[0], 4 * size[1], target)

    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(logits), scale_factor=4, mode="bilinear", align_corners=False
    )
    best = pixels.topk(2, dim=1).values
    clear = (best[:, 0] - best[:, 1]).numpy() > 8 * 2.0**-24 * np.abs(logits).max()
    assert clear.mean() > 0.999
    assert (labels == pixels.argmax(1).numpy())[clear].all()


def test_half_precision_logits_are_resized_in_single() -> None:
    logits = np.random.default_rng(2).standard_normal((1, 5, 4, 4)).astype(np.float16)

    labels = by_onnx_resize_argmax(logits, 16, 16)

    assert (labels == ops.resize_argmax_reference(logits, height=16, width=16)).all()


@pytest.mark.parametrize("size", [(8, 8), (5, 3)])
def test_the_lowest_class_wins_a_tie(size: tuple[int, int]) -> None:
    logits = np.zeros((1, 5, 2, 2), np.float32)
    logits[0, 2:4] = 1

    for labels in (
        ops.resize_argmax_reference(logits, height=size[0], width=size[1]),
        torch_ops.resize_argmax(torch.from_numpy(logits), *size).numpy(),
        by_onnx_resize_argmax(logits, *size),
        by_onnx_resize_argmax(logits, *size, ONNXRUNTIME),
    ):
        assert (labels == 2).all()


@pytest.mark.parametrize("target", TARGETS)
def test_the_function_never_holds_all_classes_at_full_resolution(target: str) -> None:
    node = node_of("SegppResizeArgmax", {"height": 256, "width": 512})
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, (1, 19, 64, 128))
    graph = helper.make_graph([node], "one", [logits], [onnx.ValueInfoProto(name="labels")])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, ops.VERSION)]
    functions = functions_for(graph, target)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)

    flat = onnx.shape_inference.infer_shapes(
        onnx.inliner.inline_local_functions(model), data_prop=True, strict_mode=True
    )

    sizes = {
        value.name: int(np.prod([dim.dim_value for dim in value.type.tensor_type.shape.dim]))
        for value in flat.graph.value_info
    }
    assert len(sizes) > 19
    assert min(sizes.values()) > 0
    # The corners of every cell: four times the logits, in place of sixteen.
    assert max(sizes.values()) < 19 * 256 * 512 / 3


def test_logits_of_unknown_shape_are_refused() -> None:
    node = node_of("SegppResizeArgmax", {"height": 8, "width": 8})

    with pytest.raises(GraphError, match="resizes logits of unknown shape"):
        FUNCTIONS["SegppResizeArgmax"](OperatorUses([node], {}))
