"""Superpatches that share a token are embedded as if their pixels had been cut out and halved.

Tests reduction/sharing.py, reduction/methods/flat.py, reduction/matching/flatness.py,
reduction/assignments/window_means.py and models/vit/network/sharing.py.
"""

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from segpp.errors import ReductionError
from segpp.export.models.cost_model import site_costs
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import vit
from segpp.export.models.vit.family import FAMILY
from segpp.export.models.vit.macs import macs_of
from segpp.export.models.vit.network import ViT
from segpp.export.models.vit.network.sharing import embed_shared
from segpp.export.models.vit.sites import PATCHES_SITE
from segpp.export.reduction.config import ReductionChoice, count_tokens
from segpp.export.reduction.methods.flat import FlatSharing
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.sites import Site, parse_site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid, Size
from tests.export.models.vit.checkpoints import mmsegmentation, save_mmsegmentation, save_segmenter
from tests.export.models.vit.references import Reference, reference

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

from tests.export.models.vit.algm.dynamic import _matched
from tests.export.models.vit.cts.by_pixels import cts, shared_tokens

SHARED = 5
# Even and odd numbers of patches, and zeros that fill the last of them.
SIZES = [(96, 128), (80, 112), (90, 120)]


def picture(size: tuple[int, int], seed: int = 1) -> Tensor:
    """Noise that is stronger in some superpatches than in others."""
    draw = torch.Generator().manual_seed(seed)
    strength = torch.rand(1, 1, size[0] // 32 + 1, size[1] // 32 + 1, generator=draw)
    strength = strength.repeat_interleave(32, 2).repeat_interleave(32, 3)
    noise = torch.randn(1, 3, *size, generator=draw)
    return noise * strength[:, :, : size[0], : size[1]] + torch.randn(1, 3, 1, 1, generator=draw)


def flatness_of(x: Tensor) -> Tensor:
    """Return the negated variance of each superpatch, one by one, padded as the network does."""
    x = torch.nn.functional.pad(x, (0, -x.shape[3] % 16, 0, -x.shape[2] % 16))
    rows, columns = x.shape[2] // 32, x.shape[3] // 32
    cells = [
        [x[0, :, r * 32 : r * 32 + 32, c * 32 : c * 32 + 32].flatten(1) for c in range(columns)]
        for r in range(rows)
    ]
    return torch.tensor([[-float(c.var(1, correction=0).mean()) for c in row] for row in cells])


def built(path: Path, config: dict[Site, FlatSharing | GlobalBipartiteMatching]) -> ViT:
    return cast("ViT", load_checkpoint(path).build().apply_reductions(config))


def saved(folder: Path, head: str, **choices: object) -> tuple[Reference, Path]:
    if head != "setr":
        network = reference(head=head, dim=64, heads=1, **choices)
        return network, save_segmenter(folder, network)
    network = mmsegmentation(head=head, dim=64, heads=1, **choices)
    return network, save_mmsegmentation(folder / "x.pth", network)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_embedding_is_that_of_cut_and_halved_pixels(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    network, path = saved(tmp_path, "linear", distilled=True)
    x, model = picture(size), built(path, {})

    found, grid, assignment = embed_shared(model.patch_embed, x, FlatSharing(count=SHARED), None)

    expected = shared_tokens(network, flatness_of(x), x, SHARED)
    assert found.shape == expected.tokens.shape
    assert (found - expected.tokens).abs().max() <= 1e-5
    numbers = torch.arange(grid.tokens)[None, :, None].float()
    own = [sum(p) / len(p) for p in expected.patches()]
    assert assignment.merge(numbers).flatten().tolist() == own
    assert assignment.members().flatten().tolist() == [len(p) for p in expected.patches()]


@pytest.mark.parametrize("head", ["mask", "linear", "setr"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_network_is_that_of_the_release(
    tmp_path: Path, head: str, size: tuple[int, int]
) -> None:
    network, path = saved(tmp_path, head)
    x = picture(size)

    found = built(path, {PATCHES_SITE: FlatSharing(count=SHARED)})(x)

    expected = cts(network, flatness_of(x), x, SHARED)
    assert (found - expected).abs().max() <= 1e-4
    assert torch.equal(found.argmax(1), expected.argmax(1))


def test_a_batch_is_its_images(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "mask")
    model = built(path, {PATCHES_SITE: FlatSharing(count=SHARED)})
    x = torch.cat([picture((96, 128), seed) for seed in (1, 2)])

    together, alone = model(x), torch.cat([model(one[None]) for one in x])

    assert torch.allclose(together, alone, atol=1e-5)


def test_what_merges_later_counts_a_superpatch_for_its_patches(tmp_path: Path) -> None:
    network, path = saved(tmp_path, "linear", depth=3)
    x = picture((96, 128))

    shared = shared_tokens(network, flatness_of(x), x, SHARED)
    first, second, third = network.encoder.blocks
    tokens = first(shared.tokens)
    tokens = tokens + second.attn(second.norm1(tokens))
    tokens, patches, merged = _matched(tokens, shared.patches(), 2)
    tokens = third(tokens + second.mlp(second.norm2(tokens)))
    logits = network.decoder.head(network.encoder.norm(tokens)[0, 1:])
    expected = logits.new_empty(48, logits.shape[1])
    for members, value in zip(patches, logits, strict=True):
        expected[members] = value
    config = {
        PATCHES_SITE: FlatSharing(count=SHARED),
        Site(2, "tokens"): GlobalBipartiteMatching(count=merged),
    }
    found = built(path, config)(x)

    assert merged > 0
    assert max(map(len, patches)) > 4
    assert (found[0].flatten(1).T - expected).abs().max() <= 1e-4


def test_stages_are_compared_patch_by_patch(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "linear")
    model = built(path, {PATCHES_SITE: FlatSharing(count=12)})
    given: list[object] = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _module, _inputs, output: given.append(output))

    model(picture((96, 128)))
    first, second = model.stage_outputs(given)  # type: ignore[arg-type]  # what the hooks saw

    assert first.shape == second.shape == (1, 48, 64)
    # All superpatches share: their four patches have one token each.
    cells = second.reshape(3, 2, 4, 2, 64)
    assert torch.equal(cells, cells[:, :1, :, :1].expand_as(cells))


@pytest.mark.parametrize(
    ("reduce", "words"),
    [
        (("1.tokens=clap",), "clap with windows of 2x2 does not fit a grid of 1x33 tokens"),
        (("1.q=bsm",), "does not fit a grid of 1x33 tokens"),
        (("embed.patches=flat:count=13",), "13 superpatches of a grid of 6x8 .*\n.* has 12 of 2x2"),
    ],
    ids=["windows", "cells", "too many"],
)
def test_what_does_not_fit_is_refused_in_a_sentence(reduce: tuple[str, ...], words: str) -> None:
    architecture, size = small(), Size(96, 128)
    choice = ReductionChoice(reduce=("embed.patches=flat:count=5", *reduce))
    config = FAMILY.reduction_config(choice, architecture)

    with pytest.raises(ReductionError, match=words):
        count_tokens(config, FAMILY.grids(size, config, architecture))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("embed.patches=clap", r"clap cannot merge at embed\.patches\n.* tokens only"),
        ("1.tokens=flat", r"flat cannot merge at 1\.tokens\n.* patches only"),
        ("embed.patches=flat:ratio=1", "flat cannot let a share of 1 of the superpatches share"),
        ("embed.patches=flat:count=-2", "flat cannot let -2 superpatches share"),
        ("embed.tokens=flat", r"'embed\.tokens' names side 'tokens', which does not exist"),
        ("head.patches=flat", r"'head\.patches' names head, which does not exist"),
    ],
)
def test_what_is_no_sharing_is_refused(text: str, words: str) -> None:
    with pytest.raises(ReductionError, match=words):
        FAMILY.reduction_config(ReductionChoice(reduce=(text,)), small())


def test_the_site_is_read_back_and_stands_first() -> None:
    assert parse_site(str(PATCHES_SITE), FAMILY.sites) == FAMILY.sites[0] == PATCHES_SITE
    assert PATCHES_SITE.place == "embed, patches"


def test_macs_are_of_fewer_tokens_and_of_halved_superpatches_besides() -> None:
    architecture, size = small(), Size(96, 128)
    config = {PATCHES_SITE: FlatSharing(count=SHARED)}
    sites = count_tokens(config, FAMILY.grids(size, config, architecture))

    whole, fewer = macs_of(architecture, size, ()), macs_of(architecture, size, sites)

    [first, second] = fewer.stages
    assert [(one.stage, one.tokens_in, one.tokens_out) for one in sites] == [(-1, 48, 33)]
    assert first.patch_embedding == (48 + 12) * 64 * 3 * 256
    # A class token stands before them; keys and queries are as many.
    assert second.products == 2 * 34 * 34 * 64
    assert second.ffn == 34 * 2 * 64 * 256
    assert fewer.head.total == 33 * 64 * 5
    assert first.matching == 48 * 64
    assert fewer.total < whole.total


def test_what_it_saves_and_costs_is_counted_as_by_hand() -> None:
    architecture, size = small(), Size(96, 128)
    config = {PATCHES_SITE: FlatSharing(count=SHARED)}
    sites = count_tokens(config, FAMILY.grids(size, config, architecture))

    [cost] = site_costs(architecture, size, sites)

    whole, fewer = macs_of(architecture, size, ()), macs_of(architecture, size, sites)
    assert cost.site == "embed.patches"
    assert cost.saved == whole.total - fewer.total + (48 + 48) * 64
    # Patches looked at, tokens gathered and given back, and the small nodes of match and merge.
    assert cost.added == 48 * 64 + (33 + 48) * 64 + (110 + 40) * 70_000


def test_a_share_of_whole_numbers_gives_them_back() -> None:
    # 22 times 15 / 22 is below 15.
    assert FlatSharing(ratio=15 / 22).num_shared(Grid(4, 22)) == 15
    assert FlatSharing(ratio=103 / 256).num_shared(Grid(32, 32)) == 103
    assert FlatSharing(ratio=336 / 576).tokens_out(Grid(48, 48)) == 1296


def small() -> Architecture:
    return vit(
        dim=64, depth=2, heads=1, patch=16, prefix=1, hidden=256, ffn="gelu", head="linear",
        decoder=64, head_blocks=0, classes=5, channels=3,
    )  # fmt: skip
