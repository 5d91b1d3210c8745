"""The gate: it lets a right file through, stops a wrong one, and is not fooled by near-ties."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.export.custom_ops.torch_ops import MatchSettings, plain_match
from segpp.export.models.precision import deployed
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import plan_from
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.trace import trace
from segpp.export.parity import Floats, Measured, check_parity, measure
from segpp.export.parity.replay_matches import GivenMatches
from segpp.ops.grid import Size

SIZE = Size(128, 160)
MATCH = MatchSettings(height=4, width=4, stride_y=2, stride_x=2, merged=6, window=0)


@pytest.fixture(scope="module")
def model() -> SegFormer:
    torch.manual_seed(0)
    network = SegFormer(segformer("b0", classes=5), Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    return network.reduce(plan_from(ratio=0.5).items())


@pytest.fixture(scope="module")
def file(model: SegFormer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "b0.onnx"
    onnx.save(clean(trace(deployed(model, "fp32"), SIZE, 1)), path)
    return path


@pytest.fixture
def image() -> Floats:
    return np.random.default_rng(0).standard_normal((1, 3, *SIZE), np.float32)


def test_a_right_file_agrees_on_masks_and_logits(
    model: SegFormer, file: Path, image: Floats
) -> None:
    measured = measure(model, file, image, precision="fp32")

    check_parity(measured, 0.999)
    assert measured.agreement_given_matches == 1.0
    assert measured.max_logit_difference is not None
    assert measured.tolerance is not None
    assert measured.max_logit_difference <= measured.tolerance
    # Stages 1 and 2 match 20 keys each, stage 3 80 queries, stage 4 20, in two blocks each.
    assert measured.matches == 2 * (20 + 20 + 80 + 20)


def test_a_wrong_weight_is_caught(
    model: SegFormer, file: Path, image: Floats, tmp_path: Path
) -> None:
    graph = onnx.load(file)
    [bias] = [t for t in graph.graph.initializer if t.name == "model.head.classifier.bias"]
    changed = onnx.numpy_helper.to_array(bias) + np.float32([0.5, 0, 0, 0, 0])
    bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
    onnx.save(graph, tmp_path / "wrong.onnx")

    measured = measure(model, tmp_path / "wrong.onnx", image, precision="fp32")

    with pytest.raises(CheckError, match=r"masks agree .* on 0\.|logits differ"):
        check_parity(measured, 0.999)


def test_other_merge_counts_are_caught(model: SegFormer, image: Floats, tmp_path: Path) -> None:
    other = SegFormer(model.architecture, model.numerics).eval()
    other.load_state_dict(model.state_dict())
    other.reduce(plan_from(ratio=0.6).items())
    onnx.save(clean(trace(deployed(other, "fp32"), SIZE, 1)), tmp_path / "other.onnx")

    with pytest.raises(CheckError, match="the file has no match"):
        measure(model, tmp_path / "other.onnx", image, precision="fp32")


def tokens() -> Tensor:
    return torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(3))


def test_a_near_tie_decided_the_other_way_is_accepted() -> None:
    x = tokens()
    # Destinations 0 and 2 are the same token, and source 1 is close to both.
    x[0, 2] = x[0, 0]
    x[0, 1] = x[0, 0] * 1.5
    slot = plain_match(x, MATCH)
    assert slot[0, 1] == slot[0, 0]
    slot[0, 1] = slot[0, 2]

    given = GivenMatches([(MATCH, slot)], tie=1e-5)

    assert torch.equal(given(x, MATCH), slot)
    assert (given.tokens, given.differing) == (16, 1)


def test_a_clearly_worse_destination_is_refused() -> None:
    x = tokens()
    slot = plain_match(x, MATCH)
    merged_source = next(int(s) for s in MATCH.partition.sources if slot[0, s] >= 6)
    slot[0, merged_source] = 6 + (slot[0, merged_source] - 6 + 1) % 4

    with pytest.raises(CheckError, match="merges tokens that are less similar than others"):
        GivenMatches([(MATCH, slot)], tie=1e-5)(x, MATCH)


def test_slots_out_of_order_are_refused() -> None:
    x = tokens()
    slot = plain_match(x, MATCH)
    slot[0, [0, 2]] = slot[0, [2, 0]]

    with pytest.raises(CheckError, match="slots on 4x4 tokens break their contract"):
        GivenMatches([(MATCH, slot)], tie=1e-5)(x, MATCH)


def test_masks_below_the_limit_are_refused_with_both_numbers() -> None:
    with pytest.raises(CheckError, match=r"on 0\.98000 of the pixels\n  asked for: 0\.99"):
        check_parity(Measured(pixel_agreement=0.98), 0.99)


@pytest.mark.parametrize("difference", [2.0, float("nan")])
def test_logits_beyond_rounding_are_refused(difference: float) -> None:
    measured = Measured(1.0, 1.0, max_logit_difference=difference, tolerance=1.0)

    with pytest.raises(CheckError, match="rounding explains at most 1"):
        check_parity(measured, 0.99)
