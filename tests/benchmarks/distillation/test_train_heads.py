"""Auxiliary heads learn from tokens that were kept, and nothing before them changes."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.distillation.vit.new_segmenter import new_segmenter, write_segmenter
from benchmarks.distillation.vit.split_policy import split_policy
from benchmarks.distillation.vit.train_heads import (
    IGNORE,
    exit_places,
    image_of,
    loss_of,
    seen,
    train,
    write,
)
from segpp.datasets.pairs import Pair
from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.ops.grid import Grid
from segpp.train.learning.tapped import Tapped
from segpp.train.parts.weights import with_backbone


@pytest.fixture
def checkpoint(tmp_path: Path) -> ViTCheckpoint:
    torch.manual_seed(0)
    state = new_segmenter(64, 8, 16, Grid(2, 3), 3)
    write_segmenter(tmp_path / "new.pth", state, Grid(2, 3), {})
    found = cast("ViTCheckpoint", load_checkpoint(tmp_path / "new.pth"))
    return found.with_auxiliary_heads(0)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """Pictures of 120x160 in which what is bright is class 2, what is dark 0; a corner is none."""
    found = []
    for number in range(8):
        labels = np.zeros((120, 160), np.uint8)
        labels[:, 20 * number :] = 2
        pixels = np.repeat(labels[..., None] * 100, 3, 2)
        labels[:30, :30] = 11
        paths = tmp_path / f"{number}.png", tmp_path / f"{number}_l.png"
        Image.fromarray(pixels).save(paths[0])
        Image.fromarray(labels).save(paths[1])
        found.append(Pair(*paths))
    return found


def test_what_is_kept_is_what_the_heads_of_the_network_see(
    checkpoint: ViTCheckpoint, pairs: list[Pair]
) -> None:
    network = checkpoint.build()
    assert shape_of(network.architecture).exits == (2, 4, 6)
    assert exit_places(network) == [0, 2, 4]

    [first, *_] = seen(network, pairs[:1])

    image, labels = image_of(pairs[0])
    with torch.no_grad():
        _, _, auxiliary = Tapped(network)(image)
        expected = [
            torch.nn.functional.cross_entropy(
                torch.nn.functional.interpolate(
                    one, labels.shape, mode="bilinear", align_corners=False
                ),
                torch.where(labels < 3, labels, IGNORE)[None],
                ignore_index=IGNORE,
            )
            for one in auxiliary
        ]
        found = loss_of(network, [first])
    assert (first.labels == IGNORE).any()
    # Tokens wait in half precision.
    assert found.item() == pytest.approx(float(sum(expected)) / 3, rel=1e-2)


def test_heads_learn_and_nothing_else_does(
    checkpoint: ViTCheckpoint, pairs: list[Pair], tmp_path: Path
) -> None:
    network = checkpoint.build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pictures = seen(network, pairs)
    with torch.no_grad():
        at_first = loss_of(network, pictures).item()

    train(network, pictures)

    with torch.no_grad():
        assert loss_of(network, pictures).item() < 0.7 * at_first
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed
    assert all(name.startswith("exits.") for name in changed)
    write(tmp_path / "out.pth", checkpoint, network, policy=False)
    again = load_checkpoint(tmp_path / "out.pth")
    assert shape_of(again.architecture).exits == (2, 4, 6)
    for name, value in again.build().state_dict().items():
        assert torch.allclose(value.float(), network.state_dict()[name].float(), atol=2e-3), name


def test_a_policy_is_kept_or_left_out(checkpoint: ViTCheckpoint, tmp_path: Path) -> None:
    given = checkpoint.with_policy(0)

    for policy in (True, False):
        write(tmp_path / "out.pth", given, given.build(), policy=policy)

        shape = shape_of(load_checkpoint(tmp_path / "out.pth").architecture)
        assert (shape.policy is not None) is policy


def test_a_policy_alone_is_what_another_network_begins_with(
    checkpoint: ViTCheckpoint, tmp_path: Path
) -> None:
    given = checkpoint.with_policy(0)
    write(tmp_path / "with.pth", given, given.build(), policy=True)

    split_policy(tmp_path / "with.pth", tmp_path / "policy.pth")

    other = with_backbone(checkpoint.with_policy(1), tmp_path / "policy.pth")
    for name, value in given.state.items():
        if name.startswith("policy."):
            assert torch.equal(other.state[name], value.half().float()), name
    with pytest.raises(CheckpointError, match=r"new\.pth has no policy"):
        split_policy(tmp_path / "new.pth", tmp_path / "none.pth")
    assert not (tmp_path / "none.pth").exists()
