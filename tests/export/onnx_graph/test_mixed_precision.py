"""Half precision: which values are halves, and which stay FP32."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from segpp import ops
from segpp.export.onnx_graph.lint import lint
from segpp.export.onnx_graph.mixed_precision import HALF_KINDS, to_half

Exported = Callable[[str, str, str], Path]

HALF, BRAIN, FLOAT = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT


def kinds_of(graph: onnx.GraphProto) -> dict[str, int]:
    values = [*graph.value_info, *graph.input, *graph.output]
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    return kinds | {tensor.name: tensor.data_type for tensor in graph.initializer}


def placement(graph: onnx.GraphProto, kind: int) -> Counter[str]:
    """Count the nodes whose first output is of a type, by operator."""
    kinds = kinds_of(graph)
    return Counter(node.op_type for node in graph.node if kinds[node.output[0]] == kind)


# Of B0's eight blocks: two norms each, those of six reductions, four patches and four stages.
NORMS = 2 * 8 + 6 + 4 + 4
IN_FP32 = {"LayerNormalization": NORMS, "Softmax": 8}


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("preset", ["none", "hq"])
def test_exactly_norms_and_softmax_of_b0_compute_in_fp32(
    exported: Exported, preset: str, precision: str
) -> None:
    model = onnx.load(exported(preset, "128x256", precision))

    graph, kind = model.graph, HALF_KINDS[precision]
    in_fp32, halves = placement(graph, FLOAT), placement(graph, kind)
    # What enters them is cast to FP32, and the logits are: the first norm of a stage's blocks reads
    # what the norm of the patches gives. What they give is cast for its readers, and the input is.
    assert in_fp32 == {**IN_FP32, "Cast": NORMS - 4 + 8 + 1}
    assert halves["Cast"] == NORMS + 8 + 1
    assert {one: halves[one] for one in ("Conv", "MatMul", "Resize")} == {
        "Conv": 37, "MatMul": 46, "Resize": 3,
    }  # fmt: skip
    merged = {"SegppTokenMerge": 8, "SegppTokenUnmerge": 4} if preset == "hq" else {}
    assert {one: count for one, count in halves.items() if one.startswith("Segpp")} == merged
    # The only constants in FP32 are weight and bias of a norm.
    wide = {tensor.name for tensor in graph.initializer if tensor.data_type == FLOAT}
    norms = {n for node in graph.node if node.op_type in IN_FP32 for n in node.input[1:]}
    assert wide == norms
    assert {t.data_type for t in graph.initializer} == {FLOAT, kind, TensorProto.INT64}
    assert lint(model) == []


def test_similarities_are_fp32_whatever_tokens_are(exported: Exported) -> None:
    model = onnx.load(exported("hq", "128x256", "fp16"))
    function = next(one for one in model.functions if one.name == "SegppTokenMatch")
    made_by = {name: node for node in function.node for name in node.output}

    products = [node for node in function.node if node.op_type == "MatMul"]

    # The tokens pass through a Cast to FP32 before anything is computed of them.
    readers = [node for node in function.node if function.input[0] in node.input]
    assert {node.op_type for node in readers} <= {"Cast", "Shape"}
    assert {node.attribute[0].i for node in readers if node.op_type == "Cast"} == {FLOAT}
    assert products
    assert all(name in made_by for node in products for name in node.input)


GRAPH = """<ir_version: 8, opset_import: ["": 18]> halves (float[1,2,4,4] x)
    => (float[1,2,8,8] big, float[1,2,4,4] y)
<float[1,2,4,4] sum, float[1,2,4,4] soft,
 float[2] w = {0.1, 0.2}, float[4] s = {1, 1, 2, 2}>
{
    sum = Add(x, x)
    soft = Softmax<axis=1>(sum)
    big = Resize<mode="nearest">(soft, , s)
    y = Mul(soft, sum)
}"""


def small() -> onnx.ModelProto:
    model = onnx.parser.parse_model(GRAPH)
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    return model


def test_a_value_is_cast_once_for_all_its_readers_and_outputs_keep_name_and_type() -> None:
    half = to_half(small(), HALF, {"Softmax_1"})

    onnx.checker.check_model(half, full_check=True)
    assert [node.op_type for node in half.graph.node] == [
        "Cast", "Add", "Cast", "Softmax", "Cast", "Resize", "Mul", "Cast", "Cast",
    ]  # fmt: skip
    assert [(v.name, v.type.tensor_type.elem_type) for v in half.graph.output] == [
        ("big", FLOAT),
        ("y", FLOAT),
    ]
    assert kinds_of(half.graph)["s"] == FLOAT


def test_input_and_outputs_are_halves_where_asked_for() -> None:
    half = to_half(small(), HALF, {"Softmax_1"}, half_input=True, half_output=True)

    onnx.checker.check_model(half, full_check=True)
    ends = [*half.graph.input, *half.graph.output]
    assert {v.type.tensor_type.elem_type for v in ends} == {HALF}
    assert [node.op_type for node in half.graph.node].count("Cast") == 2


def test_a_constant_of_two_types_is_there_twice_and_one_of_none_is_not() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 18]> twice (float[2] x) => (float[2] y)
        <float[2] a, float[2] w = {0.1, 0.2}, float[2] unused = {1, 2}>
        { a = Add(x, w)
          y = Mul(a, w) }"""
    )
    model.graph.node[0].name, model.graph.node[1].name = "add", "mul"

    half = to_half(model, HALF, {"mul"})

    found = {t.name: numpy_helper.to_array(t) for t in half.graph.initializer}
    assert {name: array.dtype for name, array in found.items()} == {
        "w": np.dtype(np.float16),
        "w_fp32": np.dtype(np.float32),
    }
    # The wide one is what it was, and not the half once more.
    assert found["w_fp32"][0] == np.float32(0.1)


def test_bf16_names_the_operator_set_that_has_it(exported: Exported) -> None:
    model = onnx.load(exported("hq", "128x256", "bf16"))

    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert versions == {"": 22, ops.DOMAIN: ops.VERSION}
    assert {e.version for f in model.functions for e in f.opset_import if not e.domain} == {22}
    onnx.checker.check_model(model, full_check=True)
