"""Plain ViTs as the export sees them; what needs torch is imported where it is used."""
# ruff: noqa: PLC0415 - a board reads sizes and costs without torch

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.export.models.base import Checkpoint, ModelFamily
from segpp.export.models.macs import Macs
from segpp.export.models.vit.architecture import check_heads
from segpp.export.models.vit.input_size import DEFAULT_SIZE, check_size
from segpp.export.models.vit.macs import head_values, macs_of
from segpp.export.models.vit.policy import as_trained
from segpp.export.models.vit.presets import PRESETS, VARIANTS, reduction_config
from segpp.export.models.vit.sites import SITES, site_grids
from segpp.export.models.vit.tolerance import relative_tolerance
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import Channels, Place
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture, ChannelSite, ReductionSite
from segpp.ops.grid import Grid, Size

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.checkpoints.choices import ReadChoices
    from segpp.export.checkpoints.state_dict import StateDict
    from segpp.export.checkpoints.weights import WeightsFile
    from segpp.export.models.network import Network
    from segpp.export.models.rewriting import Rewrite
    from segpp.export.reduction.gates.gate import Gate
    from segpp.export.reduction.gates.running_moments import Draw

__all__ = ["FAMILY", "ViTFamily"]


class ViTFamily:
    """The family; see ``ModelFamily`` for what each member means."""

    name = "vit"
    title = "plain ViT"
    model_types: tuple[str, ...] = (
        "eomt",
        "eomt_dinov3",
        "dinov2",
        "dinov2_with_registers",
        "dinov3_vit",
    )
    default_size = DEFAULT_SIZE
    sites: tuple[Site, ...] = SITES
    places: tuple[Place, ...] = ()
    presets: Mapping[str, ReductionConfig] = PRESETS
    preset_variants: Mapping[str, Mapping[str, ReductionConfig]] = VARIANTS

    def formats(self) -> tuple[str, ...]:
        """Return the names of the checkpoint formats."""
        from segpp.export.models.vit.loading.formats import FORMATS

        return tuple(FORMATS)

    def detect(self, names: Collection[str]) -> int:
        """Return how many of ``names`` the best of the formats knows."""
        from segpp.export.models.vit.loading.formats import FORMATS

        return max(fmt.count_known(names) for fmt in FORMATS.values())

    def is_network(self, names: Collection[str]) -> bool:
        """Whether ``names`` have the first and the last weights of one of the formats."""
        from segpp.export.models.vit.loading.formats import FORMATS

        return any(fmt.has_both_ends(names) for fmt in FORMATS.values())

    def load(
        self,
        weights: "WeightsFile",
        state_dict: "StateDict",
        path: Path,
        choices: "ReadChoices",
    ) -> Checkpoint:
        """Return what a weights file holds.

        Raises:
            CheckpointError: It is no plain ViT, incomplete, or could be of several formats.
        """
        from segpp.export.models.vit.loading import load

        return load(weights, state_dict, path, choices)

    def check_size(self, size: Size) -> None:
        """Raise InputError unless the networks take images of ``size``."""
        check_size(size)

    def check_heads(self, heads: tuple[int, ...]) -> None:
        """Raise CheckpointError unless this is one positive number, of every block."""
        check_heads(heads)

    def grids(
        self,
        size: Size,
        reductions: ReductionConfig | None = None,
        architecture: Architecture | None = None,
    ) -> Mapping[Site, Grid]:
        """Return the patches that arrive at each site."""
        return site_grids(size, reductions, architecture)

    def reduction_config(
        self, choice: ReductionChoice, architecture: Architecture | None = None
    ) -> ReductionConfig:
        """Return the reduction at each site.

        Raises:
            ReductionError: A name is unknown, or a number is out of range.
        """
        config = reduction_config(choice, architecture)
        return config if architecture is None else as_trained(config, architecture)

    def channels(self, architecture: Architecture) -> Mapping[Place, Channels]:  # noqa: ARG002
        """Return nothing: no block does with fewer channels."""
        return {}

    def apply_gates(
        self,
        model: "Network",  # noqa: ARG002 - as all of these
        gates: ChannelGates,  # noqa: ARG002
        images: "Sequence[Draw]",  # noqa: ARG002
        *,
        dense: bool = False,  # noqa: ARG002
    ) -> "Mapping[Place, Mapping[str, Tensor]]":
        """Return nothing: there is no place for a gate."""
        return {}

    def dynamic_gates(self, model: "Network") -> "Mapping[str, Gate]":  # noqa: ARG002
        """Return nothing: there is no place for a gate."""
        return {}

    def macs(
        self,
        architecture: Architecture,
        size: Size,
        reduction: Sequence[ReductionSite],
        channels: Sequence[ChannelSite] = (),  # noqa: ARG002 - it has no places for gates
    ) -> Macs:
        """Count the multiply-accumulates for one image."""
        return macs_of(architecture, size, reduction)

    def head_values(
        self,
        architecture: Architecture,
        size: Size,
        tokens: int | None,  # noqa: ARG002 - no reduction of the head's grid
    ) -> int:
        """Return how many numbers the largest feature map or score matrix of the head has."""
        return head_values(architecture, size)

    def tolerance(self, architecture: Architecture, size: Size) -> float:
        """Return how far two FP32 computations may differ, relative to the largest logit."""
        return relative_tolerance(architecture, size)

    def rewrites(self) -> "Mapping[str, Rewrite]":
        """Return the exact rewrites by name."""
        from segpp.export.models.vit.rewrites import REWRITES

        return REWRITES


FAMILY: ModelFamily = ViTFamily()
