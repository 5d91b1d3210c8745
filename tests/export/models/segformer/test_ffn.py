"""MixFFN on merged tokens, against the formula in plain torch and the operators' references.

Tests reduction/query_match.py, and what models/segformer/model.py and models/network.py do of it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp import ops
from segpp.errors import ReductionError
from segpp.export.models.cost_model import site_costs
from segpp.export.models.memory_needs import memory_needed
from segpp.export.models.rewriting import apply_rewrites, select_rewrites
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.model import Block, MixFfn, SegFormer
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.models.segformer.sites import site_grids
from segpp.export.models.segformer.tolerance import relative_tolerance
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.reduction.config import count_tokens, recorded_config
from segpp.export.reduction.query_match import QueryMatch
from segpp.export.reduction.sites import Site
from segpp.export.targets import TARGETS
from segpp.ops.grid import Grid, Size
from tests.helpers.checkpoints import MINIATURE, trace_network

# Grids of 25x33, 13x17, 7x9 and 4x5.
ODD = Size(100, 132)
STAGES = (1, 2, 3, 4)

# Sums of a few hundred products in double precision, of values below a hundred.
TOLERANCE = 1e-10

NUMERICS = Numerics(1e-6, 1e-6, 1e-6, 1e-6)
OWN = "bsm:ratio=0.5,sy=2,sx=2"


def network(*reduce: str, preset: str = "none", interval: int = 1) -> SegFormer:
    torch.manual_seed(0)
    model = SegFormer(replace(MINIATURE, depths=(2, 3, 4, 2)), NUMERICS)
    config = reduction_config(preset=preset, reduce=reduce)
    return model.double().eval().apply_reductions(config, match_interval=interval)


def images(size: Size = ODD, batch: int = 2) -> Tensor:
    draw = torch.Generator().manual_seed(size.height)
    return torch.randn(batch, 3, *size, generator=draw, dtype=torch.float64)


# --- the formula


class ByFormula(nn.Module):
    """MixFFN as its description says, slot by slot, by a match of the NumPy reference."""

    def __init__(self, ffn: MixFfn, slots: Callable[[Tensor, Grid], Tensor]) -> None:
        super().__init__()
        self.ffn, self.slots = ffn, slots

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        slot, ffn = self.slots(x, grid), self.ffn
        wide = F.linear(self.means(x, slot), ffn.fc1.weight, ffn.fc1.bias)
        full = torch.stack([rows[index] for rows, index in zip(wide, slot, strict=True)])
        image = full.transpose(1, 2).unflatten(2, (grid.height, grid.width))
        seen = F.conv2d(image, ffn.dwconv.weight, ffn.dwconv.bias, padding=1, groups=full.shape[2])
        hidden = F.gelu(seen.flatten(2).transpose(1, 2))
        narrow = F.linear(self.means(hidden, slot), ffn.fc2.weight, ffn.fc2.bias)
        return torch.stack([rows[index] for rows, index in zip(narrow, slot, strict=True)])

    @staticmethod
    def means(x: Tensor, slot: Tensor) -> Tensor:
        count = int(slot.max()) + 1
        return torch.stack(
            [
                torch.stack([rows[index == number].mean(0) for number in range(count)])
                for rows, index in zip(x, slot, strict=True)
            ]
        )


def matched(x: Tensor, grid: Grid, ratio: float, side: int) -> Tensor:
    sources = grid.tokens - (grid.height // side) * (grid.width // side)
    slot = ops.match_reference(
        x.detach().float().numpy(),
        height=grid.height,
        width=grid.width,
        stride_y=side,
        stride_x=side,
        merged=min(int(grid.tokens * ratio), sources),
    )
    return torch.from_numpy(slot.astype(np.int64))


def with_own_matches(model: SegFormer, stage: int, interval: int = 1) -> SegFormer:
    """Replace a stage's MixFFN by the formula, a match for every ``interval`` blocks."""
    kept: list[Tensor] = []
    for number, block in enumerate(model.stages[stage - 1].blocks):

        def slots(x: Tensor, grid: Grid, fresh: bool = number % interval == 0) -> Tensor:  # noqa: FBT001
            kept[:] = [matched(x, grid, 0.5, 2)] if fresh else kept
            return kept[0]

        block.ffn = ByFormula(block.ffn, slots)
    return model


def with_queries_matches(model: SegFormer, stage: int, ratio: float, side: int) -> SegFormer:
    """Replace a stage's MixFFN by the formula, with what the block's queries are merged by."""
    for block in model.stages[stage - 1].blocks:
        seen: list[Tensor] = []
        block.norm1.register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out))
        block.ffn = ByFormula(
            block.ffn, lambda _, grid, seen=seen: matched(seen.pop(), grid, ratio, side)
        )
    return model


def assert_same(found: SegFormer, expected: SegFormer, plain: SegFormer, x: Tensor) -> None:
    with torch.inference_mode():
        ours, theirs, untouched = found(x), expected(x), plain(x)

    assert (ours - theirs).abs().max() <= TOLERANCE
    assert (ours - untouched).abs().max() > 1e-4


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_merges_by_its_own_match(stage: int, batch: int) -> None:
    found = network(f"{stage}.ffn={OWN}")

    assert_same(found, with_own_matches(network(), stage), network(), images(batch=batch))


@pytest.mark.parametrize("size", [Size(128, 160), Size(132, 228)], ids=str)
@pytest.mark.parametrize("stage", [3, 4])
def test_a_stage_merges_by_the_match_of_its_queries(stage: int, size: Size) -> None:
    found, plain = (network(*reduce, preset="hq") for reduce in ([f"{stage}.ffn=q"], []))
    formula = with_queries_matches(network(preset="hq"), stage, 0.8, 4)

    assert_same(found, formula, plain, images(size))


def test_all_stages_merge_beside_what_the_attention_merges() -> None:
    everywhere = [f"{stage}.ffn={OWN}" for stage in STAGES]
    found, plain, formula = (network(*r, preset="hq") for r in (everywhere, [], []))
    for stage in STAGES:
        with_own_matches(formula, stage)

    assert_same(found, formula, plain, images(Size(128, 160)))


@pytest.mark.parametrize("reduce", [f"3.ffn={OWN}", "3.ffn=q"])
def test_a_stage_on_a_smaller_grid_merges_there(reduce: str) -> None:
    beside = ["3.grid=area:share=0.5", "3.q=bsm:ratio=0.3"]
    found, plain, formula = (network(*beside, *r) for r in ([reduce], [], []))
    own = reduce.endswith(OWN)
    _ = with_own_matches(formula, 3) if own else with_queries_matches(formula, 3, 0.3, 2)

    assert_same(found, formula, plain, images())


@pytest.mark.parametrize("interval", [2, 3])
def test_one_match_serves_several_blocks(interval: int) -> None:
    found = network(f"3.ffn={OWN}", interval=interval)

    assert_same(found, with_own_matches(network(), 3, interval), network(f"3.ffn={OWN}"), images())


def test_what_the_queries_of_a_block_took_over_its_ffn_takes_over_too() -> None:
    found = network("3.q=bsm:ratio=0.3", "3.ffn=q", interval=2)
    formula = network("3.q=bsm:ratio=0.3", interval=2)
    kept: list[Tensor] = []
    for number, block in enumerate(formula.stages[2].blocks):
        if number % 2 == 0:
            block.norm1.register_forward_hook(
                lambda _m, _i, out: kept.__setitem__(slice(None), [out])
            )
        block.ffn = ByFormula(block.ffn, lambda _, grid: matched(kept[0], grid, 0.3, 2))

    assert_same(found, formula, network("3.q=bsm:ratio=0.3", "3.ffn=q"), images())


def test_a_network_forgets_what_merged() -> None:
    for reduce in ([f"3.ffn={OWN}"], ["3.q=bsm", "3.ffn=q"]):
        model = network(*reduce).apply_reductions({})

        with torch.inference_mode():
            assert torch.equal(model(images()), network()(images()))


# --- rewrites, training, files

EVERYWHERE = (
    "1.ffn=bsm:ratio=0.5", "2.q=n2d", "2.ffn=q", "3.grid=area", "3.q=bsm:ratio=0.3", "3.ffn=q",
    "4.ffn=n2d",
)  # fmt: skip


@pytest.mark.parametrize("off", [(), ("mix-ffn-as-conv",)], ids=["all", "linear layers"])
@pytest.mark.parametrize("target", TARGETS)
def test_rewrites_are_exact_on_merged_tokens(target: str, off: tuple[str, ...]) -> None:
    model, x = network(*EVERYWHERE), images()
    rewritten = apply_rewrites(model, select_rewrites(REWRITES, target, off=off).on.values())

    with torch.inference_mode():
        expected, found = model(x), rewritten(x)

    assert (expected - found).abs().max() <= TOLERANCE * expected.abs().max()
    assert not [b for b in _blocks(rewritten) if isinstance(b.ffn.activation, nn.GELU)]


def _blocks(model: SegFormer) -> list[Block]:
    return [block for stage in model.stages for block in stage.blocks]


def test_every_weight_learns_on_merged_tokens() -> None:
    model = network(*EVERYWHERE).train().requires_grad_()

    model(images()).square().mean().backward()

    assert [name for name, value in model.named_parameters() if value.grad is None] == []
    assert all(block.ffn.fc1.weight.grad.any() for block in _blocks(model))


def test_autocast_to_bf16_rounds_and_no_more() -> None:
    x = images().float()

    def moved(model: SegFormer) -> Tensor:
        with torch.inference_mode():
            expected = model.float()(x)
            with torch.autocast("cpu", torch.bfloat16):
                found = model(x).float()
        return (found - expected).square().mean().sqrt() / expected.square().mean().sqrt()

    # Merged by what is rounded nowhere, so that no tie falls otherwise.
    assert moved(network(*[f"{stage}.ffn=n2d" for stage in STAGES])) <= 1.5 * moved(network())
    assert moved(network(*EVERYWHERE)).isfinite()


def test_the_file_computes_the_same() -> None:
    model = network("1.ffn=bsm:ratio=0.3", "2.ffn=n2d", "3.q=bsm", "3.ffn=q").float()
    rewritten = apply_rewrites(model, select_rewrites(REWRITES, TARGETS[0]).on.values())
    file = clean(trace_network(rewritten, ODD)).SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    x = images(batch=1).float()

    [found] = session.run(None, {"image": x.numpy()})

    with torch.inference_mode():
        expected = model(x).numpy()
    keys = 4 * 5
    tolerance = relative_tolerance(model.architecture, keys) * np.abs(expected).max()
    assert np.abs(found - expected).max() <= tolerance


# --- counts

B0 = replace(segformer("b0", classes=19), depths=(1, 2, 3, 1))
COUNTED = (
    ("1.ffn=bsm:ratio=0.5", "4.ffn=n2d"),
    ("3.q=bsm:ratio=0.5", "3.ffn=q"),
    ("3.grid=area:share=0.5,every=2", "3.q=n2d", "3.ffn=q"),
)


@pytest.mark.parametrize("reduce", COUNTED, ids=" ".join)
def test_what_a_merged_ffn_takes_is_counted_as_its_modules_see_it(reduce: tuple[str, ...]) -> None:
    size, config = Size(143, 189), reduction_config(reduce=reduce)
    model = SegFormer(B0, NUMERICS).eval().apply_reductions(config)
    seen: dict[int, int] = dict.fromkeys(STAGES, 0)
    for stage in STAGES:
        for ffn in model.ffns(stage):
            for layer in (ffn.fc1, ffn.fc2, ffn.dwconv):

                def count(layer: nn.Module, _: object, out: Tensor, stage: int = stage) -> None:
                    per_output = layer.weight[0].numel()  # type: ignore[index, operator]
                    seen[stage] += out.numel() * per_output

                layer.register_forward_hook(count)
    with torch.inference_mode():
        model(torch.zeros(1, 3, *size))

    sites = count_tokens(config, site_grids(size, config), depths=B0.depths)
    macs = macs_of(B0, size, sites)

    assert {n: stage.ffn for n, stage in enumerate(macs.stages, start=1)} == seen
    assert sum(seen.values()) < sum(stage.ffn for stage in macs_of(B0, size, ()).stages)


def test_a_match_that_is_taken_over_costs_nothing_and_its_merging_does() -> None:
    size = Size(352, 480)
    config = reduction_config(reduce=["3.q=bsm:ratio=0.5", "3.ffn=q"])
    own = reduction_config(reduce=["3.q=bsm:ratio=0.5", "3.ffn=bsm:ratio=0.5"])
    q, shared = count_tokens(config, site_grids(size))
    _, separate = count_tokens(own, site_grids(size))

    alone, both, two = (macs_of(B0, size, s) for s in ([q], [q, shared], [q, separate]))

    pairs, tokens, dim = 495 * 165, 660, 160
    blocks = 3
    assert both.stages[2].matching == alone.stages[2].matching == blocks * pairs * dim
    assert two.stages[2].matching == 2 * blocks * pairs * dim
    # The input and the fourfold hidden tokens.
    assert both.stages[2].merging - alone.stages[2].merging == blocks * tokens * 5 * dim
    costs = {c.site: c for c in site_costs(B0, size, [q, shared])}
    theirs = {c.site: c for c in site_costs(B0, size, [q, separate])}
    ffn = tokens * 2 * 4 * dim**2
    assert costs["3.ffn"].saved == theirs["3.ffn"].saved == blocks * ffn / 2
    difference = theirs["3.ffn"].added - costs["3.ffn"].added
    assert difference == blocks * (pairs * dim + 110 * 70_000)
    one_hot_and_moved = tokens * 5 * dim * (165 + 2)
    assert costs["3.ffn"].added == blocks * (one_hot_and_moved + 2 * 40 * 70_000)


def test_a_large_match_of_an_ffn_needs_memory() -> None:
    size = Size(1024, 2048)
    config = reduction_config(reduce=["1.ffn=bsm:ratio=0.5"])

    _, what = memory_needed(B0, size, 1, count_tokens(config, site_grids(size)))

    assert what == "the match of stage 1, ffn, 3,221,225,472 similarities"


def test_a_manifest_tells_whose_match_is_used() -> None:
    config = reduction_config(reduce=["3.q=bsm:ratio=0.3", "3.ffn=q", "4.ffn=bsm"])

    sites = count_tokens(config, site_grids(ODD), match_interval=2)

    told = {str(Site(site.stage, site.side)): (site.method, site.match_of) for site in sites}
    assert told == {"3.q": ("bsm", None), "3.ffn": ("bsm", "q"), "4.ffn": ("bsm", None)}
    assert recorded_config(sites) == config
    assert sites[0].settings == sites[1].settings
    assert sites[0].tokens_out == sites[1].tokens_out


# --- what does not fit


@pytest.mark.parametrize(
    ("reduce", "problem"),
    [
        (["3.ffn=q"], "3.ffn=q needs what merges the queries of stage 3, and nothing does\n  hint"),
        (["3.q=bsm", "3.ffn=q", "3.q=none"], "3.ffn=q needs what merges the queries of stage 3"),
        (["3.kv=q"], "3.kv cannot merge as queries do\n  the match of q serves the side ffn only"),
        (["3.q=q"], "3.q cannot merge as queries do"),
        (["3.ffn=q:ratio=1"], "unknown token reduction 'q'"),
        (["3.ffn=n1d"], "n1d cannot merge at 3.ffn\n  it merges q only"),
        (["head.ffn=bsm"], "'head.ffn' names side 'ffn', which does not exist"),
    ],
)
def test_what_cannot_merge_there_is_refused(reduce: list[str], problem: str) -> None:
    with pytest.raises(ReductionError) as failure:
        reduction_config(reduce=reduce)

    assert str(failure.value).startswith(problem)


def test_queries_that_merge_otherwise_are_refused() -> None:
    config = reduction_config(reduce=["3.q=bsm:ratio=0.25"])
    other = QueryMatch(reduction_config(reduce=["3.q=n2d"])[Site(3, "q")])

    with pytest.raises(ReductionError, match=r"3\.ffn merges as n2d:rows=2,cols=2, and its quer"):
        network().apply_reductions({**config, Site(3, "ffn"): other})
    with pytest.raises(ReductionError, match=r"3\.ffn=q needs what merges the queries of stage 3"):
        network().apply_reductions({Site(3, "ffn"): other})


def test_the_queries_come_last_on_the_command_line_too() -> None:
    config = reduction_config(preset="hq", reduce=["3.ffn=q", "3.q=n2d:rows=3,cols=3"])

    assert config[Site(3, "ffn")] == QueryMatch(config[Site(3, "q")])
    assert config[Site(3, "ffn")].to_string() == "q"
