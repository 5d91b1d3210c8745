"""Our nodes and functions are found without the onnx package, and nobody else's."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.own_nodes import read_own_nodes

onnx = pytest.importorskip("onnx")

TEXT = """<ir_version: 8, opset_import: ["": 18, "segpp": 1, "other": 1]>
g (float[2] x) => (float[2] y) {
    [one] a = segpp.SegppTokenMatch(x)
    b = Relu(a)
    [two] c = segpp.SegppTokenMatch(b)
    [theirs] y = other.SegppTokenMatch(c)
}
<domain: "segpp", opset_import: ["": 18]> SegppTokenMatch (x) => (y) { a = Relu(x) y = Neg(a) }
<domain: "other", opset_import: ["": 18]> SegppTokenMatch (x) => (y) { y = Relu(x) }"""


def test_nodes_and_functions_of_our_domain_are_found() -> None:
    found = read_own_nodes(onnx.parser.parse_model(TEXT).SerializeToString())

    assert found.nodes == (("one", "SegppTokenMatch"), ("two", "SegppTokenMatch"))
    assert found.functions == {"SegppTokenMatch": 2}


def test_an_exported_file_tells_what_the_onnx_package_tells(
    exported: Callable[[str, str, str], Path],
) -> None:
    data = exported("hq", "128x256", "fp32").read_bytes()
    model = onnx.load_from_string(data)

    found = read_own_nodes(data)

    assert found.nodes == tuple(
        (node.name, node.op_type) for node in model.graph.node if node.domain == "segpp"
    )
    assert found.functions == {f.name: len(f.node) for f in model.functions if f.domain == "segpp"}
    assert Counter(operator for _, operator in found.nodes)["SegppTokenMatch"] == 8


def test_a_model_that_ends_early_is_refused() -> None:
    data = onnx.parser.parse_model(TEXT).SerializeToString()

    with pytest.raises(GraphError, match="only part of one"):
        read_own_nodes(data[:-1])
