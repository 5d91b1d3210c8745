"""The parity check passes a right file and stops a wrong one (also ``parity/file_run.py``)."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import segpp
from segpp.errors import CheckError
from segpp.export.images import Floats, ParityImage
from segpp.export.models.base import family_of
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.parity import MIN_AGREEMENT, check_parity, measure_parity
from segpp.manifest import Parity
from segpp.ops.grid import Size
from tests.helpers.checkpoints import MINIATURE, trace_network

SIZE = Size(128, 160)


ARCHITECTURES = {"tiny": replace(MINIATURE, classes=5), "b0": segformer("b0", classes=5)}


@pytest.fixture(scope="module", params=["tiny", pytest.param("b0", marks=pytest.mark.slow)])
def model(request: pytest.FixtureRequest) -> SegFormer:
    torch.manual_seed(0)
    architecture = ARCHITECTURES[request.param]
    network = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    return network.apply_reductions(reduction_config(ratio=0.5))


@pytest.fixture(scope="module")
def file(model: SegFormer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "b0.onnx"
    onnx.save(clean(trace_network(model, SIZE)), path)
    return path


@pytest.fixture
def image() -> ParityImage:
    noise: Floats = np.random.default_rng(0).standard_normal((1, 3, *SIZE), np.float32)
    return ParityImage("noise", "", noise, noise)


def parity_of(model: SegFormer, file: Path, image: ParityImage) -> Parity:
    return measure_parity(model, file, image, precision="fp32", min_agreement=0.999)


def test_a_right_file_agrees_on_masks_and_logits(
    model: SegFormer, file: Path, image: ParityImage
) -> None:
    parity = parity_of(model, file, image)

    check_parity(parity)
    assert parity.agreement_given_matches == 1.0
    assert parity.max_logit_difference is not None
    assert parity.tolerance is not None
    assert parity.max_logit_difference <= parity.tolerance
    # Where no match differs, the logits are those that PyTorch gives by itself.
    with torch.inference_mode():
        largest = model(torch.from_numpy(image.normalized)).abs().max().item()
    relative = family_of(model.architecture).tolerance(model.architecture, SIZE)
    assert parity.tolerance == pytest.approx(relative * largest, rel=relative)
    # A block of stages 1 and 2 matches 20 keys, one of stage 3 80 queries, one of stage 4 20.
    matches = zip(model.architecture.depths, (20, 20, 80, 20), strict=True)
    assert parity.matches == sum(blocks * tokens for blocks, tokens in matches)


def test_a_wrong_weight_is_caught(
    model: SegFormer, file: Path, image: ParityImage, tmp_path: Path
) -> None:
    graph = onnx.load(file)
    [bias] = [t for t in graph.graph.initializer if t.name == "head.classifier.bias"]
    changed = onnx.numpy_helper.to_array(bias) + np.float32([0.5, 0, 0, 0, 0])
    bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
    onnx.save(graph, tmp_path / "wrong.onnx")

    parity = parity_of(model, tmp_path / "wrong.onnx", image)

    # The largest of all differences, of which four fifths are rounding.
    assert parity.max_logit_difference == pytest.approx(0.5, abs=parity.tolerance)
    with pytest.raises(CheckError, match=r"masks agree .* on 0\.|logits differ"):
        check_parity(parity)


def test_other_merge_counts_are_caught(
    model: SegFormer, image: ParityImage, tmp_path: Path
) -> None:
    other = SegFormer(model.architecture, model.numerics).eval()
    other.load_state_dict(model.state_dict())
    other.apply_reductions(reduction_config(ratio=0.6))
    onnx.save(clean(trace_network(other, SIZE)), tmp_path / "other.onnx")

    with pytest.raises(CheckError, match="the file has no match"):
        parity_of(model, tmp_path / "other.onnx", image)


def test_matches_of_the_same_tokens_count_once(
    model: SegFormer, file: Path, image: ParityImage, tmp_path: Path
) -> None:
    """As a file has them whose equal nodes nobody joined."""
    graph = onnx.load(file)
    [first, *_] = [node for node in graph.graph.node if node.op_type == "SegppTokenMatch"]
    users = [node for node in graph.graph.node if first.output[0] in node.input]
    second = onnx.NodeProto.FromString(first.SerializeToString())
    second.name, second.output[0] = f"{first.name}_again", f"{first.output[0]}_again"
    users[-1].input[list(users[-1].input).index(first.output[0])] = second.output[0]
    graph.graph.node.insert(list(graph.graph.node).index(first) + 1, second)
    onnx.save(graph, tmp_path / "twice.onnx")

    assert parity_of(model, tmp_path / "twice.onnx", image) == parity_of(model, file, image)


def test_where_matches_differ_pytorch_runs_again_with_its_own(model: SegFormer, file: Path) -> None:
    """On one color most tokens are equal, and rounding decides what is merged with what."""
    flat: Floats = np.zeros((1, 3, *SIZE), np.float32)
    runs: list[object] = []
    handle = model.register_forward_hook(lambda *_: runs.append(None))

    parity = parity_of(model, file, ParityImage("flat", "", flat, flat))
    handle.remove()

    assert parity.matches_differing > 0
    assert len(runs) == 2


def test_the_gates_are_those_that_the_documentation_tells() -> None:
    told = re.search(
        r"by default ([\d.]+), in fp16 ([\d.]+),\s+in bf16 ([\d.]+)\.\n",
        segpp.export_onnx.__doc__ or "",
    )

    assert told
    assert (
        dict(zip(("fp32", "fp16", "bf16"), map(float, told.groups()), strict=True)) == MIN_AGREEMENT
    )


def test_the_masks_of_rounded_halves_are_held_to_the_limit_too() -> None:
    parity = Parity("x", "", pixel_agreement=1.0, min_agreement=0.99, agreement_rounded=0.0)

    with pytest.raises(CheckError, match=r"on 0\.00000 of the pixels\n  asked for: 0\.99"):
        check_parity(parity)


def test_masks_below_the_limit_are_refused_with_both_numbers() -> None:
    with pytest.raises(CheckError, match=r"on 0\.98000 of the pixels\n  asked for: 0\.99"):
        check_parity(Parity("x", "", pixel_agreement=0.98, min_agreement=0.99))


@pytest.mark.parametrize("difference", [2.0, float("nan")])
def test_logits_beyond_rounding_are_refused(difference: float) -> None:
    parity = Parity("x", "", 1.0, 0.99, 1.0, max_logit_difference=difference, tolerance=1.0)

    with pytest.raises(CheckError, match="rounding explains at most 1"):
        check_parity(parity)
