"""What a network is given before it learns to do with fewer tokens: auxiliary heads, a policy.

Their weights are drawn, and nobody trained them. Names and places are those of a file that has
them, so that a training writes them beside the network's own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from segpp.errors import InputError
from segpp.export.models.vit.architecture import exit_blocks, shape_of
from segpp.export.models.vit.network.passing import AuxiliaryHead
from segpp.export.models.vit.policy import check_policy
from segpp.export.reduction.matching.policy_network import PolicyNetwork
from segpp.export.reduction.methods.policy import TrainedPolicy
from segpp.manifest import Architecture, PlainViT

if TYPE_CHECKING:
    from segpp.export.models.vit.loading import ViTCheckpoint

__all__ = ["with_exits", "with_policy"]

# Of the published heads.
_WIDTH = 256
# The patches in front of the first block are no block's, and nothing is known of them.
_FIRST = 2


def with_exits(checkpoint: "ViTCheckpoint", seed: int) -> "ViTCheckpoint":
    """Return the same network with auxiliary heads, if it has none; see ``Checkpoint``."""
    architecture = checkpoint.architecture
    shape, blocks = shape_of(architecture), exit_blocks(len(architecture.depths))
    if shape.exits:
        return checkpoint
    if architecture.head not in checkpoint.names.exits:
        known = ", ".join(sorted(checkpoint.names.exits)) or "none"
        raise InputError(
            f"{architecture.name} cannot have auxiliary heads, by which tokens leave",
            f"its head is {architecture.head}, and with {checkpoint.format} there are names for "
            f"those of {known}",
            hint="pass:by=change needs none",
        )
    if blocks[0] < _FIRST:
        raise InputError(
            f"{architecture.name} of {len(architecture.depths)} blocks is too short for auxiliary "
            f"heads before the blocks {', '.join(map(str, blocks))}",
            hint="pass:by=change needs none",
        )
    grown = _of(architecture, replace(shape, exits=blocks, exit_channels=_WIDTH))
    heads = _drawn(
        lambda: nn.ModuleList(AuxiliaryHead(grown, checkpoint.numerics) for _ in blocks), seed
    )
    return replace(
        checkpoint, architecture=grown, state={**checkpoint.state, **_named("exits", heads)}
    )


def with_policy(checkpoint: "ViTCheckpoint", seed: int) -> "ViTCheckpoint":
    """Return the same network with a policy, if it has none; see ``Checkpoint``."""
    architecture = checkpoint.architecture
    shape = shape_of(architecture)
    if shape.policy is not None:
        return checkpoint
    if not checkpoint.names.policy:
        raise InputError(
            f"{architecture.name} cannot have a policy, by which patches share tokens",
            f"{checkpoint.format} has no names for one",
            hint="Segmenter and mmsegmentation-vit have",
        )
    grown = _of(architecture, replace(shape, policy=(0, 0)))
    check_policy(TrainedPolicy(), grown)
    policy = _drawn(lambda: PolicyNetwork(architecture.channels).silence_residuals(), seed)
    return replace(
        checkpoint, architecture=grown, state={**checkpoint.state, **_named("policy", policy)}
    )


def _of(architecture: Architecture, shape: PlainViT) -> Architecture:
    return replace(architecture, vit=shape)


def _drawn(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _named(root: str, module: nn.Module) -> dict[str, Tensor]:
    """Return the numbers of a module under its names in the network; counters are none."""
    state = module.state_dict().items()
    return {f"{root}.{name}": own.detach() for name, own in state if own.is_floating_point()}
