"""The sites of exported networks: as many of every kind as the architecture has modules."""

from collections import Counter

import onnx
import pytest

from segpp.calib.graph.sites import KINDS, Site, sites_of
from segpp.errors import GraphError
from segpp.manifest import Architecture, read_manifest
from tests.calib.conftest import TinyFile

pytest.importorskip("torch", reason="needs the exporter (extra export)")
from segpp.export.models.segformer.architecture import SR_RATIOS

NONE, HQ = ("--preset", "none"), ("--preset", "hq")
FORMS = [
    ("conv-bn", 3, *NONE),
    ("conv-bn", 3, *HQ, "--target", "onnxruntime"),
    ("linear", 4, *HQ),
    ("linear", 4, *NONE, "--target", "onnxruntime"),
    # Labels are interpolated by convolutions there, which hold no weights of the network.
    ("conv-bn", 3, *NONE, "--target", "plain", "--outputs", "labels"),
]
# The same networks in the other forms.
OTHERS = [
    ("conv-bn", 3, *HQ),
    ("conv-bn", 3, *NONE, "--target", "onnxruntime"),
    ("linear", 4, *NONE),
    ("linear", 4, *HQ, "--target", "onnxruntime"),
]
Form = tuple[str, int, str]


# The products of the attention of a block, by stage.
ATTENTION = [3 + (ratio > 1) for ratio in SR_RATIOS]


def kinds_of(network: Architecture) -> dict[str, int]:
    blocks, stages = sum(network.depths), len(network.depths)
    each = dict.fromkeys(("q", "kv", "out", "fc1", "depthwise", "fc2"), blocks)
    pairs = zip(network.depths, SR_RATIOS, strict=True)
    return {
        **each,
        "patch": stages,
        "reduce": sum(depth for depth, ratio in pairs if ratio > 1),
        # A linear head's projection and its share of the fusion are one product by then.
        "head": stages * (2 if network.head == "conv-bn" else 1),
        "classifier": 1,
    }


def blocks_of(network: Architecture) -> dict[str, int]:
    found = {"head": kinds_of(network)["head"] + 1}
    for stage, (depth, products) in enumerate(zip(network.depths, ATTENTION, strict=True), start=1):
        found[f"stage {stage} patch"] = 1
        found |= {f"stage {stage} block {block}": products + 3 for block in range(1, depth + 1)}
    return found


def parts_of(network: Architecture) -> dict[str, int]:
    found = {}
    for stage, (depth, products) in enumerate(zip(network.depths, ATTENTION, strict=True), start=1):
        found[f"stage {stage} patch"] = 1
        found[f"stage {stage} attention"] = depth * products
        found[f"stage {stage} feed-forward"] = depth * 3
    return found


@pytest.mark.parametrize(
    "form",
    [*FORMS, *(pytest.param(form, marks=pytest.mark.slow) for form in OTHERS)],
    ids=lambda form: "-".join(map(str, form)),
)
def test_every_weighted_module_is_a_site_of_its_kind(tiny_file: TinyFile, form: Form) -> None:
    path = tiny_file(*form)
    network = read_manifest(path).architecture

    sites = sites_of(onnx.load(path))

    assert Counter(site.kind for site in sites) == kinds_of(network)
    assert Counter(site.block for site in sites) == blocks_of(network)
    parts = Counter(site.part for site in sites if not site.part.startswith("head"))
    assert parts == parts_of(network)


@pytest.mark.parametrize("number", [0, 2], ids=["conv-bn", "linear"])
def test_what_merging_and_the_target_change_does_not_change_what_is_quantized(
    tiny_file: TinyFile, number: int
) -> None:
    plain, other = (sites_of(onnx.load(tiny_file(*FORMS[i]))) for i in (number, number + 1))

    assert essence(plain) == essence(other)


def essence(sites: tuple[Site, ...]) -> set[tuple[str, str, str]]:
    return {(site.module, site.kind, site.block) for site in sites}


def test_a_site_knows_its_tensors(tiny_file: TinyFile) -> None:
    model = onnx.load(tiny_file(*FORMS[2]))
    weights = {one.name: tuple(one.dims) for one in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}

    sites = sites_of(model)

    for site in sites:
        node, shape = nodes[site.node], weights[site.weight]
        assert (node.op_type, node.input[0], node.output[0]) == (
            site.operator, site.input, site.output,
        )  # fmt: skip
        assert site.kind in KINDS
        if site.operator == "Conv":
            assert (site.output_axis, site.channel_axis) == (0, 1)
            assert site.channels == shape[1] * site.groups
        else:
            assert (site.output_axis, site.channel_axis) == (1, -1)
            assert site.channels == shape[0]
    assert sites[0].channels == 4
    grouped = {site.kind for site in sites if site.groups > 1}
    assert grouped == {"depthwise"}


def test_the_levels_of_a_head_are_parts(tiny_file: TinyFile) -> None:
    path = tiny_file(*FORMS[0])
    stages = len(read_manifest(path).architecture.depths)

    parts = Counter(site.part for site in sites_of(onnx.load(path)) if site.kind == "head")

    assert parts == {f"head {level}": 2 for level in range(1, stages + 1)}


GEMMS = """<ir_version: 8, opset_import: ["": 18]>
g (float[2,3] x) => (float[2,5] y) <float[3,4] w = {1,1,1,1,1,1,1,1,1,1,1,1},
  float[5,4] v = {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}> {
    [a] h = Gemm(x, w)
    [b] y = Gemm<transB = 1>(h, v)
}"""


def test_a_gemm_has_its_output_channels_where_it_turns_its_weight() -> None:
    first, second = sites_of(onnx.parser.parse_model(GEMMS))

    assert (first.operator, first.output_axis, first.channels) == ("Gemm", 1, 3)
    assert (second.operator, second.output_axis, second.channels) == ("Gemm", 0, 4)
    assert (first.kind, first.module, first.block) == ("other", "a", "a")


def test_what_decides_who_shares_a_token_is_no_site() -> None:
    text = '<ir_version: 8, opset_import: ["": 18]> g (float[1,1,2,2] x) => (float[1,1,2,2] y)'
    text += "<float[1,1,1,1] a = {1}, float[1,1,1,1] b = {1}>"
    model = onnx.parser.parse_model(text + "{ s = Conv(x, a) p = Conv(x, b) y = Add(s, p) }")
    names = ("network.policy.stem.conv.weight", "network.patch_embed.conv.weight")
    for node, weight, name in zip(model.graph.node, model.graph.initializer, names, strict=False):
        node.input[1] = weight.name = name

    assert [site.module for site in sites_of(model)] == ["patch_embed.conv"]


def test_products_of_activations_are_no_sites(tiny_file: TinyFile) -> None:
    path = tiny_file(*FORMS[0])
    model = onnx.load(path)
    weights = {one.name for one in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    without = {node.name for node in products if not weights & {*node.input}}

    found = {site.node for site in sites_of(model)}

    # Scores, and what they weigh.
    assert len(without) == 2 * sum(read_manifest(path).architecture.depths)
    assert not found & without


def test_a_quantized_file_and_one_without_products_are_refused() -> None:
    head = '<ir_version: 8, opset_import: ["": 18]> g (float[1,2] x) => (float[1,2] y)'
    quantized = onnx.parser.parse_model(
        head + "<float s = {1}, int8 z = {0}> { q = QuantizeLinear(x, s, z)"
        " y = DequantizeLinear(q, s, z) }"
    )
    plain = onnx.parser.parse_model(head + "{ y = Relu(x) }")

    with pytest.raises(GraphError, match=r"quantized already\n.*1 QuantizeLinear"):
        sites_of(quantized)
    with pytest.raises(GraphError, match="no convolution or matrix product"):
        sites_of(plain)
