"""Layers that families share, against torch's own; networks merge where they are told.

Tests models/layers.py and models/network.py.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import (
    AttentionCore,
    LayerNorm,
    MergingAttention,
    PatchEmbed,
    nchw_to_tokens,
    tokens_to_nchw,
    tokens_to_nhwc,
)
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.model import SegFormer
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Grid
from tests.helpers.checkpoints import MINIATURE


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_norm_survives_half_precision_where_torchs_squares_overflow() -> None:
    # The squares are 90,000, above the largest number of half precision.
    x = (random(1, 4, 8) + 300).half()
    norm = LayerNorm(8, eps=1e-6).half()

    normed = norm(x)

    expected = F.layer_norm(x.double(), (8,), eps=1e-6)
    # Results below 3, rounded to 11 bits once.
    assert (normed.double() - expected).abs().max() <= 3 * 2.0**-11
    assert normed.dtype == torch.float16


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_torchs(heads: int) -> None:
    q, k, v = random(2, 5, 8, seed=1), random(2, 7, 8, seed=2), random(2, 7, 8, seed=3)

    attended = AttentionCore(heads)(q, k, v)

    def split(x: Tensor) -> Tensor:
        return x.unflatten(2, (heads, -1)).transpose(1, 2)

    expected = F.scaled_dot_product_attention(split(q), split(k), split(v), scale=1.0)
    # Sums of at most 8 products of values below 5.
    tolerance = 8 * 2.0**-24 * 5
    assert (attended - expected.transpose(1, 2).flatten(2)).abs().max() <= tolerance


def test_attention_without_merging_is_torchs_multi_head_attention() -> None:
    attention = MergingAttention(8, 2).eval()
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    layers = (attention.q, attention.k, attention.v)
    theirs.in_proj_weight.data = torch.cat([layer.weight for layer in layers])
    theirs.in_proj_bias.data = torch.cat([layer.bias for layer in layers])
    theirs.out_proj = attention.out
    x = random(2, 12, 8)

    with torch.inference_mode():
        difference = attention(x, Grid(3, 4)) - theirs(x, x, x, need_weights=False)[0]

    assert difference.abs().max() <= 8 * 2.0**-24 * 5


def test_merged_queries_come_back_in_their_cells() -> None:
    attention = MergingAttention(8, 2).eval()
    attention.set_merging("q", Neighbor2d(2, 2))

    with torch.inference_mode():
        attended = tokens_to_nhwc(attention(random(1, 16, 8), Grid(4, 4)), Grid(4, 4))

    assert torch.equal(attended[:, ::2, ::2], attended[:, 1::2, 1::2])
    assert not torch.equal(attended[:, 0, 0], attended[:, 0, 2])


def test_patches_overlap_or_not() -> None:
    image = random(1, 3, 16, 24)

    overlapping, fine = PatchEmbed(3, 8, kernel=7, stride=4, padding=3, eps=1e-6)(image)
    apart, coarse = PatchEmbed(3, 8, kernel=8, stride=8, padding=0, eps=1e-6)(image)

    assert (fine, overlapping.shape) == (Grid(4, 6), (1, 24, 8))
    assert (coarse, apart.shape) == (Grid(2, 3), (1, 6, 8))


def test_tokens_are_the_pixels_of_a_map_in_raster_order() -> None:
    grid, image = Grid(2, 3), random(2, 5, 2, 3)

    tokens = nchw_to_tokens(image)

    assert torch.equal(tokens[:, 4], image[:, :, 1, 1])
    assert torch.equal(tokens_to_nchw(tokens, grid), image)
    assert torch.equal(tokens_to_nhwc(tokens, grid), image.permute(0, 2, 3, 1))


# --- networks


def test_a_network_merges_where_it_is_told_and_nowhere_else() -> None:
    network = SegFormer(MINIATURE, Numerics(1e-6, 1e-6, 1e-6, 1e-6))
    first, second = BipartiteSoftMatching(0.5), BipartiteSoftMatching(0.25)
    network.apply_reductions({Site(1, "kv"): first, Site(2, "q"): first})

    network.apply_reductions({Site(2, "kv"): second})

    merging = {
        (stage, side): {getattr(attention, f"{side}_merging") for attention in attentions}
        for stage in range(1, 5)
        for side in ("q", "kv")
        if (attentions := network.attentions(stage))
    }
    assert merging.pop((2, "kv")) == {second}
    assert set(map(frozenset, merging.values())) == {frozenset({None})}
