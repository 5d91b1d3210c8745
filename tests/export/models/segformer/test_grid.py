"""Blocks and the head on a smaller grid, against a formula written in plain torch.

Tests reduction/assignments/grid_pool.py, reduction/methods/area.py, reduction/methods/bilinear.py
and reduction/methods/sample.py, and what models/segformer/model.py and decode_head.py do of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.errors import ReductionError
from segpp.export.models.rewriting import apply_rewrites, select_rewrites
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.model import SegFormer, Stage
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.reduction.methods.area import AreaGrid
from segpp.export.reduction.sites import HEAD, Site
from segpp.export.targets import TARGETS
from segpp.ops.grid import Grid, Size
from tests.conftest import corners
from tests.helpers.checkpoints import MINIATURE

SHARES = (1 / 2, 1 / 3, 3 / 4)
SHARES_OF_EVERY_RUN = corners(SHARES, (1 / 3).__eq__)
# Grids of 25x33, 13x17, 7x9 and 4x5; of 88x120, 44x60, 22x30 and 11x15.
ODD, LARGE = Size(100, 132), Size(352, 480)
STAGES = (1, 2, 3, 4)

# Sums of a few hundred products in double precision, of values below a hundred.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Smaller:
    """What a stage's blocks run on, in the words of the formula."""

    share: float
    first: int = 1
    every: int = 0
    pooled_by: str = "area"

    @property
    def text(self) -> str:
        return f"{self.pooled_by}:share={self.share},first={self.first},every={self.every}"


def network(*reduce: str, preset: str = "none") -> SegFormer:
    torch.manual_seed(0)
    model = SegFormer(replace(MINIATURE, depths=(4, 3, 5, 3)), Numerics(1e-6, 1e-6, 1e-6, 1e-6))
    config = reduction_config(preset=preset, reduce=reduce)
    return model.double().eval().apply_reductions(config)


def images(size: Size, batch: int = 2) -> Tensor:
    draw = torch.Generator().manual_seed(size.height)
    return torch.randn(batch, 3, *size, generator=draw, dtype=torch.float64)


# --- the formula: x + up(blocks(pool(x)) - pool(x))


def cells_of(image: Tensor, share: float) -> tuple[int, int]:
    height, width = (max(1, floor(side * share + 0.5)) for side in image.shape[2:])
    return height, width


def pool(image: Tensor, how: Smaller) -> Tensor:
    rows, columns = cells_of(image, how.share)
    if how.pooled_by == "bilinear":
        return F.interpolate(image, (rows, columns), mode="bilinear", align_corners=False)
    if how.pooled_by == "sample":
        return F.interpolate(image, (rows, columns), mode="nearest")
    # Each token as many times as there are cells: every cell then has whole numbers of them.
    fine = image.repeat_interleave(rows, 2).repeat_interleave(columns, 3)
    return F.avg_pool2d(fine, image.shape[2:])


def up(image: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(image, like.shape[2:], mode="bilinear", align_corners=False)


def as_map(tokens: Tensor, grid: Grid) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, (grid.height, grid.width))


def through(blocks: Iterable[torch.nn.Module], image: Tensor) -> Tensor:
    grid, tokens = Grid(*image.shape[2:]), image.flatten(2).transpose(1, 2)
    for block in blocks:
        tokens = block(tokens, grid)
    return as_map(tokens, grid)


def stage_by_formula(stage: Stage, image: Tensor, how: Smaller) -> Tensor:
    x = as_map(*stage.patch_embed(image))
    waiting: list[torch.nn.Module] = []

    def settled(x: Tensor) -> Tensor:
        if not waiting:
            return x
        pooled = pool(x, how)
        x = x + up(through(waiting, pooled) - pooled, x)
        waiting.clear()
        return x

    for number, block in enumerate(stage.blocks):
        place = number + 1 - (how.first - 1)
        if place >= 1 and not (how.every and place % how.every == 0):
            waiting.append(block)
        else:
            x = through([block], settled(x))
    return stage.norm(settled(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def head_by_formula(model: SegFormer, features: list[Tensor], how: Smaller) -> Tensor:
    first, *deeper = features
    levels = [pool(first, how), *deeper]
    projected = [
        projection(level) for projection, level in zip(model.head.projections, levels, strict=True)
    ]
    same = [up(level, projected[0]) for level in projected]
    return model.head.classifier(model.head.fuse(same))


def by_formula(model: SegFormer, image: Tensor, at: dict[int, Smaller]) -> Tensor:
    """Return what an untouched network gives with its stages, and the head, on smaller grids."""
    features: list[Tensor] = []
    for number, stage in enumerate(model.stages, start=1):
        x = features[-1] if features else image
        features.append(stage_by_formula(stage, x, at[number]) if number in at else stage(x))
    if HEAD not in at:
        return model.head(features)
    return head_by_formula(model, features, at[HEAD])


def assert_follows_the_formula(
    at: dict[int, Smaller], size: Size, preset: str = "none", batch: int = 2
) -> None:
    reduce = [f"{Site(stage, 'grid')}={how.text}" for stage, how in at.items()]
    x = images(size, batch)

    with torch.inference_mode():
        found = network(*reduce, preset=preset)(x)
        expected = by_formula(network(preset=preset), x, at)
        untouched = network(preset=preset)(x)

    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE
    assert found.shape != untouched.shape or (found - untouched).abs().max() > 1e-4


@pytest.mark.parametrize(("first", "every"), [(1, 0), (2, 0), (1, 2), (2, 2)])
@pytest.mark.parametrize("share", SHARES_OF_EVERY_RUN, ids=["half", "third", "three quarters"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_on_a_smaller_grid_follows_the_formula(
    stage: int, share: float, first: int, every: int
) -> None:
    assert_follows_the_formula({stage: Smaller(share, first, every)}, ODD)


@pytest.mark.parametrize("share", SHARES_OF_EVERY_RUN, ids=["half", "third", "three quarters"])
@pytest.mark.parametrize("stage", [pytest.param(1, marks=pytest.mark.slow), 2, 3, 4])
def test_tokens_merge_within_the_smaller_grid(stage: int, share: float) -> None:
    # With a block on the full grid between, which merges as its own grid allows.
    assert_follows_the_formula({stage: Smaller(share, 1, 2)}, LARGE, "hq", batch=1)


@pytest.mark.parametrize("share", SHARES, ids=["half", "third", "three quarters"])
@pytest.mark.parametrize("size", [ODD, Size(128, 160)], ids=str)
def test_the_head_on_a_smaller_grid_follows_the_formula(size: Size, share: float) -> None:
    assert_follows_the_formula({HEAD: Smaller(share)}, size)


@pytest.mark.parametrize("size", [ODD, Size(128, 160)], ids=str)
def test_all_stages_and_the_head_together(size: Size) -> None:
    every = dict.fromkeys(STAGES, Smaller(1 / 2, 1, 2)) | {HEAD: Smaller(1 / 2)}

    assert_follows_the_formula(every, size)


@pytest.mark.parametrize("size", [ODD, Size(128, 160)], ids=str)
@pytest.mark.parametrize("share", SHARES, ids=["half", "third", "three quarters"])
@pytest.mark.parametrize("pooled_by", ["bilinear", "sample"])
def test_a_grid_can_be_sampled_too(pooled_by: str, share: float, size: Size) -> None:
    how = Smaller(share, pooled_by=pooled_by)

    assert_follows_the_formula({3: how, HEAD: how}, size)


def test_a_block_without_effect_leaves_every_token_as_it_was() -> None:
    model, plain = network("3.grid=area:share=0.5"), network()
    for one in (model, plain):
        for block in one.stages[2].blocks:
            for layer in (block.attention.out, block.ffn.fc2):
                torch.nn.init.zeros_(layer.weight)
                torch.nn.init.zeros_(layer.bias)

    with torch.inference_mode():
        assert torch.equal(model(images(ODD)), plain(images(ODD)))


def test_a_network_forgets_a_smaller_grid() -> None:
    model, plain = network("3.grid=area", "head.grid=area"), network()

    model.apply_reductions({})

    with torch.inference_mode():
        assert torch.equal(model(images(ODD)), plain(images(ODD)))


# --- checkpoints that resize by corners


@pytest.mark.parametrize("pooled_by", ["area", "bilinear", "sample"])
@pytest.mark.parametrize("share", SHARES, ids=["half", "third", "three quarters"])
def test_a_head_that_aligns_corners_has_cells_by_their_centers(
    share: float, pooled_by: str
) -> None:
    numerics = Numerics(1e-6, 1e-6, 1e-6, 1e-6, align_corners=True, head_align_corners=True)
    torch.manual_seed(0)
    model = SegFormer(MINIATURE, numerics).double().eval()
    how, x = Smaller(share, pooled_by=pooled_by), images(ODD)

    with torch.inference_mode():
        features = [x := stage(x) for stage in model.stages]
        found = model.apply_reductions(
            reduction_config(reduce=[f"head.grid={pooled_by}:share={share}"])
        )(images(ODD))

        first = pool(features[0], how)
        levels = [
            projection(level)
            for projection, level in zip(
                model.head.projections, [first, *features[1:]], strict=True
            )
        ]
        size = first.shape[2:]
        same = [F.interpolate(one, size, mode="bilinear", align_corners=True) for one in levels]
        expected = model.head.classifier(model.head.fuse(same))

    assert (found - expected).abs().max() <= TOLERANCE


def test_by_corners_cells_move_outwards_at_the_border_alone() -> None:
    places = torch.arange(32.0, dtype=torch.float64)

    cells = AreaGrid(0.5).match(places[None, :, None], Grid(1, 32)).merge(places[None, :, None])
    by_corners, by_centers = (
        F.interpolate(cells.transpose(1, 2), 32, mode="linear", align_corners=corners)[0, 0]
        for corners in (True, False)
    )

    # The centre of the first cell of two tokens lies half a token behind that of the first.
    assert (by_corners - places).tolist() == pytest.approx([0.5 - i / 31 for i in range(32)])
    assert (by_centers - places)[1:-1].abs().max() <= 1e-12


# --- rewrites, training


EVERYWHERE = ("1.grid=area:share=0.5,every=2", "2.grid=area:share=0.75", "3.grid=bilinear",
              "4.grid=area:first=2", "head.grid=area")  # fmt: skip


@pytest.mark.parametrize("size", [ODD, Size(128, 160)], ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_rewrites_are_exact_on_smaller_grids(target: str, size: Size) -> None:
    model, x = network(*EVERYWHERE), images(size)
    rewritten = apply_rewrites(model, select_rewrites(REWRITES, target).on.values())

    with torch.inference_mode():
        expected, found = model(x), rewritten(x)

    assert (expected - found).abs().max() <= TOLERANCE * expected.abs().max()


def test_every_weight_learns_on_smaller_grids() -> None:
    model = network(*EVERYWHERE).train().requires_grad_()

    model(images(Size(128, 160))).square().mean().backward()

    assert [name for name, value in model.named_parameters() if value.grad is None] == []
    # The last blocks' are the sums of all that follows; zeros would be a cut connection.
    assert all(stage.blocks[-1].ffn.fc2.weight.grad.any() for stage in model.stages)


@pytest.mark.parametrize("size", [ODD, Size(128, 160)], ids=str)
def test_autocast_to_bf16_rounds_and_no_more(size: Size) -> None:
    x = images(size).float()

    def moved(model: SegFormer) -> Tensor:
        with torch.inference_mode():
            expected = model.float()(x)
            with torch.autocast("cpu", torch.bfloat16):
                found = model(x).float()
        return (found - expected).square().mean().sqrt() / expected.square().mean().sqrt()

    assert moved(network(*EVERYWHERE)) <= 1.5 * moved(network())


# --- what does not fit


def test_a_stage_with_fewer_blocks_is_refused() -> None:
    with pytest.raises(ReductionError, match="area cannot begin at block 4 of 3\n  hint: first=1"):
        network("4.grid=area:first=4")


def test_a_method_for_another_site_is_refused() -> None:
    with pytest.raises(ReductionError, match=r"bsm cannot merge at 3\.grid"):
        network().apply_reductions({Site(3, "grid"): PRESETS["hq"][Site(3, "q")]})
    with pytest.raises(ReductionError, match=r"head\.grid has no blocks"):
        network().apply_reductions({Site(HEAD, "grid"): AreaGrid(every=2)})
