"""What a checkpoint is given before it is trained: drawn, settled on pictures, or timm's.

Tests train/parts/equip.py, train/parts/weights.py and models/vit/network/added.py.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segpp.errors import CheckpointError, InputError
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import shape_of
from segpp.train.learning.tapped import Tapped
from segpp.train.parts.equip import settled
from segpp.train.parts.learner import PolicyLearner
from segpp.train.parts.weights import with_backbone
from tests.export.models.vit.checkpoints import (
    mmsegmentation,
    save_mmsegmentation,
    save_segmenter,
)
from tests.export.models.vit.references import reference

timm = pytest.importorskip("timm", reason="needs timm, which the networks are made of")

SMALL: dict[str, Any] = {"dim": 64, "heads": 1, "size": (64, 96)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return load_checkpoint(save_segmenter(tmp_path, reference(depth=8, **SMALL)))


def images(count: int = 4) -> Tensor:
    return 3 * torch.randn(count, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def seen_by(network: nn.Module, norms: str) -> list[Tensor]:
    """Return what comes out of every norm whose name begins so, channels last."""
    heard: list[Tensor] = []
    for name, module in network.named_modules():
        if name.startswith(norms) and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.register_forward_hook(lambda _m, _i, given: heard.append(given.transpose(0, 1)))
    run = PolicyLearner(network) if norms == "policy" else Tapped(network)  # type: ignore[arg-type]
    with torch.no_grad():
        run(images())
    return heard


@pytest.mark.parametrize("part", ["policy", "exits"])
def test_fresh_norms_begin_with_what_pictures_give_them(checkpoint: Checkpoint, part: str) -> None:
    given = checkpoint.with_policy(0) if part == "policy" else checkpoint.with_auxiliary_heads(0)
    fresh = given.state.keys() - checkpoint.state.keys()

    found = settled(given, fresh, images())

    assert {name.partition(".")[0] for name in fresh} == {part}
    assert all(torch.equal(found.state[name], own) for name, own in checkpoint.state.items())
    means = {n: found.state[n] for n in fresh if n.endswith("running_mean")}
    assert means
    assert not any(mean.any() for mean in means.values())
    for out in seen_by(found.build(), part):
        flat = out.flatten(1)
        # Of FP32, over 48 layers; the last norms of residual blocks are silent.
        assert flat.mean(1).abs().max() < 1e-3
        spread = flat.std(1, correction=0)
        assert torch.all((spread - 1).abs() < 1e-2) or not spread.any()


def test_the_same_seed_draws_the_same(checkpoint: Checkpoint) -> None:
    one, same, other = (checkpoint.with_policy(seed).state for seed in (3, 3, 4))

    name = "policy.stem.conv.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])
    assert checkpoint.with_policy(0).with_policy(1).state.keys() == one.keys()


def test_a_policy_begins_with_what_timm_saves(checkpoint: Checkpoint, tmp_path: Path) -> None:
    lite = timm.create_model("efficientnet_lite0", features_only=True, out_indices=(4,)).eval()
    for module in lite.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    path = tmp_path / "lite0.pth"
    torch.save({"state_dict": lite.state_dict()}, path)

    network = with_backbone(checkpoint.with_policy(0), path).build()

    learner, image = PolicyLearner(network), images()
    with torch.no_grad():
        expected = learner.policy.head(lite(image)[0])
        found = learner(image)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_weights_of_another_network_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path, given = tmp_path / "other.pth", checkpoint.with_policy(0)
    torch.save({"conv_stem.weight": torch.zeros(8, 3, 3, 3)}, path)

    with pytest.raises(CheckpointError, match=r"lacks .* tensors of EfficientNet-Lite0"):
        with_backbone(given, path)
    torch.save({"layer": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="has no EfficientNet-Lite0"):
        with_backbone(given, path)


def test_heads_stand_where_tokens_pass_and_are_refused_where_they_cannot(tmp_path: Path) -> None:
    def read(**choices: Any) -> Checkpoint:
        network = mmsegmentation(**SMALL, **choices)
        last = {"out_indices=(0, 1)": f"out_indices=(0, {choices['depth'] - 1})"}
        return load_checkpoint(save_mmsegmentation(tmp_path / "x.pth", network, **last))

    given = read(depth=8, head="setr").with_auxiliary_heads(0)

    assert shape_of(given.architecture).exits == (2, 4, 6)
    assert given.state["exits.0.linear.weight"].shape == (256, 64)
    assert "exits.2.norm.weight" in given.state
    with pytest.raises(InputError, match="of 4 blocks is too short for auxiliary heads"):
        read(depth=4).with_auxiliary_heads(0)
    with pytest.raises(InputError, match="its head is setr-pup"):
        read(depth=8, head="pup").with_auxiliary_heads(0)
