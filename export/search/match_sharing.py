"""In how many blocks one match can serve: measured against no merging, stage by stage.

The share of pixels that are labelled as without merging is taken for a fresh match in every block,
and for every number of blocks that one match could serve. The stage whose matches cost most comes
first; what was chosen for it holds while the next one is measured, so that the last figure is that
of the whole choice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from segpp.export.models.base import Checkpoint, family_of, grids_of
from segpp.export.models.network import Network
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.grid_reduction import runs_of
from segpp.export.reduction.match_sharing import MatchInterval
from segpp.export.reduction.sites import Site
from segpp.images.postprocess import resize_argmax
from segpp.manifest import InputSpec, MatchSearch, MatchTrial
from segpp.ops.grid import Size

__all__ = ["TOLERANCE", "MatchSharing", "candidates", "search", "search_match_sharing"]

# Two files that pass the parity check with the same settings may each differ from PyTorch on so
# many pixels, and then their agreement with anything else may: a smaller loss is no loss that an
# export could be held to.
TOLERANCE = round(1 - MIN_AGREEMENT["fp32"], 9)

# Gives one image (1, C, H, W), normalised.
Draw = Callable[[], NDArray[np.float32]]

# From blocks per match, by stage, to the share of pixels that are labelled as without merging; a
# stage that is not named matches in every block.
Agreement = Callable[[Mapping[int, int]], float]


@dataclass(frozen=True)
class MatchSharing:
    """In how many blocks one match serves, and how that was measured, if it was."""

    interval: MatchInterval
    search: MatchSearch | None = None


def search_match_sharing(
    checkpoint: Checkpoint, reduction: ReductionConfig, spec: InputSpec, images: Sequence[Draw]
) -> MatchSharing:
    """Return the blocks per match that the images allow, and what they showed.

    Args:
        checkpoint: The network to measure, in PyTorch and FP32.
        reduction: The reduction at each site.
        spec: What the network takes.
        images: Each weighs the same.

    Raises:
        ImageError: An image cannot be read.
    """
    runs = _runs_to_search(checkpoint, reduction, Size(spec.height, spec.width))
    agreement = _agreement(checkpoint, reduction, spec, images)
    return MatchSharing(*search(agreement, runs, images=len(images)))


def search(
    agreement: Agreement, runs: Mapping[int, Sequence[int]], *, images: int
) -> tuple[dict[int, int], MatchSearch]:
    """Return the most blocks per match, by stage, that lose at most ``TOLERANCE``, and the figures.

    Args:
        agreement: Measures one choice of blocks per match.
        runs: How many blocks of each stage follow each other on one grid, and so could share a
            match; stages in the order in which to choose.
        images: On how many images ``agreement`` is measured.
    """
    fresh = kept = agreement({})
    chosen: dict[int, int] = {}
    trials: list[MatchTrial] = []
    for stage, blocks in runs.items():
        measured = {n: agreement({**chosen, stage: n}) for n in candidates(*blocks)}
        trials += [MatchTrial(stage, n, value) for n, value in measured.items()]
        allowed = [n for n, value in measured.items() if value >= fresh - TOLERANCE]
        if allowed:
            chosen[stage] = max(allowed)
            kept = measured[chosen[stage]]
    return chosen, MatchSearch(images, TOLERANCE, fresh, kept, tuple(trials))


def candidates(*runs: int) -> list[int]:
    """Return the numbers of blocks above 1 that a match could serve.

    Of those that leave the same number of matches only the smallest counts: it saves as much, and
    no match has to last for longer.

    Args:
        runs: How many blocks follow each other, for each time that some share matches.
    """
    smallest: dict[int, int] = {}
    for every in range(1, max(runs) + 1):
        smallest.setdefault(sum(ceil(run / every) for run in runs), every)
    return sorted(set(smallest.values()) - {1})


def _runs_to_search(
    checkpoint: Checkpoint, reduction: ReductionConfig, size: Size
) -> dict[int, tuple[int, ...]]:
    """Return the blocks of the stages that match, those first whose matches cost most."""
    architecture = checkpoint.architecture
    family = family_of(architecture)
    sites = count_tokens(reduction, grids_of(architecture)(size, reduction))
    stages = family.macs(architecture, size, sites).stages
    costs = {stage: macs.matching for stage, macs in enumerate(stages, start=1)}
    matching = {site.stage for site, method in reduction.items() if method.serves_blocks}
    order = sorted(matching, key=lambda stage: (-costs[stage], stage))
    return {
        stage: tuple(
            blocks
            for _, blocks in runs_of(
                reduction.get(Site(stage, "grid")), architecture.depths[stage - 1]
            )
        )
        for stage in order
    }


def _agreement(
    checkpoint: Checkpoint, reduction: ReductionConfig, spec: InputSpec, images: Sequence[Draw]
) -> Agreement:
    plain, model = checkpoint.build(), checkpoint.build()
    corners = checkpoint.align_corners
    unmerged = [_labels(plain, draw, spec, align_corners=corners) for draw in images]

    def agreement(interval: Mapping[int, int]) -> float:
        model.apply_reductions(reduction, match_interval=interval)
        # Read again each time: hundreds of normalised images would fill the memory.
        shares = (
            np.mean(_labels(model, draw, spec, align_corners=corners) == labels)
            for draw, labels in zip(images, unmerged, strict=True)
        )
        return float(np.mean(list(shares)))

    return agreement


def _labels(model: Network, draw: Draw, spec: InputSpec, *, align_corners: bool) -> NDArray[Any]:
    """Return the labels (1, H, W) that PyTorch gives one image."""
    with torch.inference_mode():
        logits = model(torch.from_numpy(draw())).numpy()
    return resize_argmax(logits, (spec.height, spec.width), align_corners=align_corners)
