"""In how many blocks one match can serve: measured against no merging, stage by stage.

The share of pixels that are labelled as without merging is taken for a fresh match in every block,
and for every number of blocks that one match could serve. The stage whose matches cost most comes
first; what was chosen for it holds while the next one is measured, so that the last figure is that
of the whole choice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from segpp.export.config import Settled
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.model import SegFormer
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.parity.images import images_in, normalised
from segpp.images import sample_image
from segpp.images.postprocess import resize_argmax
from segpp.manifest import InputSpec, MatchSearch, MatchTrial
from segpp.utils.progress import step

__all__ = ["TOLERANCE", "candidates", "search", "with_measured_matches"]

# Two files that pass the gate with the same settings may each differ from PyTorch on so many
# pixels, and then their agreement with anything else may: a smaller loss is no loss that an export
# could be held to.
TOLERANCE = round(1 - MIN_AGREEMENT["fp32"], 9)

# From blocks per match, by stage, to the share of pixels that are labelled as without merging; a
# stage that is not named matches in every block.
Agreement = Callable[[Mapping[int, int]], float]


def with_measured_matches(settled: Settled) -> Settled:
    """Return ``settled`` with the blocks per match that its images allow, and what they showed.

    Raises:
        ImageError: An image cannot be read.
    """
    request = settled.request
    paths = images_in(request.images or (request.image or sample_image(),))
    with step(f"measuring which matches can be used again, on {len(paths)} image(s)"):
        every, found = search(_agreement(settled, paths), _stages(settled), images=len(paths))
    sites = tuple(replace(site, match_every=every.get(site.stage, 1)) for site in settled.sites)
    return replace(settled, match_every=every, sites=sites, match_search=found)


def search(
    agreement: Agreement, blocks: Mapping[int, int], *, images: int
) -> tuple[dict[int, int], MatchSearch]:
    """Return the most blocks per match, by stage, that lose at most ``TOLERANCE``, and the figures.

    Args:
        blocks: How many blocks each stage has, in the order in which to choose.
        images: On how many images ``agreement`` is measured.
    """
    fresh = kept = agreement({})
    chosen: dict[int, int] = {}
    trials: list[MatchTrial] = []
    for stage, count in blocks.items():
        found = {every: agreement({**chosen, stage: every}) for every in candidates(count)}
        trials += [MatchTrial(stage, every, value) for every, value in found.items()]
        allowed = [every for every, value in found.items() if value >= fresh - TOLERANCE]
        if allowed:
            chosen[stage] = max(allowed)
            kept = found[chosen[stage]]
    return chosen, MatchSearch(images, TOLERANCE, fresh, kept, tuple(trials))


def candidates(blocks: int) -> list[int]:
    """Return the numbers of blocks above 1 that a match could serve.

    Of those that leave the same number of matches only the smallest counts: it saves as much, and
    no match has to last for longer.
    """
    return sorted({ceil(blocks / matches) for matches in range(1, blocks)} - {1})


def _stages(settled: Settled) -> dict[int, int]:
    """Return the blocks of the stages that match, those first whose matches cost most."""
    architecture = settled.checkpoint.architecture
    costs = {
        stage: counts.matching
        for stage, counts in enumerate(
            macs_of(architecture, settled.size, settled.sites).stages, start=1
        )
    }
    matching = {
        site.stage for site, reduction in settled.plan.items() if reduction.is_content_based
    }
    order = sorted(matching, key=lambda stage: (-costs[stage], stage))
    return {stage: architecture.depths[stage - 1] for stage in order}


def _agreement(settled: Settled, paths: Sequence[Path]) -> Agreement:
    plain, model = settled.checkpoint.model(), settled.checkpoint.model()
    unmerged = [_labels(plain, path, settled.input) for path in paths]

    def agreement(every: Mapping[int, int]) -> float:
        model.reduce(settled.plan.items(), match_every=every)
        # Read again each time: hundreds of normalised images would fill the memory.
        shares = (
            np.mean(_labels(model, path, settled.input) == labels)
            for path, labels in zip(paths, unmerged, strict=True)
        )
        return float(np.mean(list(shares)))

    return agreement


def _labels(model: SegFormer, path: Path, spec: InputSpec) -> NDArray[Any]:
    image = normalised(path, spec)
    with torch.inference_mode():
        logits = model(torch.from_numpy(image)).numpy()
    return resize_argmax(logits, (spec.height, spec.width))
