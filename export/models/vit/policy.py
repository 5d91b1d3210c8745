"""What a network's trained policy means for the patches that share tokens: how many, or none."""

from dataclasses import replace

from segpp.errors import ReductionError
from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.sites import PATCHES_SITE
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.matching.policy_layers import CELL
from segpp.export.reduction.methods.policy import TrainedPolicy
from segpp.export.reduction.sharing import SUPERPATCH, SharingReduction
from segpp.manifest import Architecture

__all__ = ["POLICY_PATCH", "as_trained", "check_policy"]

# A cell of the policy's map is a superpatch of these alone.
POLICY_PATCH = CELL // SUPERPATCH


def as_trained(config: ReductionConfig, architecture: Architecture) -> ReductionConfig:
    """Return the reduction at each site, with the share of a policy's training where none is said.

    Raises:
        ReductionError: As ``check_policy``; or nothing tells the share.
    """
    method = config.get(PATCHES_SITE)
    check_policy(method, architecture)
    if not isinstance(method, TrainedPolicy) or method.ratio or method.count:
        return config
    alone, shared = shape_of(architecture).policy or (0, 0)
    if min(alone, shared) < 1:
        raise ReductionError(
            "nothing tells how many superpatches the policy was trained to let share",
            "variant.yml has no policy_schedule of two numbers above 0",
            hint=f"--reduce {PATCHES_SITE}=policy:ratio=0.4",
        )
    ratio = shared / (shared + alone / SUPERPATCH**2)
    return {**config, PATCHES_SITE: replace(method, ratio=ratio)}


def check_policy(reduction: TokenReduction | None, architecture: Architecture) -> None:
    """Raise ReductionError if a reduction needs a trained policy, and the network has none."""
    shape = shape_of(architecture)
    if not isinstance(reduction, SharingReduction) or not reduction.is_trained:
        return
    if shape.policy is None:
        raise ReductionError(
            f"{reduction.name} needs the policy that a checkpoint of CTS has, and this has none",
            "tensors of it are called policy_net.backbone and policy_net.head",
            hint=f"--reduce {PATCHES_SITE}=flat needs no training",
        )
    if shape.patch != POLICY_PATCH:
        raise ReductionError(
            f"{reduction.name} does not fit patches of {shape.patch} pixels",
            f"its map has a cell for each {CELL}x{CELL} pixels: patches of {POLICY_PATCH}",
        )
