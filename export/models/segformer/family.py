"""SegFormer as the export sees it; what needs torch is imported where it is used.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203); merge sites and presets of Kienzle et al.,
SegFormer++, 2024 (arXiv:2405.14467).
"""
# ruff: noqa: PLC0415 - a board reads sizes and costs without torch

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from segpp.export.models.base import Checkpoint, ModelFamily
from segpp.export.models.macs import Macs
from segpp.export.models.segformer.architecture import STAGES, channels_of, check_heads
from segpp.export.models.segformer.input_size import DEFAULT_SIZE, check_size
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.presets import PRESETS, VARIANTS, reduction_config
from segpp.export.models.segformer.sites import SITES, site_grids, stage_grids
from segpp.export.models.segformer.tolerance import key_tokens, relative_tolerance
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import PARTS, Channels, Place
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
    from segpp.export.models.segformer.model import SegFormer
    from segpp.export.reduction.gates.gate import Gate
    from segpp.export.reduction.gates.running_moments import Draw

__all__ = ["FAMILY", "SegFormerFamily"]


class SegFormerFamily:
    """The family; see ``ModelFamily`` for what each member means."""

    name = "segformer"
    title = "SegFormer"
    model_types: tuple[str, ...] = ("segformer",)
    default_size = DEFAULT_SIZE
    sites: tuple[Site, ...] = SITES
    places: tuple[Place, ...] = tuple(
        Place(stage, part) for stage in range(1, STAGES + 1) for part in PARTS
    )
    presets: Mapping[str, ReductionConfig] = PRESETS
    preset_variants: Mapping[str, Mapping[str, ReductionConfig]] = VARIANTS

    def formats(self) -> tuple[str, ...]:
        """Return the names of the checkpoint formats."""
        from segpp.export.models.segformer.loading.formats import FORMATS

        return tuple(FORMATS)

    def detect(self, names: Collection[str]) -> int:
        """Return how many of ``names`` the best of the formats knows."""
        from segpp.export.models.segformer.loading.detect import count_known
        from segpp.export.models.segformer.loading.formats import FORMATS

        return max(count_known(fmt, names) for fmt in FORMATS.values())

    def is_network(self, names: Collection[str]) -> bool:
        """Whether ``names`` have the first and the last weights of one of the formats."""
        from segpp.export.models.segformer.loading.detect import has_both_ends

        return has_both_ends(names)

    def load(
        self,
        weights: "WeightsFile",
        state_dict: "StateDict",
        path: Path,
        choices: "ReadChoices",
    ) -> Checkpoint:
        """Return what a weights file holds.

        Raises:
            CheckpointError: It is no SegFormer, incomplete, or could be of several formats.
        """
        from segpp.export.models.segformer.loading import load

        return load(weights, state_dict, path, choices)

    def check_size(self, size: Size) -> None:
        """Raise InputError unless the networks take images of ``size``."""
        check_size(size)

    def check_heads(self, heads: tuple[int, ...]) -> None:
        """Raise CheckpointError unless there is a positive number for every stage."""
        check_heads(heads)

    def grids(
        self,
        size: Size,
        reductions: ReductionConfig | None = None,
        architecture: Architecture | None = None,  # noqa: ARG002 - the same for all of them
    ) -> Mapping[Site, Grid]:
        """Return the tokens that arrive at each site.

        Raises:
            ReductionError: A smaller grid would leave no keys and values.
        """
        return site_grids(size, reductions)

    def reduction_config(
        self, choice: ReductionChoice, architecture: Architecture | None = None
    ) -> ReductionConfig:
        """Return the reduction at each site.

        Raises:
            ReductionError: A name is unknown, or a number is out of range.
        """
        return reduction_config(
            preset=choice.preset,
            ratio=choice.ratio,
            reduce=choice.reduce,
            depths=None if architecture is None else architecture.depths,
        )

    def channels(self, architecture: Architecture) -> Mapping[Place, Channels]:
        """Return how many channels there are at each place."""
        return channels_of(architecture)

    def apply_gates(
        self,
        model: "Network",
        gates: ChannelGates,
        images: "Sequence[Draw]",
        *,
        dense: bool = False,
    ) -> "Mapping[Place, Mapping[str, Tensor]]":
        """Let a network work with fewer channels."""
        from segpp.export.models.segformer.gates import apply_gates

        return apply_gates(cast("SegFormer", model), gates, images, dense=dense)

    def dynamic_gates(self, model: "Network") -> "Mapping[str, Gate]":
        """Return the gates by the names of their trained weights."""
        from segpp.export.models.segformer.gates import dynamic_gates

        return dynamic_gates(cast("SegFormer", model))

    def macs(
        self,
        architecture: Architecture,
        size: Size,
        reduction: Sequence[ReductionSite],
        channels: Sequence[ChannelSite] = (),
    ) -> Macs:
        """Count the multiply-accumulates for one image."""
        return macs_of(architecture, size, reduction, channels)

    def head_values(self, architecture: Architecture, size: Size, tokens: int | None) -> int:
        """Return how many numbers the stages have side by side."""
        channels = architecture.decoder * len(architecture.dims)
        return channels * (stage_grids(size)[0].tokens if tokens is None else tokens)

    def tolerance(self, architecture: Architecture, size: Size) -> float:
        """Return how far two FP32 computations may differ, relative to the largest logit."""
        return relative_tolerance(architecture, key_tokens(size))

    def rewrites(self) -> "Mapping[str, Rewrite]":
        """Return the exact rewrites by name."""
        from segpp.export.models.segformer.rewrites import REWRITES

        return REWRITES


FAMILY: ModelFamily = SegFormerFamily()
