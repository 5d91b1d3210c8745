"""GELU as one node: the same numbers, and only where it is GELU."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from segpp.calib.graph.fuse_gelu import DOMAIN, fuse_gelu
from segpp.calib.pictures.runs import logits_of
from segpp.manifest import read_manifest
from tests.calib.conftest import TinyFile

HEAD = '<ir_version: 8, opset_import: ["": 18]> g (float[2,64] x) => (float[2,64] y)'
WEIGHTS = "<float root = {1.4142135}, float one = {1}, float half = {0.5}, float two = {2}>"
GELU = """{
    [s] s = Div(x, root)
    [e] e = Erf(s)
    [p] p = Add(e, one)
    [m] m = Mul(x, p)
    [h] y = Mul(m, half)
}"""
NEAR_MISSES = {
    "another scale": GELU.replace("Div(x, root)", "Div(x, two)"),
    "another sum": GELU.replace("Add(e, one)", "Add(e, two)"),
    "another factor": GELU.replace("Mul(m, half)", "Mul(m, two)"),
    "multiplied by something else": GELU.replace("Mul(x, p)", "Mul(s, p)"),
    "erf is used again": GELU.replace("y = Mul(m, half)", "z = Mul(m, half) [i] y = Add(z, e)"),
    "a difference": GELU.replace("Add(e, one)", "Sub(e, one)"),
    "no factor": GELU.replace("[h] y = Mul(m, half)", "[h] y = Relu(m)"),
    "a product is divided": GELU.replace("Div(x, root)", "Mul(x, root)"),
}  # fmt: skip


def parsed(body: str) -> onnx.ModelProto:
    model: onnx.ModelProto = onnx.parser.parse_model(f"{HEAD} {WEIGHTS} {body}")
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    # What is compared are the nodes, not what ONNX Runtime makes of them.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    [result] = session.run(None, {"x": x})
    return np.asarray(result)


def test_five_nodes_become_one_of_the_same_values() -> None:
    model = parsed(GELU)
    x = np.linspace(-6, 6, 128, dtype=np.float32).reshape(2, 64)

    fused = fuse_gelu(model)

    [node] = fused.graph.node
    assert (node.op_type, node.domain) == ("Gelu", DOMAIN)
    # Half an ulp of 6 for each of the five results, rounded up.
    assert np.abs(run(fused, x) - run(model, x)).max() <= 5 * np.spacing(np.float32(6))


@pytest.mark.parametrize("case", NEAR_MISSES)
def test_a_near_miss_is_left_alone(case: str) -> None:
    model = parsed(NEAR_MISSES[case])

    fused = fuse_gelu(model)

    assert fused.SerializeToString() == model.SerializeToString()


def test_every_gelu_of_a_network_is_found_and_nothing_else_changes(tiny_file: TinyFile) -> None:
    path = tiny_file("linear", 4, "--preset", "hq")
    model, manifest = onnx.load(path), read_manifest(path)
    before = model.SerializeToString()
    x = np.random.default_rng(0).standard_normal(manifest.input.shape).astype(np.float32)

    fused = fuse_gelu(model)

    blocks = sum(manifest.architecture.depths)
    counts, plain = (Counter(n.op_type for n in one.graph.node) for one in (fused, model))
    assert counts["Gelu"] == plain["Erf"] == blocks
    assert plain - counts == Counter(Div=blocks, Erf=blocks, Add=blocks, Mul=2 * blocks)
    assert model.SerializeToString() == before
    onnx.checker.check_model(fused)
    [found], [expected] = logits_of(fused, [x]), logits_of(model, [x])
    # The export's own bound for a rewrite that computes the same in another order.
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
