"""Functions leave a model without the onnx package; everything else stays, to the byte."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import GraphError
from segpp.ops import CONTRACTS
from segpp.runtime.onnx_reader.strip_functions import with_local_names, without_functions

onnx = pytest.importorskip("onnx")


def functions_in(model: bytes) -> list[tuple[str, str]]:
    return [(f.domain, f.name) for f in onnx.load_from_string(model).functions]


def model_with(*functions: tuple[str, str]) -> bytes:
    """Return a model whose functions are each one Relu."""
    helper = onnx.helper
    opset = helper.make_opsetid("", 18)
    bodies = [
        helper.make_function(
            domain, name, ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], [opset]
        )
        for domain, name in functions
    ]
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (2,))
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (2,))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model: bytes = helper.make_model(
        graph, opset_imports=[opset], functions=bodies
    ).SerializeToString()
    return model


def test_an_exported_file_loses_our_functions_and_nothing_else(
    exported: Callable[[str, str, str], Path],
) -> None:
    data = exported("hq", "128x256", "fp32").read_bytes()
    expected = onnx.load_from_string(data)
    assert {name for _, name in functions_in(data)} <= set(CONTRACTS)
    del expected.functions[:]

    stripped = without_functions(data)

    assert onnx.load_from_string(stripped) == expected
    assert len(stripped) < len(data)


def test_functions_of_others_and_those_not_named_stay() -> None:
    match, merge = ("segpp", "SegppTokenMatch"), ("segpp", "SegppTokenMerge")
    others = [("elsewhere", "SegppTokenMatch"), ("segpp", "SegppUnknown")]
    data = model_with(match, *others, merge)

    assert functions_in(without_functions(data)) == others
    assert functions_in(without_functions(data, ["SegppTokenMatch"])) == [*others, merge]
    assert without_functions(data, []) == data


def test_a_model_that_ends_early_is_refused() -> None:
    data = model_with(("segpp", "SegppTokenMatch"))

    with pytest.raises(GraphError, match="only part of one"):
        without_functions(data[:-1])


def test_an_operator_gets_a_name_that_no_plugin_has_and_computes_the_same(
    exported: Callable[[str, str, str], Path],
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    data = exported("hq", "128x256", "fp32").read_bytes()
    before = onnx.load_from_string(data)

    renamed = with_local_names(data, ["SegppTokenMerge"])

    after = onnx.load_from_string(renamed)
    names = [node.op_type for node in after.graph.node if node.domain == "segpp"]
    assert names == [
        node.op_type.replace("SegppTokenMerge", "LocalTokenMerge")
        for node in before.graph.node
        if node.domain == "segpp"
    ]
    assert ("segpp", "LocalTokenMerge") in functions_in(renamed)
    assert len(renamed) == len(data)
    onnx.checker.check_model(after, full_check=True)
    x = {"image": np.random.default_rng(0).standard_normal((1, 3, 128, 256), np.float32)}
    first, second = (
        onnxruntime.InferenceSession(one, providers=["CPUExecutionProvider"]).run(None, x)
        for one in (data, renamed)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_names_of_others_stay() -> None:
    data = model_with(("elsewhere", "SegppTokenMatch"), ("segpp", "SegppTokenMerge"))

    assert with_local_names(data, ["SegppTokenMatch"]) == data
