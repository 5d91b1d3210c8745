"""What is loaded computes what timm and the papers compute, at every size.

Tests models/vit/network/*.py and models/vit/loading/convert.py, models/vit/loading/positions.py.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.export.models.base import family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.network import ViT
from segpp.ops.grid import Size
from tests.export.models.vit.checkpoints import (
    mmsegmentation,
    save_mmsegmentation,
    save_segmenter,
)
from tests.export.models.vit.references import Reference, reference

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

# The size of the positions, another grid of the same form and of another, and one that is no
# multiple of the patch.
SIZES = [Size(64, 96), Size(32, 48), Size(96, 80), Size(50, 75)]


def image(size: Size) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5))


def check_same(path: Path, network: Reference, size: Size) -> None:
    checkpoint = load_checkpoint(path)
    x = image(size)

    with torch.inference_mode():
        expected = network(x)
        ready, resizing = checkpoint.at(size).build()(x), checkpoint.build()(x)

    # Both compute in FP32, in orders of their own.
    derived = family_of(checkpoint.architecture).tolerance(checkpoint.architecture, size)
    allowed = min(derived, 1e-4)
    for logits in (ready, resizing):
        assert logits.shape == expected.shape
        assert float((logits - expected).abs().max() / expected.abs().max()) <= allowed
        assert torch.equal(logits.argmax(1), expected.argmax(1))
    assert expected.argmax(1).unique().numel() > 1


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "choices",
    [{"head": "mask"}, {"head": "linear"}, {"head": "mask", "distilled": True}],
    ids=["mask", "linear", "distilled"],
)
def test_a_segmenter_computes_as_its_own_code(
    tmp_path: Path, choices: dict[str, Any], size: Size
) -> None:
    network = reference(**choices)

    check_same(save_segmenter(tmp_path, network), network, size)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("head", ["mask", "linear", "setr"])
def test_a_network_of_mmsegmentation_computes_as_its_code(
    tmp_path: Path, head: str, size: Size
) -> None:
    network = mmsegmentation(head=head)

    check_same(save_mmsegmentation(tmp_path / "mm.pth", network), network, size)


@pytest.mark.parametrize(
    "published",
    [
        {"dim": 192, "heads": 3, "depth": 12, "distilled": True},
        {"dim": 384, "heads": 6, "depth": 12},
    ],
    ids=["Ti/16 distilled", "S/16"],
)
def test_a_published_size_computes_the_same(tmp_path: Path, published: dict[str, Any]) -> None:
    network = reference(size=(128, 128), classes=19, **published)
    path = save_segmenter(tmp_path, network)

    check_same(path, network, Size(128, 128))

    assert (
        load_checkpoint(path).architecture.name
        == f"vit-{'ti' if 'distilled' in published else 's'}16"
    )


def built(tmp_path: Path, **choices: Any) -> tuple[Reference, ViT]:
    network = reference(**choices)
    checkpoint = load_checkpoint(save_segmenter(tmp_path, network))
    model = checkpoint.build()
    assert isinstance(model, ViT)
    return network, model


def test_an_epsilon_of_another_codebase_shows(tmp_path: Path) -> None:
    """The comparisons above would tell it: weights must not be taken for another codebase's."""
    # Small tokens, where an epsilon counts.
    network, model = built(tmp_path, head="linear")
    x = image(SIZES[0])
    other = reference(head="linear", eps=1e-3)

    with torch.inference_mode():
        mine, theirs, wrong = model(x), network(x), other(x)

    assert float((mine - theirs).abs().max()) < 1e-3 * float((wrong - theirs).abs().max())


def test_the_grid_of_positions_is_made_for_the_size_of_the_export(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_segmenter(tmp_path, reference()))

    ready = checkpoint.at(Size(50, 75)).state["patch_embed.positions"]

    assert tuple(checkpoint.state["patch_embed.positions"].shape) == (1, 4, 6, 128)
    assert tuple(ready.shape) == (1, 4, 5, 128)
