"""Counted multiply-accumulates against torch's own counter, the paper, and the traced graph.

Tests models/macs.py too.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from segpp.export.models.macs import Macs
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.gates.config import build_gates, count_channels
from segpp.export.reduction.methods.area import AreaGrid
from segpp.export.reduction.sites import Site
from segpp.inspection.onnx_macs import count_macs, shapes_of
from segpp.manifest import Architecture, ReductionSite
from segpp.ops.grid import Grid, Size
from tests.helpers.checkpoints import trace_network

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")


NUMERICS = Numerics(1e-5, 1e-6, 1e-5, 1e-6)
SIZE = Size(96, 160)


def counted_by_torch(
    architecture: Architecture, reductions: str | ReductionConfig, size: Size
) -> int:
    """Torch counts two operations for each multiply-accumulate, and scatters not at all."""
    config = PRESETS[reductions] if isinstance(reductions, str) else reductions
    model = SegFormer(architecture, NUMERICS).eval().apply_reductions(config)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, architecture.channels, *size))
    return int(counter.get_total_flops()) // 2


def without_merging(macs: Macs) -> int:
    return macs.total - sum(stage.merging for stage in macs.stages) - macs.head.merging


def sites_of(preset: str, size: Size) -> tuple[ReductionSite, ...]:
    return count_tokens(PRESETS[preset], site_grids(size))


@pytest.mark.parametrize("size", [Size(128, 256), Size(160, 160), Size(143, 189)], ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_formula_equals_torchs_counter(preset: str, size: Size) -> None:
    architecture = segformer("b0", classes=19)

    macs = macs_of(architecture, size, sites_of(preset, size))

    assert without_merging(macs) == counted_by_torch(architecture, preset, size)


GRIDS = (
    ("3.grid=area:share=0.5",),
    ("1.grid=area:share=0.5,every=2", "3.grid=area:share=0.5,first=2", "head.grid=area"),
    ("2.grid=bilinear:share=0.75", "4.grid=area:every=2", "head.grid=bilinear:share=0.333333"),
)


@pytest.mark.parametrize(
    ("preset", "size"),
    [
        ("none", Size(128, 256)),
        ("none", Size(143, 189)),
        # A half of the last stage still has room for cells of 4x4.
        ("hq", Size(352, 480)),
    ],
    ids=str,
)
@pytest.mark.parametrize("reduce", GRIDS, ids=" ".join)
def test_smaller_grids_are_counted_as_torch_counts_them(
    reduce: tuple[str, ...], preset: str, size: Size
) -> None:
    architecture = replace(segformer("b0", classes=19), depths=(2, 2, 3, 2))
    config = reduction_config(preset=preset, reduce=reduce)
    sites = count_tokens(config, site_grids(size, config), depths=architecture.depths)
    pooled = _Products(config)

    macs = macs_of(architecture, size, sites)

    counted = counted_by_torch(architecture, pooled, size)
    assert without_merging(macs) + pooled.products == counted


GATES = (
    ("3.hidden=fixed:keep=0.7", "4.qkv=fixed:keep=0.5"),
    ("1.qkv=dynamic:keep=0.75", "3.hidden=dynamic:keep=0.5", "3.qkv=dynamic:keep=0.25"),
)


@pytest.mark.parametrize("width", [0, 7], ids=["untrained", "trained"])
@pytest.mark.parametrize("grids", [(), GRIDS[1]], ids=["full", "smaller grids"])
@pytest.mark.parametrize("reduce", GATES, ids=" ".join)
def test_fewer_channels_are_counted_as_torch_counts_them(
    reduce: tuple[str, ...], grids: tuple[str, ...], width: int
) -> None:
    architecture, size = replace(segformer("b0", classes=19), depths=(2, 2, 3, 2)), Size(128, 192)
    gates, config = build_gates(reduce, FAMILY.places), reduction_config(reduce=grids)
    pooled = _Products(config)
    model = SegFormer(architecture, NUMERICS).eval().apply_reductions(pooled)
    FAMILY.apply_gates(model, gates, [lambda: np.ones((1, 3, *size), np.float32)])
    pooled.products = 0
    if width:
        for gate in FAMILY.dynamic_gates(model).values():
            gate.add_predictor(width)
    sites = count_tokens(config, site_grids(size, config), depths=architecture.depths)
    channels = count_channels(
        gates, FAMILY.channels(architecture), predictors=dict.fromkeys(gates, width)
    )

    macs = macs_of(architecture, size, sites, channels)

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *size))
    counted = int(counter.get_total_flops()) // 2
    assert without_merging(macs) + pooled.products == counted
    assert macs.total < macs_of(architecture, size, sites).total


def test_going_to_a_smaller_grid_costs_what_pooling_takes() -> None:
    architecture, size = segformer("b0", classes=2), Size(352, 480)
    reduce = ["3.grid=area:share=0.5", "4.grid=area:share=0.5", "head.grid=area:share=0.5"]
    config = reduction_config(reduce=reduce)

    macs = macs_of(architecture, size, count_tokens(config, site_grids(size, config)))

    # 22x30 tokens of 160 channels in cells of 2x2, one addition each; so 88x120 of 32 in the head.
    assert (macs.stages[2].merging, macs.head.merging) == (22 * 30 * 160, 88 * 120 * 32)
    # 11x15 of 256 become 6x8: (6, 11) (11, 15 * 256), then six times (8, 15) (15, 256).
    assert macs.stages[3].merging == 6 * 11 * 15 * 256 + 6 * 8 * 15 * 256
    # Two blocks and the head on a quarter of the tokens.
    whole = macs_of(architecture, size, ())
    assert macs.stages[2].ffn * 4 == whole.stages[2].ffn
    assert macs.head.fuse * 4 == whole.head.fuse


class _Products(dict[Site, TokenReduction]):
    """Reductions that note what they multiply by constant matrices, which torch counts."""

    def __init__(self, config: ReductionConfig) -> None:
        super().__init__({site: self._noting(reduction) for site, reduction in config.items()})
        self.products = 0

    def _noting(self, reduction: TokenReduction) -> TokenReduction:
        if not isinstance(reduction, AreaGrid):
            return reduction
        outer = self

        class Noting(AreaGrid):
            def match(self, x: Any, grid: Grid) -> TokenAssignment:
                small, channels = self.grid_out(grid), x.shape[2]
                if grid.height % small.height or grid.width % small.width:
                    # (h', h) (h, w * C), and h' times (w', w) (w, C)
                    rows = small.height * grid.height * grid.width
                    columns = small.height * small.width * grid.width
                    outer.products += (rows + columns) * channels
                return super().match(x, grid)

        return Noting(**vars(reduction))


def test_the_formula_holds_for_other_heads_channels_and_depths() -> None:
    architecture = segformer("b1", classes=7, head="linear", decoder=64, channels=6)

    macs = macs_of(architecture, SIZE, ())

    assert macs.total == counted_by_torch(architecture, "none", SIZE)


@pytest.mark.parametrize(
    ("size", "billions"),
    [(Size(512, 512), 8.4), (Size(1024, 2048), 125.5)],
    ids=str,
)
def test_b0_costs_what_its_paper_says(size: Size, billions: float) -> None:
    """Table 1 of arXiv:2105.15203, which counts 150 classes for both data sets."""
    macs = macs_of(segformer("b0", classes=150), size, ())

    # Two digits are given for the first, and norms may be counted in: half a percent.
    assert macs.total / 1e9 == pytest.approx(billions, rel=0.005)


def test_merging_costs_one_addition_per_token_and_channel() -> None:
    macs = macs_of(segformer("b0", classes=2), Size(512, 1024), sites_of("hq", Size(512, 1024)))

    # Two blocks, 16x32 reduced tokens of 32 channels.
    assert macs.stages[0].merging == 2 * 512 * 32
    # 128 destinations in 2x2 cells, 384 sources.
    assert macs.stages[0].matching == 2 * 128 * 384 * 32


@pytest.mark.parametrize("preset", ["none", "hq"])
def test_a_traced_graph_counts_the_same(preset: str) -> None:
    # One block per stage: tracing takes seconds.
    architecture = replace(segformer("b0", classes=19), depths=(1, 1, 1, 1))
    size = Size(128, 128)
    model = SegFormer(architecture, NUMERICS).eval().apply_reductions(PRESETS[preset])
    graph = clean(trace_network(model, size))

    found = count_macs(graph, shapes_of(graph))

    macs = macs_of(architecture, size, sites_of(preset, size))
    matching = sum(stage.matching for stage in macs.stages)
    assert found.uncounted == {}
    assert found.graph == without_merging(macs) - matching
    # In the bodies merging is a product with a one-hot matrix, which costs more than additions.
    assert (found.bodies >= matching) if matching else (found.bodies == 0)


GRAPH = """
<ir_version: 8, opset_import: ["": 18, "segpp": 1]>
g (float[2,12,4] x, float[4,5] w, float[2,3,8,8] image, float[6,1,3,3] k, float[7,2] a,
   float[7,5] v) => (float[2,12,5] y, float[2,6,8,8] z, float[2,5] c, float[2,7,4] m) {
    y = MatMul(x, w)
    z = Conv<group = 3, pads = [1,1,1,1]>(image, k)
    c = Gemm<transA = 1>(a, v)
    slot = segpp.SegppTokenMatch
        <height = 3, width = 4, stride_y = 2, stride_x = 2, merged = 5, window = 0>(x)
    m = segpp.SegppTokenMerge<slots = 7>(x, slot)
}
"""


def test_each_operator_is_counted_as_worked_out_by_hand() -> None:
    graph = onnx.parser.parse_model(GRAPH)

    found = count_macs(graph, shapes_of(graph))

    matmul, conv, gemm = 2 * 12 * 5 * 4, 2 * 6 * 64 * 9, 2 * 5 * 7
    assert found.graph == matmul + conv + gemm
    # 2 destinations and 10 sources of 4 channels; a 7 x 12 one-hot times 4 channels and a one.
    assert found.bodies == 2 * (10 * 2 * 4) + 2 * (7 * 12 * 5)


def test_what_cannot_be_counted_is_told() -> None:
    graph = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> '
        "g (float[N,4] x, float[4,5] w) => (float[N,5] y) { y = MatMul(x, w) }"
    )

    found = count_macs(graph, shapes_of(graph))

    assert (found.graph, found.uncounted) == (0, {"MatMul": 1})


def test_a_ratio_makes_attention_cheaper_and_the_rest_not() -> None:
    architecture, size = segformer("b2", classes=19), Size(512, 1024)
    config = reduction_config(ratio=0.5)

    merged = macs_of(architecture, size, count_tokens(config, site_grids(size)))
    whole = macs_of(architecture, size, ())

    assert all(m.attention < w.attention for m, w in zip(merged.stages, whole.stages, strict=True))
    assert [stage.ffn for stage in merged.stages] == [stage.ffn for stage in whole.stages]
    assert merged.head == whole.head
