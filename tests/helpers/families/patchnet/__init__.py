"""A second family of networks, as small as one can be: what adding a folder takes.

Patches of 8x8 pixels, one block of attention, a linear head on its tokens.
"""
# ruff: noqa: ARG002 - what the protocol asks for

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.errors import InputError
from segpp.export.models.base import Checkpoint, ModelFamily
from segpp.export.models.macs import HeadMacs, Macs, StageMacs, site_match_macs
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, build_config
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import Channels, Place
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
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

PATCH = 8
Q, KV = Site(1, "q"), Site(1, "kv")


def merging(ratio: float) -> ReductionConfig:
    return {Q: BipartiteSoftMatching(ratio), KV: BipartiteSoftMatching(ratio)}


class PatchNetFamily:
    """See ``ModelFamily`` for what each member means."""

    name = "patchnet"
    title = "PatchNet"
    model_types: tuple[str, ...] = ()
    default_size = Size(64, 96)
    sites: tuple[Site, ...] = (Q, KV)
    places: tuple[Place, ...] = ()
    presets: Mapping[str, ReductionConfig] = {"none": {}, "half": merging(0.5)}
    preset_variants: Mapping[str, Mapping[str, ReductionConfig]] = {}

    def formats(self) -> tuple[str, ...]:
        return ("patchnet",)

    def detect(self, names: Collection[str]) -> int:
        return sum(name.startswith("patchnet/") for name in names)

    def is_network(self, names: Collection[str]) -> bool:
        return "patchnet/embed.conv.weight" in names and "patchnet/head.weight" in names

    def load(
        self,
        weights: "WeightsFile",
        state_dict: "StateDict",
        path: Path,
        choices: "ReadChoices",
    ) -> Checkpoint:
        from segpp.export.models.patchnet.network import load  # noqa: PLC0415 - imports torch

        return load(weights, state_dict)

    def check_size(self, size: Size) -> None:
        if size.height % PATCH or size.width % PATCH:
            raise InputError(f"the size {size} is not a multiple of {PATCH}")

    def check_heads(self, heads: tuple[int, ...]) -> None:
        if heads != (1,):
            raise InputError(f"{len(heads)} heads for one block of one")

    def grids(
        self,
        size: Size,
        reductions: ReductionConfig | None = None,
        architecture: Architecture | None = None,
    ) -> Mapping[Site, Grid]:
        return dict.fromkeys(self.sites, Grid(size.height // PATCH, size.width // PATCH))

    def reduction_config(
        self, choice: ReductionChoice, architecture: Architecture | None = None
    ) -> ReductionConfig:
        return build_config(choice, sites=self.sites, presets=self.presets, from_ratio=merging)

    def channels(self, architecture: Architecture) -> Mapping[Place, Channels]:
        return {}

    def apply_gates(
        self,
        model: "Network",
        gates: ChannelGates,
        images: "Sequence[Draw]",
        *,
        dense: bool = False,
    ) -> "Mapping[Place, Mapping[str, Tensor]]":
        return {}

    def dynamic_gates(self, model: "Network") -> "Mapping[str, Gate]":
        return {}

    def macs(
        self,
        architecture: Architecture,
        size: Size,
        reduction: Sequence[ReductionSite],
        channels: Sequence[ChannelSite] = (),
    ) -> Macs:
        [dim] = architecture.dims
        tokens = self.grids(size)[Q].tokens
        left = {(site.stage, site.side): site.tokens_out for site in reduction}
        queries, keys = left.get(Q, tokens), left.get(KV, tokens)
        stage = StageMacs(
            patch_embedding=tokens * dim * architecture.channels * PATCH**2,
            projections=2 * (queries + keys) * dim**2,
            products=2 * queries * keys * dim,
            reduction=0,
            ffn=0,
            matching=sum(site_match_macs(site, dim) for site in reduction),
            merging=sum(site.tokens_in * dim for site in reduction),
        )
        return Macs((stage,), HeadMacs(0, 0, tokens * dim * architecture.classes))

    def head_values(self, architecture: Architecture, size: Size, tokens: int | None) -> int:
        return architecture.classes * self.grids(size)[Q].tokens

    def tolerance(self, architecture: Architecture, size: Size) -> float:
        return 1e-5

    def rewrites(self) -> "Mapping[str, Rewrite]":
        return {}


FAMILY: ModelFamily = PatchNetFamily()
