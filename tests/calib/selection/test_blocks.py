"""What became of each block, put together from sites, reasons, costs and gains."""

import pytest

from segpp.calib.graph.sites import Site
from segpp.calib.selection.blocks import block_gains, block_results
from segpp.calib.selection.costs import BlockCost, PartGain


def site(module: str, kind: str, block: str) -> Site:
    return Site(
        node=module, module=module, kind=kind, block=block, operator="MatMul", input="x",
        output="y", weight="w", output_axis=1, groups=1, channel_axis=-1, channels=4,
    )  # fmt: skip


SITES = tuple(
    site(f"stages.0.blocks.{block}.{module}", kind, f"stage 1 block {block + 1}")
    for block in range(2)
    for module, kind in (("attention.q", "q"), ("ffn.fc1", "fc1"))
)


def test_blocks_share_what_their_part_gains() -> None:
    gains = [PartGain("stage 1 attention", 10.0, 8.0), PartGain("stage 1 feed-forward", 10.0, 9.0)]

    assert block_gains(SITES, gains) == pytest.approx(
        {"stage 1 block 1": 1.5, "stage 1 block 2": 1.5}
    )
    # Where one of two blocks is INT8, it alone gains.
    assert block_gains(SITES[:2], gains) == pytest.approx({"stage 1 block 1": 3.0})
    assert block_gains(SITES, []) == {}


def test_a_block_tells_its_products_its_cost_and_why_some_are_float() -> None:
    cost = BlockCost("stage 1 block 2", 1, 0.25)

    first, second = block_results(
        SITES, {SITES[2].node: "asked for"}, [cost], {SITES[0].block: 1.5}
    )

    assert (first.products, first.int8, first.divergence, first.milliseconds) == (2, 2, None, 1.5)
    assert first.floats == {}
    assert (second.products, second.int8, second.divergence) == (2, 1, 0.25)
    assert second.milliseconds is None
    assert second.floats == {"asked for": 1}
