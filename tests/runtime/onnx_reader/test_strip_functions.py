"""Functions leave a model without the onnx package; everything else stays, to the byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.errors import GraphError
from segpp.ops import CONTRACTS
from segpp.runtime.onnx_reader.strip_functions import without_functions

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
