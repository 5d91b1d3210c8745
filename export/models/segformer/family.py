"""SegFormer as the export sees it; what needs torch is imported where it is used.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203); merge sites and presets of Kienzle et al.,
SegFormer++, 2024 (arXiv:2405.14467).
"""
# ruff: noqa: PLC0415 - a board reads sizes and costs without torch

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.export.models.base import Checkpoint, ModelFamily
from segpp.export.models.macs import Macs
from segpp.export.models.segformer.architecture import check_heads
from segpp.export.models.segformer.input_size import DEFAULT_SIZE, check_size
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.models.segformer.sites import SITES, site_grids
from segpp.export.models.segformer.tolerance import key_tokens, relative_tolerance
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture, ReductionSite
from segpp.ops.grid import Grid, Size

if TYPE_CHECKING:
    from segpp.export.checkpoints.choices import ReadChoices
    from segpp.export.checkpoints.state_dict import StateDict
    from segpp.export.checkpoints.weights import WeightsFile
    from segpp.export.models.rewriting import Rewrite

__all__ = ["FAMILY", "SegFormerFamily"]


class SegFormerFamily:
    """The family; see ``ModelFamily`` for what each member means."""

    name = "segformer"
    title = "SegFormer"
    model_types: tuple[str, ...] = ("segformer",)
    default_size = DEFAULT_SIZE
    sites: tuple[Site, ...] = SITES
    presets: Mapping[str, ReductionConfig] = PRESETS

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

    def grids(self, size: Size, reductions: ReductionConfig | None = None) -> Mapping[Site, Grid]:
        """Return the tokens that arrive at each site.

        Raises:
            ReductionError: A smaller grid would leave no keys and values.
        """
        return site_grids(size, reductions)

    def reduction_config(self, choice: ReductionChoice) -> ReductionConfig:
        """Return the reduction at each site.

        Raises:
            ReductionError: A name is unknown, or a number is out of range.
        """
        return reduction_config(preset=choice.preset, ratio=choice.ratio, reduce=choice.reduce)

    def macs(
        self, architecture: Architecture, size: Size, reduction: Sequence[ReductionSite]
    ) -> Macs:
        """Count the multiply-accumulates for one image."""
        return macs_of(architecture, size, reduction)

    def tolerance(self, architecture: Architecture, size: Size) -> float:
        """Return how far two FP32 computations may differ, relative to the largest logit."""
        return relative_tolerance(architecture, key_tokens(size))

    def rewrites(self) -> "Mapping[str, Rewrite]":
        """Return the exact rewrites by name."""
        from segpp.export.models.segformer.rewrites import REWRITES

        return REWRITES


FAMILY: ModelFamily = SegFormerFamily()
