"""From a config and a checkpoint to decided sizes, classes, input, token counts and rewrites."""

from dataclasses import dataclass, replace

from segpp.export.config import ExportConfig
from segpp.export.config.feeding import resolve_input
from segpp.export.config.merging import resolve_reduction
from segpp.export.config.origins import resolve_origins
from segpp.export.models.base import Checkpoint, classes_of, family_of, grids_of
from segpp.export.models.rewriting import RewriteSelection, select_rewrites
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.search.match_sharing import MatchSharing
from segpp.manifest import Classes, InputSpec, Origin, ReductionSite
from segpp.ops.grid import Size

__all__ = [
    "ResolvedExport",
    "resolve",
    "resolve_input",
    "resolve_reduction",
]


@dataclass(frozen=True)
class ResolvedExport:
    """A config and a checkpoint brought together: nothing is left to decide.

    Attributes:
        config: What the caller chose.
        checkpoint: What it was chosen for.
        reduction: The reduction at each site.
        sharing: In how many blocks one match serves.
        rewrites: Which rewrites apply.
        input: What the file takes.
        classes: Names and colours, made up where the checkpoint has none.
        sites: The tokens at each site.
        min_agreement: Share of pixels that must agree with PyTorch.
        origins: Where what a mask depends on comes from.
    """

    config: ExportConfig
    checkpoint: Checkpoint
    reduction: ReductionConfig
    sharing: MatchSharing
    rewrites: RewriteSelection
    input: InputSpec
    classes: Classes
    sites: tuple[ReductionSite, ...]
    min_agreement: float
    origins: dict[str, Origin]

    @property
    def size(self) -> Size:
        """The input in pixels."""
        return Size(self.input.height, self.input.width)


def resolve(
    config: ExportConfig,
    checkpoint: Checkpoint,
    spec: InputSpec,
    reduction: ReductionConfig,
    sharing: MatchSharing,
) -> ResolvedExport:
    """Bring everything together.

    Raises:
        InputError: There is no such rewrite.
    """
    family = family_of(checkpoint.architecture)
    grids = grids_of(checkpoint.architecture)(Size(spec.height, spec.width), reduction)
    agreement = config.min_agreement
    return ResolvedExport(
        config=config,
        checkpoint=checkpoint,
        reduction=reduction,
        sharing=sharing,
        rewrites=select_rewrites(family.rewrites(), config.target, off=config.rewrites_off),
        input=spec,
        classes=replace(
            classes_of(checkpoint),
            reduce_labels=checkpoint.reduce_labels,
        ),
        sites=count_tokens(reduction, grids, match_interval=sharing.interval),
        min_agreement=MIN_AGREEMENT[config.precision] if agreement is None else agreement,
        origins=resolve_origins(config, checkpoint),
    )
