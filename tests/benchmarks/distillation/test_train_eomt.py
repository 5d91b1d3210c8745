"""An EoMT begins as a Segmenter, learns what its masks say together, and is written as it lay."""

import json
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from benchmarks.distillation.vit.new_eomt import EomtSize, begin_as, new_eomt, write_eomt
from benchmarks.distillation.vit.new_segmenter import new_segmenter, write_segmenter
from benchmarks.distillation.vit.train_eomt import log_sums
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.ops.grid import Grid

pytest.importorskip("transformers", reason="writes the network")

SIZE = EomtSize(64, 3, 1, 1, 96, 5, num_register_tokens=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return new_eomt(SIZE, ("road", "sky"), tmp_path / "eomt")


@pytest.fixture
def other(tmp_path: Path) -> Network:
    grid = Grid(6, 6)
    write_segmenter(tmp_path / "other.pth", new_segmenter(64, 3, 16, grid, 2), grid, {})
    return cast("Network", load_checkpoint(tmp_path / "other.pth").build())


def test_its_blocks_embed_and_pass_patches_as_the_other_network_does(
    folder: Path, other: Network
) -> None:
    network = cast("Network", load_checkpoint(folder).build())
    heard: dict[Network, list[Tensor]] = {network: [], other: []}
    for one, tokens in heard.items():
        one.patch_embed.register_forward_hook(lambda _m, _i, out, kept=tokens: kept.append(out))
    image = torch.randn(1, 3, 96, 96)
    before = network.state_dict()["patch_embed.prefix"][:, 1:].clone()

    begin_as(network, other)
    for one in heard:
        one(image)

    own, given = network.state_dict(), other.state_dict()
    same = [
        n for n in own if n.startswith(("stages.", "norm.", "patch_embed.conv.")) and n in given
    ]
    assert len(same) > 3 * 12
    assert all(torch.equal(own[name], given[name]) for name in same)
    torch.testing.assert_close(
        own["patch_embed.positions"], given["patch_embed.positions"], atol=1e-6, rtol=0
    )
    assert torch.equal(own["patch_embed.prefix"][:, :1], given["patch_embed.prefix"])
    assert torch.equal(own["patch_embed.prefix"][:, 1:], before)


def test_positions_are_resized_to_its_own_grid(tmp_path: Path, folder: Path) -> None:
    grid, network = Grid(2, 3), cast("Network", load_checkpoint(folder).build())
    state = new_segmenter(64, 3, 16, grid, 2)
    state["backbone.pos_embed"][:] = 0.5
    write_segmenter(tmp_path / "small.pth", state, grid, {})

    begin_as(network, load_checkpoint(tmp_path / "small.pth").build())

    positions = network.state_dict()["patch_embed.positions"]
    assert positions.shape == (1, 6, 6, 64)
    torch.testing.assert_close(positions, torch.full_like(positions, 0.5))


def test_what_it_learns_is_the_logarithm_of_what_its_masks_say(folder: Path) -> None:
    network = cast("Network", load_checkpoint(folder).build())
    image = torch.randn(1, 3, 96, 96)

    torch.testing.assert_close(log_sums(network, image).exp(), network(image))


def test_what_was_trained_is_read_again_to_half_precision(folder: Path) -> None:
    checkpoint = cast("ViTCheckpoint", load_checkpoint(folder))
    network = checkpoint.build()
    for value in network.state_dict().values():
        value.add_(0.125)

    write_eomt(folder, checkpoint.stored(network.state_dict()), SIZE)

    assert json.loads((folder / "preprocessor_config.json").read_text())["image_mean"][0] < 1
    again = load_checkpoint(folder)
    assert again.classes is not None
    assert again.classes.names == ("road", "sky")
    for name, value in again.build().state_dict().items():
        assert torch.equal(value, network.state_dict()[name].half().float()), name
