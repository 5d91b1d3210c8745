"""The copy that rounds every half, which ONNX Runtime does not do on a CPU."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from segpp.export.onnx_graph.mixed_precision import HALF_KINDS, to_half
from segpp.export.onnx_graph.rounded_copy import rounded_copy

# y = (x * w) * s, of which the first product leaves the range of FP16.
GRAPH = """<ir_version: 8, opset_import: ["": 18]> product (float[2] x) => (float[2] y)
    <float[2] p, float[2] w = {300, 300}, float[2] s = {0.001, 0.001}>
    { p = Mul(x, w)
      y = Mul(p, s) }"""


def model(precision: str, **io: bool) -> onnx.ModelProto:
    made = onnx.parser.parse_model(GRAPH)
    for node in made.graph.node:
        node.name = node.output[0]
    return to_half(made, HALF_KINDS[precision], set(), **io)


def run(made: onnx.ModelProto, x: NDArray[np.generic]) -> NDArray[np.generic]:
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [y] = session.run(None, {"x": x})
    return y


def test_what_overflows_on_a_gpu_is_infinite_in_the_copy_alone() -> None:
    x = np.array([300, 1], np.float32)

    assert np.isfinite(run(model("fp16"), x)).all()
    assert np.isinf(run(rounded_copy(model("fp16")), x)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("precision", "kind"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)]
)
def test_every_half_is_rounded(precision: str, kind: type) -> None:
    x = np.array([1.2345, -0.777], np.float32)

    y = run(rounded_copy(model(precision)), x)

    # numpy rounds the result of every operation, to the nearest and to even as ONNX does.
    expected = (x.astype(kind) * kind(300)) * kind(0.001)
    assert y.tolist() == expected.astype(np.float32).tolist()


def test_ends_that_are_halves_stay_so_at_the_input_and_are_wide_at_the_output() -> None:
    x = np.array([1.2345, -0.777], np.float16)
    io = {"half_input": True, "half_output": True}

    y = run(rounded_copy(model("fp16", **io)), x)

    assert y.dtype == np.float32
    assert y.tolist() == run(rounded_copy(model("fp16")), x.astype(np.float32)).tolist()


def test_a_file_of_fp32_is_its_own_copy() -> None:
    made = onnx.parser.parse_model(GRAPH)

    assert rounded_copy(made) == made
