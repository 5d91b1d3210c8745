"""What FP16 cannot hold computes in FP32, and nothing else does.

By ``onnx_graph/half_file.py`` as the export calls it.

A network whose scores leave the range of FP16 is made from an ordinary one by large biases of
queries and keys: in FP32 it works, in FP16 two infinities meet in the softmax.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from segpp.errors import CheckError
from segpp.export.config import ExportConfig
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.onnx_graph import half_file
from segpp.export.onnx_graph.islands import LIMIT, always_fp32, find_islands, largest_values
from segpp.export.onnx_graph.rounded_copy import rounded_copy
from segpp.export.pipeline import export_onnx
from segpp.images import sample_image
from segpp.images.preprocess import load_image, prepare
from segpp.manifest import read_manifest
from segpp.ops.grid import Size

SIZE = Size(128, 256)


def changed(checkpoint: Path, out: Path, **values: float) -> Path:
    """Save the network with so much added to tensors of its second block, by name."""
    state = load_checkpoint(checkpoint).build().state_dict()
    for name, value in values.items():
        state[f"stages.1.blocks.0.{name.replace('__', '.')}"] += value
    torch.save({"state_dict": state_dict_for("mmsegmentation", state)}, out)
    return out


@pytest.fixture
def large_scores(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """Queries and keys of about 300: (300 ** 2) * 8 channels / sqrt(8) is 250,000."""
    path = tmp_path / "large.pth"
    return changed(tiny_checkpoint, path, attention__q__bias=300.0, attention__k__bias=300.0)


def export(checkpoint: Path, out: Path, **options: object) -> onnx.ModelProto:
    settings = {"size": SIZE, "precision": "fp16", **options}
    export_onnx(ExportConfig(checkpoint, out, **settings))  # type: ignore[arg-type]  # as the test says
    return onnx.load(out)


def kinds_of(graph: onnx.GraphProto) -> dict[str, int]:
    return {v.name: v.type.tensor_type.elem_type for v in [*graph.value_info, *graph.output]}


@pytest.mark.parametrize("preset", ["none", "hq"])
def test_scores_beyond_the_limit_are_fp32_from_the_norm_to_the_softmax(
    large_scores: Path, tmp_path: Path, preset: str
) -> None:
    out = tmp_path / "x.onnx"

    graph = export(large_scores, out, reduction=PRESETS[preset]).graph

    manifest = read_manifest(out)
    [island] = manifest.islands
    assert 65_504 < island.largest < 1e6
    assert island.limit == LIMIT
    assert island.place == "stage 2 block 1, attention scores"
    kinds, nodes = kinds_of(graph), {node.name: node for node in graph.node}
    assert kinds[island.value] == onnx.TensorProto.FLOAT
    assert {kinds[name] for one in island.nodes for name in nodes[one].output} == {
        onnx.TensorProto.FLOAT
    }
    # The product of queries and keys, and the two that make them of tokens.
    assert [nodes[one].op_type for one in island.nodes].count("MatMul") == 3
    assert manifest.parity is not None
    assert manifest.parity.agreement_rounded is not None
    assert manifest.parity.agreement_rounded >= 0.99
    assert "islands: 1 value(s) that FP16 may not hold" in " ".join(manifest.notes)
    assert "in stage 2 block 1, attention scores; " in " ".join(manifest.notes)


def test_without_the_island_the_masks_would_be_no_numbers_and_nothing_is_written(
    large_scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_file, "find_islands", lambda *_: ())
    before = set(tmp_path.iterdir())

    # A gate that asks for nothing does not let it through either.
    with pytest.raises(CheckError, match=r"logits are infinite or not a number\n.*FP16"):
        export(large_scores, tmp_path / "x.onnx", min_agreement=0.0)

    assert set(tmp_path.iterdir()) == before


def test_onnx_runtime_alone_would_not_have_seen_it(large_scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    model = export(large_scores, out, check=False)
    tensor = prepare([load_image(sample_image())], read_manifest(out).input)

    found = [
        onnxruntime.InferenceSession(
            one.SerializeToString(), providers=["CPUExecutionProvider"]
        ).run(["logits"], {"image": tensor})[0]
        for one in (model, rounded_copy(model))
    ]

    assert [bool(np.isfinite(logits).all()) for logits in found] == [True, False]
    assert "ranges" in " ".join(read_manifest(out).notes)


def test_a_large_residual_is_added_in_fp32_and_the_rest_is_half(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    # Every second channel, so that the norm behind it does not take it off.
    checkpoint = tmp_path / "x.pth"
    state = load_checkpoint(tiny_checkpoint).build().state_dict()
    state["stages.1.blocks.0.ffn.fc2.bias"][::2] += 2e5
    torch.save({"state_dict": state_dict_for("mmsegmentation", state)}, checkpoint)
    out = tmp_path / "x.onnx"

    graph = export(checkpoint, out, min_agreement=0.9).graph

    kinds = kinds_of(graph)
    halves = [n.op_type for n in graph.node if kinds[n.output[0]] == onnx.TensorProto.FLOAT16]
    found = read_manifest(out).islands
    assert max(island.largest for island in found) > 65_504
    # A sum with the residual is where its last summand is.
    places = {island.place for island in found}
    assert "stage 2 block 1, ffn.fc2" in places
    assert {place.rpartition(" ")[0] for place in places} <= {
        "stage 2 block 1,",
        "stage 2 block 2,",
    }
    assert halves.count("MatMul") > 10
    assert read_manifest(out).parity.agreement_rounded > 0.9


def test_an_ordinary_network_has_no_islands(tiny_checkpoint: Path, tmp_path: Path) -> None:
    export(tiny_checkpoint, tmp_path / "x.onnx", reduction=PRESETS["hq"])

    manifest = read_manifest(tmp_path / "x.onnx")
    assert manifest.islands == ()
    assert "islands: none" in " ".join(manifest.notes)


GRAPH = """<ir_version: 8, opset_import: ["": 18]> sums (float[2] x) => (float[2] y)
    <float[2] a, float[2] b, float[2] w = {1, 100000}>
    { a = Mul(x, x)
      b = Mul(a, w)
      y = Sqrt(b) }"""


def sums() -> onnx.ModelProto:
    model = onnx.parser.parse_model(GRAPH)
    for node in model.graph.node:
        node.name = node.output[0]
    return model


def test_ranges_are_those_of_the_values() -> None:
    found = largest_values(sums(), np.array([-3, 2], np.float32))

    assert found == {"a": 9.0, "b": 4e5, "y": pytest.approx(4e5**0.5)}


def test_a_value_takes_both_its_sides_along_and_a_weight_its_reader() -> None:
    model = sums()
    # What stands before the first product of weights computes in FP32 anyway.
    first = onnx.helper.make_node("MatMul", ["x", "x"], ["p"], "p")
    model.graph.node.insert(0, first)

    assert always_fp32(model.graph) == set()
    assert [(one.value, one.nodes) for one in find_islands(model, {"a": LIMIT + 1})] == [
        ("a", ("a", "b")),
        # The weight's reader has been taken.
    ]
    assert [one.nodes for one in find_islands(model, {"b": float("nan")})] == [("b", "y")]
    assert [(one.value, one.nodes) for one in find_islands(model, {})] == [("w", ("b",))]


def test_what_is_made_of_tokens_to_match_them_is_fp32(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    reduction = reduction_config(reduce=["2.q=bsm", "3.grid=similarity", "4.q=bsm:protect=1"])

    graph = export(tiny_checkpoint, tmp_path / "x.onnx", reduction=reduction, check=False).graph

    kinds, matches = kinds_of(graph), [n for n in graph.node if n.op_type == "SegppTokenMatch"]
    # Two blocks match the tokens that the attention takes; a grid of two axes and a protected match
    # have tokens of their own.
    assert [kinds[node.input[0]] for node in matches] == [
        *[onnx.TensorProto.FLOAT16] * 2,
        *[onnx.TensorProto.FLOAT] * 3,
    ]
    makers = {name: node for node in graph.node for name in node.output}
    lengths = [node for node in graph.node if node.op_type == "ReduceL2"]
    assert len(lengths) >= 3
    assert {kinds[node.output[0]] for node in lengths} == {onnx.TensorProto.FLOAT}
    assert makers[matches[2].input[0]].op_type == "Concat"
