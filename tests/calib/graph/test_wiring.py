"""Who makes and who takes a value."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.calib.graph.wiring import array_of, replace_array, wiring_of

GRAPH = """<ir_version: 8, opset_import: ["": 18]>
g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> {
    [a] h = Add(x, w)
    [b] i = Mul(h, h)
    [c] y = Sub(h, i)
}"""


def test_edges_are_those_of_the_graph() -> None:
    wiring = wiring_of(onnx.parser.parse_model(GRAPH).graph)

    assert set(wiring.initializers) == {"w"}
    assert {name: node.name for name, node in wiring.makers.items()} == {
        "h": "a", "i": "b", "y": "c",
    }  # fmt: skip
    # A node that takes a value twice is one user.
    assert [node.name for node in wiring.users("h")] == ["b", "c"]
    assert wiring.users("y") == []
    assert wiring.users("nothing") == []


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_weight_keeps_its_name_and_type(kind: type) -> None:
    tensor = numpy_helper.from_array(np.arange(3, dtype=kind), "w")

    read = array_of(tensor)
    replace_array(tensor, read * 2)

    assert read.dtype == np.float32
    assert tensor.name == "w"
    written = numpy_helper.to_array(tensor)
    assert written.dtype == kind
    assert written.tolist() == [0, 2, 4]
