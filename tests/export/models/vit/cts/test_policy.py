"""A checkpoint with the policy of CTS is read whole, and its policy is timm's network.

Tests reduction/methods/policy.py, reduction/matching/policy_layers.py,
reduction/matching/policy_network.py and models/vit/policy.py.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import yaml
from torch import Tensor, nn

from segpp.errors import CheckpointError, ReductionError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.family import FAMILY
from segpp.export.models.vit.network import ViT
from segpp.export.models.vit.policy import as_trained, check_policy
from segpp.export.models.vit.rewrites.fold_batch_norm import fold_batch_norm
from segpp.export.models.vit.sites import PATCHES_SITE
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.matching.policy_layers import policy_macs
from segpp.export.reduction.matching.policy_network import PolicyNetwork
from segpp.export.reduction.methods.policy import TrainedPolicy
from segpp.manifest import Architecture
from segpp.ops.grid import Grid, Size
from tests.export.models.vit.checkpoints import variant_of
from tests.export.models.vit.references import Reference, reference

pytest.importorskip("timm", reason="needs timm, which the oracle is of")

from tests.export.models.vit.cts.by_pixels import Policy, cts, cts_state, policy_of

SIZE, CHOICE = (96, 128), ReductionChoice(reduce=("embed.patches=policy",))
# 28 patches stay alone, 5 of 12 superpatches share.
SCHEDULE = [28, 5]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of()


@pytest.fixture(scope="module")
def network() -> Reference:
    return reference(dim=64, heads=1, size=SIZE)


@pytest.fixture
def saved(tmp_path: Path, network: Reference, policy: Policy) -> Callable[..., Path]:
    """Write a checkpoint of CTS, its tensors changed, and ``variant.yml`` with a schedule."""

    def write(schedule: Any = SCHEDULE, **changes: Tensor | None) -> Path:
        state = {**cts_state(network, policy), **changes}
        path = tmp_path / "checkpoint.pth"
        whole = {name: tensor for name, tensor in state.items() if tensor is not None}
        torch.save({"model": whole, "n_cls": 5}, path)
        said = {} if schedule is None else {"policy_schedule": schedule}
        variant = variant_of(network, policy_method="policy_net", **said)
        (tmp_path / "variant.yml").write_text(yaml.dump(variant), encoding="utf-8")
        return path

    return write


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(2))


def test_a_checkpoint_of_cts_gives_the_logits_of_the_release(
    saved: Callable[..., Path], network: Reference, policy: Policy, images: Tensor
) -> None:
    checkpoint = load_checkpoint(saved())
    config = FAMILY.reduction_config(CHOICE, checkpoint.architecture)

    found = checkpoint.build().apply_reductions(config)(images)

    expected = torch.cat([cts(network, policy(x[None])[0], x[None], 5) for x in images])
    assert shape_of(checkpoint.architecture).policy == (28, 5)
    assert (found - expected).abs().max() <= 1e-4
    assert torch.equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("colors", ["rgb", "bgr"])
def test_scores_are_the_order_of_timms_probabilities(
    saved: Callable[..., Path], policy: Policy, images: Tensor, colors: str
) -> None:
    model = load_checkpoint(saved(), choices=ReadChoices(colors=colors)).build()

    scores = policy_in(model).scores(images if colors == "rgb" else images.flip(1), Grid(3, 4))

    expected = policy(images).flatten(1)
    assert torch.equal(scores.argsort(1), expected.argsort(1))
    assert torch.allclose(scores.sigmoid(), expected, atol=1e-5)


def test_folded_norms_change_no_score(saved: Callable[..., Path], images: Tensor) -> None:
    model = load_checkpoint(saved()).build()
    before = policy_in(model).scores(images, Grid(3, 4))

    fold_batch_norm(model)

    after = policy_in(model).scores(images, Grid(3, 4))
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert torch.allclose(after, before, atol=1e-4 * float(before.abs().max()))
    assert not torch.equal(after, before)


def test_its_statistics_stay_while_the_rest_learns(
    saved: Callable[..., Path], images: Tensor
) -> None:
    model = load_checkpoint(saved()).build()
    before = {name: tensor.clone() for name, tensor in policy_in(model).state_dict().items()}

    model.train()
    policy_in(model).scores(images, Grid(3, 4))

    assert model.training
    after = policy_in(model).state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_weights_are_stored_under_their_names(
    saved: Callable[..., Path], network: Reference, policy: Policy
) -> None:
    checkpoint = load_checkpoint(saved())

    stored = checkpoint.stored(checkpoint.state)

    theirs = {
        name: tensor
        for name, tensor in cts_state(network, policy).items()
        if name.startswith("policy_net.") and tensor.is_floating_point()
    }
    assert {name for name in stored if name.startswith("policy_net.")} == set(theirs)
    assert all(torch.equal(stored[name], tensor) for name, tensor in theirs.items())


def test_the_share_is_that_of_the_training_on_any_grid(saved: Callable[..., Path]) -> None:
    architecture = load_checkpoint(saved()).architecture

    method = FAMILY.reduction_config(CHOICE, architecture)[PATCHES_SITE]
    said = as_trained({PATCHES_SITE: TrainedPolicy(count=2)}, architecture)[PATCHES_SITE]

    assert [method.tokens_out(Grid(*grid)) for grid in ((6, 8), (12, 16))] == [33, 192 - 20 * 3]
    assert said.tokens_out(Grid(6, 8)) == 48 - 2 * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"policy_net.head.bias": None},
            r"lacks 1 tensor .*\n.*\n  missing: policy_net\.head\.bias",
        ),
        (
            {"policy_net.backbone.blocks.5.1.bn2.running_var": None},
            r"missing: policy_net\.backbone\.blocks\.5\.1\.bn2\.running_var",
        ),
        (
            {"policy_net.backbone.blocks.5.4.bn2.weight": torch.ones(3)},
            r"policy_net\.backbone\.blocks\.5\.4\.bn2\.weight",
        ),
        (
            {"policy_net.backbone.conv_stem.weight": torch.ones(48, 3, 3, 3)},
            r"policy_net\.backbone\.conv_stem\.weight: expected \(32, 3, 3, 3\)",
        ),
        (
            {"policy_net.head.bias": torch.full((2,), float("nan"))},
            r"policy_net\.head\.bias",
        ),
        (
            {"policy_net.backbone.bn1.running_var": -torch.ones(32)},
            r"negative variances in 1 tensor\n.*policy_net\.backbone\.bn1\.running_var",
        ),
    ],
    ids=["head", "backbone", "left over", "another network", "no number", "no variance"],
)
def test_a_policy_is_whole_or_an_error_names_the_tensor(
    saved: Callable[..., Path], changes: dict[str, Tensor | None], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(saved(**changes))


@pytest.mark.parametrize("schedule", [[28], [28, 0], "many", [True, 5]], ids=str)
def test_a_schedule_of_something_else_is_refused(
    saved: Callable[..., Path], schedule: object
) -> None:
    shown = re.escape(repr(schedule))

    with pytest.raises(CheckpointError, match=rf"policy_schedule as {shown}\n.* two whole numbers"):
        load_checkpoint(saved(schedule))


def test_without_a_schedule_a_share_must_be_said(saved: Callable[..., Path]) -> None:
    architecture = load_checkpoint(saved(None)).architecture

    with pytest.raises(ReductionError, match=r"nothing tells how many superpatches .*(\n.*)*ratio"):
        FAMILY.reduction_config(CHOICE, architecture)

    said = ReductionChoice(reduce=("embed.patches=policy:ratio=0.5",))
    assert FAMILY.reduction_config(said, architecture)[PATCHES_SITE].tokens_out(Grid(6, 8)) == 30


def test_a_policy_that_is_not_there_or_does_not_fit_is_refused(
    saved: Callable[..., Path],
) -> None:
    architecture = load_checkpoint(saved()).architecture
    coarse, none = with_shape(architecture, patch=32), with_shape(architecture, policy=None)

    with pytest.raises(ReductionError, match=r"does not fit patches of 32 pixels\n.* of 16"):
        check_policy(TrainedPolicy(), coarse)
    with pytest.raises(ReductionError, match=r"this has none\n.*\n.*embed\.patches=flat needs no"):
        FAMILY.reduction_config(CHOICE, none)


def test_the_preset_goes_by_a_policy_where_there_is_one(saved: Callable[..., Path]) -> None:
    architecture = load_checkpoint(saved()).architecture
    preset = ReductionChoice(preset="cts")

    trained = FAMILY.reduction_config(preset, architecture)
    others = [FAMILY.reduction_config(preset, with_shape(architecture, policy=None))]
    others += [FAMILY.reduction_config(preset)]

    assert trained == FAMILY.reduction_config(CHOICE, architecture)
    assert trained[PATCHES_SITE].tokens_out(Grid(6, 8)) == 33
    untold = FAMILY.reduction_config(preset, load_checkpoint(saved(None)).architecture)
    assert untold[PATCHES_SITE].to_string().startswith("policy:ratio=0.4")
    for config in others:
        assert {str(site): one.to_string() for site, one in config.items()} == {
            "embed.patches": "flat:ratio=0.4"
        }


@pytest.mark.parametrize("text", ["policy:ratio=1", "policy:ratio=-1", "policy:count=-1"])
def test_settings_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ReductionError, match="policy cannot let"):
        TrainedPolicy.parse(text.partition(":")[2])


def test_macs_are_those_of_timms_convolutions(policy: Policy) -> None:
    counted = []

    def count(conv: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        counted.append(output[0].numel() * conv.weight[0].numel())

    hooks = [m.register_forward_hook(count) for m in policy.modules() if isinstance(m, nn.Conv2d)]
    policy(torch.zeros(1, 3, 96, 160))
    for hook in hooks:
        hook.remove()

    assert policy_macs(Size(96, 160)) == sum(counted)
    assert TrainedPolicy().decision_macs(Grid(6, 10), 64) == sum(counted)


def policy_in(model: nn.Module) -> PolicyNetwork:
    return cast("PolicyNetwork", cast("ViT", model).policy)


def with_shape(architecture: Architecture, **changes: Any) -> Architecture:
    return replace(architecture, vit=replace(shape_of(architecture), **changes))
