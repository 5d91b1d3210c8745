"""Patches merge, the prefix never does, and merging nothing changes nothing.

Tests models/vit/sites.py, models/vit/presets.py, models/vit/macs.py, models/vit/input_size.py and
models/vit/tolerance.py.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError, InputError, ReductionError
from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve_input, resolve_reduction
from segpp.export.models.cost_model import site_costs
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import HEADS, MAX_BLOCKS, Head, vit
from segpp.export.models.vit.family import FAMILY
from segpp.export.models.vit.network import ViT
from segpp.export.models.vit.network.blocks import Attention
from segpp.export.reduction.config import ReductionChoice, count_tokens
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid, Size
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.references import reference

GRID, SIZE = Grid(4, 6), Size(64, 96)
PREFIX = 2
# Queries join before the second of three blocks.
MORE = {
    "mask-classification": {"queries": 4, "query_blocks": 2, "upscalings": 1},
    "setr-pup": {"upscalings": 2, "decoder": 16},
}


def small(head: Head = "linear", **changes: Any) -> Architecture:
    return vit(**{
        "dim": 128, "depth": 3, "heads": 2, "patch": 16, "prefix": PREFIX, "hidden": 512,
        "ffn": "gelu", "head": head, "decoder": 128, "classes": 5, "channels": 3,
        "head_blocks": 2 if head == "mask-transformer" else 0,
        **MORE.get(head, {}), **changes,
    })  # fmt: skip


def tokens(seed: int = 0) -> Tensor:
    return torch.randn(2, PREFIX + GRID.tokens, 128, generator=torch.Generator().manual_seed(seed))


def attention(prefix: int = PREFIX) -> Attention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Attention(128, 2, prefix).requires_grad_(requires_grad=False)


@pytest.mark.parametrize("side", ["q", "kv"])
def test_tokens_of_the_prefix_pass_a_merge_as_they_are(side: str) -> None:
    x, plain, merging = tokens(), attention(), attention()
    # Cells of patches that are all alike: merging them changes no query, and no key but by number.
    x[:, PREFIX:] = x[:, PREFIX : PREFIX + 1]
    merging.set_merging(side, Neighbor2d(2, 2))  # type: ignore[arg-type]  # one of the two

    merged, expected = merging(x, GRID), plain(x, GRID)

    if side == "q":
        assert torch.allclose(merged, expected, atol=1e-6)
    # The prefix is as it was among the keys: it weighs more where the patches have become fewer.
    context = torch.cat((x[:, :PREFIX], x[:, PREFIX : PREFIX + GRID.tokens // 4]), 1)
    if side == "kv":
        assert torch.allclose(merged, plain._attend(x, context), atol=1e-6)


def test_what_merges_are_the_patches_on_their_grid() -> None:
    x, merging = tokens(), attention()
    merging.set_merging("q", Neighbor2d(2, 2))

    merged = merging(x, GRID)[:, PREFIX:].reshape(2, 4, 6, 128)

    cells = merged.unfold(1, 2, 2).unfold(2, 2, 2).flatten(4)
    assert torch.equal(cells, cells[..., :1].expand_as(cells))
    assert not torch.equal(merged[:, 0, 0], merged[:, 0, 2])


@pytest.mark.parametrize("distilled", [False, True])
def test_merging_no_token_away_gives_the_same_masks(tmp_path: Path, *, distilled: bool) -> None:
    checkpoint = load_checkpoint(save_segmenter(tmp_path, reference(distilled=distilled)))
    x = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    sites = FAMILY.grids(SIZE, None, checkpoint.architecture)
    # Of those that shorten the sequence the last: behind it there is no grid of 2x2 cells.
    inside = [site for site in sites if site.side in {"q", "kv"}]
    nothing = dict.fromkeys([*inside, Site(2, "tokens")], BipartiteSoftMatching(0.0))

    plain = checkpoint.build()(x)
    merged = checkpoint.build().apply_reductions(nothing)(x)

    assert torch.allclose(merged, plain, atol=1e-5)


def test_its_sites_are_those_of_its_blocks() -> None:
    architecture = small()

    grids = FAMILY.grids(SIZE, None, architecture)

    assert list(map(str, grids)) == [
        "embed.patches",
        *(f"{block}.{side}" for block in (1, 2, 3) for side in ("q", "kv", "tokens")),
    ]
    assert set(grids.values()) == {GRID}
    # What fills the last patches up counts.
    assert FAMILY.grids(Size(50, 81), None, architecture)[Site(1, "q")] == GRID


def test_before_a_network_is_known_every_block_has_the_finest_patches() -> None:
    grids = FAMILY.grids(SIZE)

    assert grids[Site(MAX_BLOCKS, "kv")] == Grid(8, 12)
    assert set(FAMILY.sites) == set(grids)


def test_a_ratio_and_the_preset_are_limited_to_the_network() -> None:
    architecture = small()

    half = FAMILY.reduction_config(ReductionChoice(ratio=0.5), architecture)
    most = FAMILY.reduction_config(ReductionChoice(ratio=0.9), architecture)

    sites = FAMILY.grids(SIZE, None, architecture)
    assert list(half) == [site for site in sites if site.side in {"q", "kv"}]
    assert half == FAMILY.reduction_config(ReductionChoice(preset="even"), architecture)
    assert set(half.values()) == {BipartiteSoftMatching(0.5, 2, 2)}
    # Three of four tokens of a 2x2 cell are sources: more needs larger cells.
    assert set(most.values()) == {BipartiteSoftMatching(0.9, 4, 4)}


def test_several_blocks_are_named_at_once() -> None:
    choice = ReductionChoice(ratio=0.5, reduce=("1-2.kv=none", "2-3.q=n2d"))

    config = FAMILY.reduction_config(choice, small())

    assert list(map(str, config)) == ["1.q", "2.q", "3.q", "3.kv"]
    assert [config[Site(block, "q")] for block in (2, 3)] == [Neighbor2d(), Neighbor2d()]


def test_a_block_that_it_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(ReductionError, match=r"'4\.q' names stage 4, which does not exist"):
        FAMILY.reduction_config(ReductionChoice(reduce=("4.q=bsm",)), small())


# --- merging for all that follows


@pytest.mark.parametrize("head", HEADS)
def test_tokens_that_merged_share_what_follows(head: Head) -> None:
    """By hand: the block's attention on all patches, the rest on a token for each 2x2 cell."""
    model = network(small(head))
    x = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(3))

    found = model.apply_reductions({Site(2, "tokens"): Neighbor2d(2, 2)})(x)

    tokens, grid = model.patch_embed(x)
    first, second, third = model.blocks()
    tokens, before = first(tokens, grid), PREFIX
    if model.queries is not None:
        tokens, before = torch.cat((model.queries[None], tokens), 1), 4 + PREFIX
    tokens = second.attend(tokens, grid)
    cells = tokens[:, before:].reshape(1, 2, 2, 3, 2, 128).mean((2, 4)).flatten(1, 2)
    tokens = third(second.transform(torch.cat((tokens[:, :before], cells), 1)))
    queries, tokens = model.norm(tokens[:, :4]), model.norm(tokens[:, before:])
    if model.head.needs_grid:
        expected = model.head(_each(tokens), GRID, queries)
    else:
        logits = _each(model.head.tokens(tokens))
        expected = logits.transpose(1, 2).reshape(1, 5, 4, 6)
    assert torch.allclose(found, expected, atol=1e-5)


def _each(cells: Tensor) -> Tensor:
    """Give each of 4x6 patches what the one of 2x3 cells has that it lies in."""
    grid = cells.reshape(len(cells), 2, 3, cells.shape[2])
    return grid.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)


def test_behind_a_merge_a_sequence_arrives_and_merges_again() -> None:
    architecture = small()
    reduce = ("1.tokens=bsm:ratio=0.25", "2.q=n1d", "3.tokens=bsm:ratio=0.25,sy=1,sx=2")
    config = FAMILY.reduction_config(ReductionChoice(reduce=reduce), architecture)

    sites = count_tokens(config, FAMILY.grids(SIZE, config, architecture))

    # As of ALGM: a quarter of 24 patches, then a quarter of the 18 that are left.
    told = {f"{s.stage}.{s.side}": (s.grid, s.tokens_in, s.tokens_out) for s in sites}
    assert told == {
        "1.tokens": ((4, 6), 24, 18),
        "2.q": ((1, 18), 18, 9),
        "3.tokens": ((1, 18), 18, 14),
    }
    logits = network(architecture).apply_reductions(config)(torch.zeros(1, 3, *SIZE))
    assert logits.shape == (1, 5, 4, 6)
    less = FAMILY.macs(architecture, SIZE, sites)
    assert [stage.ffn for stage in less.stages] == [
        (PREFIX + left) * 2 * 128 * 512 for left in (18, 18, 14)
    ]
    assert less.head.total == 14 * 128 * 5
    assert [cost.site for cost in site_costs(architecture, SIZE, sites)] == list(told)
    assert all(cost.saved > 0 and cost.added > 0 for cost in site_costs(architecture, SIZE, sites))


def test_what_does_not_fit_behind_a_merge_names_its_site() -> None:
    reduce = ("1.tokens=bsm:ratio=0.25", "2.tokens=bsm:sy=2,sx=2")
    config = FAMILY.reduction_config(ReductionChoice(reduce=reduce), small())

    with pytest.raises(ReductionError, match=r"stage 2, tokens.*does not fit a grid of 1x18"):
        count_tokens(config, FAMILY.grids(SIZE, config, small()))


def test_one_match_for_several_blocks_is_refused_where_each_is_a_stage(tmp_path: Path) -> None:
    path = save_segmenter(tmp_path, reference())
    reduction, checkpoint = ReductionChoice(preset="even"), load_checkpoint(path)
    config = ExportConfig(path, tmp_path / "x.onnx", reduction=reduction, match_interval=2)
    spec = resolve_input(config, checkpoint)

    with pytest.raises(InputError, match="`match_interval=2` in vit-custom, whose stages are sing"):
        resolve_reduction(config, checkpoint, spec)


# --- costs


def counted(architecture: Architecture, size: Size) -> int:
    """Count the multiply-accumulates of a network by watching its layers and products."""
    total = 0

    def watch(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        # Each output value is a sum over all of its weights; transposed, each input goes into many.
        values = inputs[0] if isinstance(module, torch.nn.ConvTranspose2d) else output
        total += values.numel() * weight[0].numel()

    model = network(architecture)
    layers = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(watch) for m in model.modules() if isinstance(m, layers)]
    model(torch.zeros(1, architecture.channels, *size))
    for hook in hooks:
        hook.remove()
    return total


def network(architecture: Architecture) -> ViT:
    from segpp.export.models.vit.loading.formats import FORMATS  # noqa: PLC0415 - as loading has it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ViT(architecture, FORMATS["segmenter"].numerics, GRID)
    return model.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("ffn", ["gelu", "swiglu"])
@pytest.mark.parametrize("head", HEADS)
def test_costs_are_those_of_the_layers_and_the_products(head: Head, ffn: str) -> None:
    architecture = small(head, ffn=ffn)

    macs = FAMILY.macs(architecture, SIZE, ())

    every = PREFIX + GRID.tokens
    products = 3 * 2 * every**2 * 128
    both = GRID.tokens + 5
    if head == "mask-transformer":
        # Two blocks, and the product of patches and classes.
        products += 2 * 2 * both**2 * 128 + GRID.tokens * 5 * 128
    if head == "mask-classification":
        # Two blocks have four queries more. Masks are twice as fine as patches, sums as pixels.
        products += 2 * 2 * ((every + 4) ** 2 - every**2) * 128
        products += 4 * (4 * GRID.tokens * 128 + SIZE.height * SIZE.width * 5)
    assert macs.total == counted(architecture, SIZE) + products


def test_what_merges_is_counted_once_where_queries_and_keys_merge_alike() -> None:
    architecture = small()
    one, both, apart = (
        count_tokens(
            FAMILY.reduction_config(ReductionChoice(reduce=reduce), architecture),
            FAMILY.grids(SIZE, None, architecture),
        )
        for reduce in (("2.q=bsm",), ("2.q=bsm", "2.kv=bsm"), ("2.q=bsm", "2.kv=bsm:sy=4,sx=2"))
    )

    matching = [FAMILY.macs(architecture, SIZE, sites).stages[1].matching for sites in (one, both)]

    assert matching[0] == matching[1] > 0
    assert FAMILY.macs(architecture, SIZE, apart).stages[1].matching > matching[0]
    less = FAMILY.macs(architecture, SIZE, both).stages[1]
    # Half of the 24 patches, and the prefix.
    assert less.products == 2 * (12 + PREFIX) ** 2 * 128
    assert less.ffn == FAMILY.macs(architecture, SIZE, ()).stages[1].ffn


def test_the_heads_largest_map_is_told() -> None:
    plain, mask = small(), small("mask-transformer")

    assert FAMILY.head_values(plain, SIZE, None) == 24 * 128
    assert FAMILY.head_values(mask, SIZE, None) == max(24 * 128, 2 * (24 + 5) ** 2)
    # Sums of five classes at every pixel, more than a map of 128 channels at half of a patch.
    assert FAMILY.head_values(small("mask-classification"), SIZE, None) == 5 * 64 * 96
    # Of 16 channels, at a quarter of a patch.
    assert FAMILY.head_values(small("setr-pup"), SIZE, None) == 24 * 16 * 16
    # Logits are resized to the padded image where it is no multiple of the patch.
    assert FAMILY.head_values(plain, Size(50, 81), None) == 5 * 64 * 96


def test_sizes_below_a_patch_and_beyond_reason_are_refused() -> None:
    FAMILY.check_size(Size(33, 47))

    with pytest.raises(InputError, match=r"below 32 pixels in a side\n.*`size=32x64`"):
        FAMILY.check_size(Size(16, 64))
    with pytest.raises(InputError, match="more than 67,108,864 pixels"):
        FAMILY.check_size(Size(8192, 8193))


def test_heads_are_one_number() -> None:
    FAMILY.check_heads((6,))

    with pytest.raises(CheckpointError, match="--heads 1,2,5,8"):
        FAMILY.check_heads((1, 2, 5, 8))


def test_a_deeper_network_at_a_larger_size_may_differ_more() -> None:
    few, more = small(), small(depth=12)

    assert FAMILY.tolerance(few, SIZE) < FAMILY.tolerance(more, SIZE)
    assert FAMILY.tolerance(more, SIZE) < FAMILY.tolerance(more, Size(1024, 1024)) < 1e-3


def test_a_network_that_tells_no_patches_is_an_error() -> None:
    with pytest.raises(CheckpointError, match="does not say what its patches are"):
        FAMILY.macs(Architecture("vit-s16", (8,), (1,), (1,), "linear", 8, 2, 3), SIZE, ())
