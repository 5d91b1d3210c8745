"""A plain ViT whose neighbours merge for all that follows goes on with a smaller grid.

Tests reduction/methods/similarity.py, reduction/assignments/line_pairs.py and
reduction/assignments/weighted_means.py at ``BLOCK.tokens``, and what works behind them.
"""

from pathlib import Path

import pytest
import torch

from segpp.errors import ReductionError
from segpp.export.models.cost_model import site_costs
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.family import FAMILY
from segpp.export.reduction.assignments.line_pairs import LinePairs, Lines
from segpp.export.reduction.assignments.weighted_means import weighted_merge, weights_behind
from segpp.export.reduction.config import ReductionChoice, count_tokens
from segpp.export.reduction.methods.similarity import SimilarityGrid
from segpp.ops.grid import Grid, Size
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.eomt.folders import eomt_dinov3, save_eomt, semantic
from tests.export.models.vit.eomt.test_eomt import check_same, images
from tests.export.models.vit.references import reference
from tests.export.models.vit.test_reduction import PREFIX, SIZE, small
from tests.export.reduction.methods.rows_then_columns import MergingEomt, merging_segmenter

# Once, and again on what the first left.
SHARES = {1: 0.75, 2: 0.6}


def sites(shares: dict[int, float]) -> ReductionChoice:
    texts = (f"{block}.tokens=similarity:share={share}" for block, share in shares.items())
    return ReductionChoice(reduce=tuple(texts))


# --- against loops over rows and columns


@pytest.mark.parametrize("head", ["mask", "linear"])
@pytest.mark.parametrize("size", [(64, 96), (80, 112)], ids=["even", "odd"])
def test_a_segmenter_is_that_of_the_loops(tmp_path: Path, head: str, size: tuple[int, int]) -> None:
    network, x = reference(depth=3, dim=64, heads=1, size=size, head=head), images(Size(*size))
    checkpoint = load_checkpoint(save_segmenter(tmp_path, network))
    config = FAMILY.reduction_config(sites(SHARES), checkpoint.architecture)

    with torch.inference_mode():
        expected = merging_segmenter(network, x, SHARES)
        found = checkpoint.build().apply_reductions(config)(x)

    # Logits of a few, in FP32 through three blocks, in another order of sums.
    assert float((found - expected).abs().max() / expected.abs().max()) <= 2e-5
    assert torch.equal(found.argmax(1), expected.argmax(1))
    assert expected.argmax(1).unique().numel() > 1


def test_rotary_positions_stay_or_become_the_mean_of_their_turns(tmp_path: Path) -> None:
    """Before and behind the block that queries join at."""
    network, x = eomt_dinov3(), images()
    checkpoint = load_checkpoint(save_eomt(tmp_path, network))
    config = FAMILY.reduction_config(sites(SHARES), checkpoint.architecture)
    scores, labels = semantic(MergingEomt(network, SHARES), x)

    with torch.inference_mode():
        found = checkpoint.build().apply_reductions(config)(x)

    assert float((found - scores).abs().max() / scores.abs().max()) <= 1e-4
    assert torch.equal(found.argmax(1), labels)
    assert labels.unique().numel() > 1
    check_same(checkpoint, x, *semantic(MergingEomt(network, {}), x))


# --- means


def pairs() -> LinePairs:
    """Two rows of three tokens: the first two of the one merge, the last two of the other."""
    rows = Lines(torch.tensor([[0, 0, 1], [0, 1, 1]], dtype=torch.int32), 2, is_largest=False)
    columns = Lines(torch.tensor([[0, 0], [0, 0]], dtype=torch.int32), 1, is_largest=False)
    return LinePairs(Grid(2, 3), rows, columns)


def test_a_mean_counts_every_patch_of_a_slot() -> None:
    x = torch.tensor([[[1.0], [2.0], [6.0], [9.0], [3.0], [0.0]]])
    weights = torch.tensor([[[1.0], [1.0], [2.0], [4.0], [1.0], [1.0]]])
    assignment = pairs()

    # Along rows the first slot has 1 and 2, along columns 9 more.
    assert assignment.merge(x).flatten().tolist() == [5.25, 3.75]
    assert weighted_merge(assignment, x, None).flatten().tolist() == [4.0, 3.0]
    assert weighted_merge(assignment, x, weights).flatten().tolist() == [39 / 6, 15 / 4]
    assert assignment.members().flatten().tolist() == [3.0, 3.0]
    assert weights_behind(assignment, weights, 1).flatten().tolist() == [6.0, 4.0]


@pytest.mark.parametrize("grid", [Grid(1, 4), Grid(4, 1)], ids=str)
def test_along_one_axis_its_lines_are_counted_alone(grid: Grid) -> None:
    x = torch.tensor([1.0, 1.1, 5.0, -7.0])[None, :, None] * torch.tensor([[1.0, 0.1]])

    counts = SimilarityGrid(0.75).match(x, grid).members()

    assert counts.flatten().tolist() == [2.0, 1.0, 1.0]


@pytest.mark.parametrize(("value", "is_same"), [("max", True), ("mean", False)])
def test_only_means_count_patches(tmp_path: Path, value: str, *, is_same: bool) -> None:
    network = reference(depth=1, dim=64, heads=1, head="linear")
    [stage] = load_checkpoint(save_segmenter(tmp_path, network)).build().stages
    stage.merging = SimilarityGrid.parse(f"value={value}")
    draw = torch.Generator().manual_seed(0)
    x, weights = torch.randn(1, 25, 64, generator=draw), 1 + torch.arange(24.0)[None, :, None]

    plain, weighted = stage(x, Grid(4, 6))[0], stage(x, Grid(4, 6), None, weights)[0]

    assert plain.shape == (1, 1 + 2 * 3, 64)
    assert torch.equal(plain, weighted) is is_same


# --- what works behind it

BEHIND = ("1.tokens=similarity:share=0.75", "2.q=bsm", "2.tokens=clap:count=1", "3.tokens=gbm")


def test_what_needs_a_grid_works_behind_it_and_costs_what_it_leaves() -> None:
    architecture = small()
    config = FAMILY.reduction_config(ReductionChoice(reduce=BEHIND), architecture)

    told = count_tokens(config, FAMILY.grids(SIZE, config, architecture))

    # 4x6 patches become 3x5, of which cells and windows of 2x2 are merged.
    assert [(f"{s.stage}.{s.side}", s.grid, s.tokens_out) for s in told] == [
        ("1.tokens", (4, 6), 15),
        ("2.q", (3, 5), 8),
        ("2.tokens", (3, 5), 12),
        ("3.tokens", (1, 12), 10),
    ]
    macs = FAMILY.macs(architecture, SIZE, told).stages
    assert [stage.ffn for stage in macs] == [
        (PREFIX + left) * 2 * 128 * 512 for left in (15, 12, 10)
    ]
    how = SimilarityGrid(0.75)
    assert macs[0].matching == how.compared_pairs(Grid(4, 6)) * (128 + 3)
    assert macs[0].merging == (4 * 6 * 5 + 4 * 3 * 5) * 128
    [once, *_] = site_costs(architecture, SIZE, told)
    # Two matches and a merge, each with its fixed part.
    assert once.added == macs[0].matching + macs[0].merging + 24 * 128 + 260 * 70_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2.tokens=similarity:first=2", r"2\.tokens has no blocks to choose from"),
        ("2.tokens=similarity:every=2", r"2\.tokens has no blocks to choose from"),
        ("2.tokens=area", r"area cannot merge at 2\.tokens"),
        ("2.q=similarity", r"similarity cannot merge at 2\.q\n.*it merges grid and tokens only"),
    ],
)
def test_what_has_no_meaning_there_is_refused(text: str, words: str) -> None:
    with pytest.raises(ReductionError, match=words):
        FAMILY.reduction_config(ReductionChoice(reduce=(text,)), small())


def test_a_maximum_of_turns_is_refused() -> None:
    choice = ReductionChoice(reduce=("2.tokens=similarity:value=max",))
    rotary = small("mask-classification", rope_theta=100.0)

    assert FAMILY.reduction_config(choice, small())
    with pytest.raises(ReductionError, match=r"(?s)2\.tokens merges by value=max.*similarity:val"):
        FAMILY.reduction_config(choice, rotary)
