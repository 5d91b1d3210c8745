"""Functions that call functions are counted, not written out."""

from pathlib import Path

import onnx
import pytest
from onnx import helper, parser

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.expansion import MOST_NODES, check_expansion
from segpp.runtime.onnx_reader.external_data import check_model

HEAD = '<ir_version: 9, opset_import: ["": 18, "f": 1]>\n'
GRAPH = "g (float[1] x) => (float[1] y) { y = f.f0(x) }\n"


def doubling(levels: int) -> onnx.ModelProto:
    """Return a model whose functions each call the next one twice."""
    text = HEAD + GRAPH
    for level in range(levels):
        inner = f"f.f{level + 1}" if level + 1 < levels else "Relu"
        text += (
            f'<opset_import: ["": 18, "f": 1], domain: "f">\n'
            f"f{level} (x) => (y) {{ a = {inner}(x)\n y = {inner}(a) }}\n"
        )
    return parser.parse_model(text)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "x.onnx")
    return folder / "x.onnx"


@pytest.mark.parametrize("levels", [1, 5, 12])
def test_a_few_functions_are_fine(tmp_path: Path, levels: int) -> None:
    path = saved(doubling(levels), tmp_path)

    check_expansion(path)
    assert 2**levels < MOST_NODES


@pytest.mark.parametrize("levels", [20, 25, 60])
def test_a_small_file_that_becomes_a_huge_graph_is_refused(tmp_path: Path, levels: int) -> None:
    with pytest.raises(GraphError, match="larger than it looks"):
        check_model(saved(doubling(levels), tmp_path))


def test_a_call_within_an_inner_graph_counts(tmp_path: Path) -> None:
    model = doubling(20)
    [call] = model.graph.node
    inner = helper.make_graph([call], "inner", [], [model.graph.output[0]])
    choice = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    del model.graph.node[:]
    model.graph.node.append(choice)

    with pytest.raises(GraphError, match="larger than it looks"):
        check_expansion(saved(model, tmp_path))


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    model = doubling(2)
    model.functions[1].node[0].op_type, model.functions[1].node[0].domain = "f0", "f"

    with pytest.raises(GraphError, match="calls itself"):
        check_expansion(saved(model, tmp_path))
