"""Where the TensorRT dialect puts pairs, from the architecture alone; and what the lint refuses."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.calib.writers.tensorrt import faults_for_tensorrt
from segpp.manifest import Architecture, Manifest
from tests.calib.conftest import MakePictures, TinyFile
from tests.calib.plans import Quantized, quantize

pytest.importorskip("torch", reason="needs the exporter (extra export)")
from segpp.export.models.segformer.architecture import SR_RATIOS

FORMS = [
    ("conv-bn", 3, "--preset", "none"),
    ("linear", 4, "--preset", "hq"),
    ("conv-bn", 3, "--preset", "hq", "--precision", "fp16"),
    ("conv-bn", 1, "--preset", "hq", "--batch", "2", "--input-dtype", "uint8", "--outputs", "both"),
]


@pytest.fixture(scope="session", params=FORMS, ids=lambda form: "-".join(map(str, form)))
def quantized(
    request: pytest.FixtureRequest, tiny_file: TinyFile, make_pictures: MakePictures
) -> Quantized:
    form = request.param
    return quantize(tiny_file(*form), "tensorrt", make_pictures(2, channels=form[1]))


def weights_of(network: Architecture) -> int:
    """Return how many weights become int8: all but the first, the depthwise and the last."""
    stages = len(network.depths)
    reduced = sum(d for d, ratio in zip(network.depths, SR_RATIOS, strict=True) if ratio > 1)
    head = stages * (2 if network.head == "conv-bn" else 1)
    return 5 * sum(network.depths) + reduced + (stages - 1) + head


def activations_of(manifest: Manifest) -> int:
    """Return how many activations become int8: fewer than weights, where products share one.

    A level of the head sees what the next stage does; queries see what keys and values do, where
    neither are reduced or merged.
    """
    network = manifest.architecture
    merged = {site.stage for site in manifest.reduction}
    stages = enumerate(zip(network.depths, SR_RATIOS, strict=True), start=1)
    shared = sum(depth for i, (depth, ratio) in stages if ratio == 1 and i not in merged)
    return weights_of(network) - (len(network.depths) - 1) - shared


def pairs(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    nodes = model.graph.node
    return (
        [node for node in nodes if node.op_type == "QuantizeLinear"],
        [node for node in nodes if node.op_type == "DequantizeLinear"],
    )


def test_every_weight_and_every_activation_has_one_pair(quantized: Quantized) -> None:
    manifest = quantized.manifest
    weights = {tensor.name for tensor in quantized.int8.graph.initializer}

    into, back = pairs(quantized.int8)

    of_weights = [node for node in back if node.input[0] in weights]
    assert len(of_weights) == weights_of(manifest.architecture) == len(quantized.plan.sites)
    assert len(into) == len(back) - len(of_weights) == activations_of(manifest)
    assert {node.input[0] for node in into} == {site.input for site in quantized.plan.sites}


def test_pairs_stand_only_before_weighted_products(quantized: Quantized) -> None:
    planned = {site.node for site in quantized.plan.sites}
    _, back = pairs(quantized.int8)

    takers = {
        node.name
        for one in back
        for node in quantized.int8.graph.node
        if one.output[0] in node.input
    }

    assert takers == planned


def test_everything_else_is_what_it_was(quantized: Quantized) -> None:
    planned = {site.node for site in quantized.plan.sites}
    before = [node for node in quantized.model.graph.node if node.name not in planned]
    names = {node.name for node in before}

    assert [node for node in quantized.int8.graph.node if node.name in names] == before
    assert quantized.int8.functions == quantized.model.functions or is_half(quantized.model)


def is_half(model: onnx.ModelProto) -> bool:
    """Return whether the pairs need another opset, which functions name as well."""
    return any(one.data_type == onnx.TensorProto.FLOAT16 for one in model.graph.initializer)


def test_scales_are_of_the_type_of_the_values(quantized: Quantized) -> None:
    """A strongly typed network takes nothing else."""
    constants = {t.name: numpy_helper.to_array(t) for t in quantized.int8.graph.initializer}
    weights = {t.name: numpy_helper.to_array(t) for t in quantized.model.graph.initializer}
    by_node = {node.name: node for node in quantized.int8.graph.node}
    makers = {name: node for node in quantized.int8.graph.node for name in node.output}

    for site in quantized.plan.sites:
        for name in by_node[site.node].input[:2]:
            assert constants[makers[name].input[1]].dtype == weights[site.weight].dtype


def test_weights_have_a_scale_for_each_output_channel(quantized: Quantized) -> None:
    constants = {t.name: numpy_helper.to_array(t) for t in quantized.int8.graph.initializer}
    by_node = {node.name: node for node in quantized.int8.graph.node}
    makers = {name: node for node in quantized.int8.graph.node for name in node.output}

    for site in quantized.plan.sites:
        back = makers[by_node[site.node].input[1]]
        codes, scales = constants[back.input[0]], constants[back.input[1]]
        [axis] = [one.i for one in back.attribute if one.name == "axis"]
        assert axis == site.output_axis
        assert scales.shape == (codes.shape[axis],)
        assert codes.dtype == np.int8
        assert np.abs(codes.astype(int)).max() <= 127


def test_the_lint_finds_nothing_and_every_type_fits(quantized: Quantized) -> None:
    assert faults_for_tensorrt(quantized.int8) == []
    onnx.checker.check_model(quantized.int8, full_check=True)


HEAD = '<ir_version: 8, opset_import: ["": {opset}]>'
GRAPH = "g ({kind}[1,4] x, {kind} t) => ({kind}[1,4] y) <{constants}> {{ {nodes} }}"
GOOD = {
    "kind": "float",
    "opset": 18,
    "constants": "float s = {0.5}, int8 z = {0}",
    "nodes": "[q] c = QuantizeLinear(x, s, z) [d] y = DequantizeLinear(c, s, z)",
}

# The text of ONNX writes float16 as its bits.
HALF = {
    "kind": "float16",
    "constants": f"float16 s = {{{np.float16(0.5).view(np.uint16)}}}, int8 z = {{0}}",
}


def linted(**changes: object) -> list[str]:
    values = {**GOOD, **changes}
    return faults_for_tensorrt(onnx.parser.parse_model((HEAD + GRAPH).format(**values)))


def test_a_good_pair_has_no_fault() -> None:
    assert linted() == []
    assert linted(opset=19, **HALF) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"constants": "float s = {0.5}, uint8 z = {0}"}, "zero point is uint8 [0], not int8 0"),
        ({"constants": "float s = {0.5}, int8 z = {3}"}, "zero point is int8 [3], not int8 0"),
        ({"constants": "float s = {0}, int8 z = {0}"}, "scale is not above 0"),
        ({"constants": "float s = {-1}, int8 z = {0}"}, "scale is not above 0"),
        (
            {"nodes": "[q] c = QuantizeLinear(x, t, z) [d] y = DequantizeLinear(c, t, z)"},
            "is not a constant",
        ),
        (
            {"nodes": "[q] c = QuantizeLinear(x, s) [d] y = DequantizeLinear(c, s)"},
            "is not a constant",
        ),
        ({"opset": 23}, "opset 23 is above 22"),
        (HALF, "its pairs take float16, which opset 18 has no pairs for"),
    ],
)
def test_what_tensorrt_refuses_is_told(changes: dict[str, object], fault: str) -> None:
    found = linted(**changes)

    assert found
    assert all(fault in one for one in found)
