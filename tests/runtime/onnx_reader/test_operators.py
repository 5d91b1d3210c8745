"""What an ONNX file is made of, read without the onnx package, and as that package reads it."""

from pathlib import Path

import onnx
import pytest

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.operators import operator_sets, origin_of

GRAPH = """<ir_version: 8, opset_import: ["": 18, "com.microsoft": 1]>
g (float[1,3,8,8] image) => (float[1,3,8,8] out, float[1,3,8,8] other) {
    inner = Relu(image)
    out = com.microsoft.QuickGelu(inner)
    other = Sigmoid(inner)
}"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(onnx.parser.parse_model(GRAPH), tmp_path / "x.onnx")
    return tmp_path / "x.onnx"


def test_the_operator_sets_are_those_that_onnx_reads(path: Path) -> None:
    expected = {entry.domain for entry in onnx.load(path).opset_import}

    assert operator_sets(path) == expected == {"", "com.microsoft"}


def test_the_operator_behind_every_value_is_found(path: Path) -> None:
    for node in onnx.load(path).graph.node:
        assert origin_of(path, node.output[0]) == node.op_type

    assert origin_of(path, "image") is None


@pytest.mark.parametrize("end", [1, 40, -1])
def test_part_of_a_file_is_refused(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])

    with pytest.raises(GraphError, match="not an ONNX file, or only part of one"):
        origin_of(path, "nowhere")


def test_what_only_moves_a_value_about_is_passed(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 18]>
        g (float[1,3,8,8] image) => (float[1,3,8,8] out) {
        s = Sigmoid(image) h = Cast<to=10>(s) f = Cast<to=1>(h) out = Transpose(f)
        alone = Identity(image) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "x.onnx")

    assert origin_of(tmp_path / "x.onnx", "out") == "Sigmoid"
    assert origin_of(tmp_path / "x.onnx", "alone") is None
