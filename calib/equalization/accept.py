"""Which changes are kept: those that bring the block's output in INT8 closer to the float one.

Scales come from the ranges of all calibration pictures, and so do the ranges of either form, so
that no form knows the pictures that it is judged on better than another; what is held back for the
report stays held back. What remains is noise of few pictures: a change has to gain more than that.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from segpp.calib.equalization import EQUALIZATIONS
from segpp.calib.equalization.base import Change, Network, network_of
from segpp.calib.graph.edit import Edit, edited, keeps_digits
from segpp.calib.graph.segments import Segment, segments_of
from segpp.calib.graph.sites import Site, renewed
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.runs import batch_of, open_model
from segpp.calib.pictures.sets import spread
from segpp.calib.plan import Plan
from segpp.calib.ranges.file import Ranges
from segpp.calib.ranges.recollect import recollect
from segpp.calib.writers.base import Writer
from segpp.manifest import Manifest

__all__ = ["LEAST_GAIN", "BlockRun", "PlanOf", "block_runs", "equalize", "is_closer"]

Values = dict[str, NDArray[np.generic]]
PlanOf = Callable[[tuple[Site, ...], Ranges], Plan]

# Pictures that blocks are compared on.
_COMPARED = 6
# Of the error. Where two sets of six pictures of CamVid disagreed on whether one of 64 changes of a
# B0 helps (128x256, the dialects of OpenVINO and ONNX Runtime), neither saw more than 1.6 %. Gains
# up to three times that show in no mIoU: a tenth of a point in either direction (352x480, `hq`).
LEAST_GAIN = 0.05
# Of float16, and half of it left for pictures that are not here.
_MOST_HALF = float(np.finfo(np.float16).max) / 2


@dataclass(frozen=True)
class BlockRun:
    """One block, and what it takes and gives in the float network, picture by picture."""

    segment: Segment
    inputs: tuple[Values, ...]
    outputs: tuple[Values, ...]

    @property
    def block(self) -> str:
        """Its name."""
        return self.segment.block

    def part(self, which: slice) -> "BlockRun":
        """Return the same block on some of the pictures."""
        return replace(self, inputs=self.inputs[which], outputs=self.outputs[which])

    def error(self, model: onnx.ModelProto, threads: int | None = None) -> float:
        """Return the mean squared difference of a network in the block's place."""
        return self.error_in(open_model(model, threads))

    def error_in(self, session: onnxruntime.InferenceSession) -> float:
        """Return the same of a network that is open already."""
        end = self.segment.output
        errors = []
        for given, expected in zip(self.inputs, self.outputs, strict=True):
            [found] = session.run([end], given)
            difference = np.asarray(found, np.float64) - np.asarray(expected[end], np.float64)
            errors.append(float(np.mean(difference**2)))
        return float(np.mean(errors))


def block_runs(
    model: onnx.ModelProto,
    manifest: Manifest,
    sites: Sequence[Site],
    pictures: Sequence[Picture],
    threads: int | None = None,
) -> Iterator[BlockRun]:
    """Yield every block as the float network runs it; what no later block needs is let go."""
    known = [{manifest.input.name: batch_of([one], manifest.input)} for one in pictures]
    segments = segments_of(model, sites)
    for number, segment in enumerate(segments):
        session = open_model(segment.model, threads)
        names = [segment.output, *segment.handed_on]
        inputs = tuple({name: values[name] for name in segment.inputs} for values in known)
        outputs = tuple(
            dict(zip(names, session.run(names, given), strict=True)) for given in inputs
        )
        yield BlockRun(segment, inputs, outputs)
        needed = {name for later in segments[number + 1 :] for name in later.inputs}
        known = [
            {name: value for name, value in {**old, **new}.items() if name in needed}
            for old, new in zip(known, outputs, strict=True)
        ]


def equalize(
    model: onnx.ModelProto,
    manifest: Manifest,
    sites: tuple[Site, ...],
    plan_of: PlanOf,
    writer: Writer,
    *,
    ranges: Ranges,
    pictures: Sequence[Picture],
    threads: int | None = None,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> tuple[onnx.ModelProto, Ranges, tuple[str, ...]]:
    """Return the network with the changes that help, its ranges, and the blocks that have some.

    Every change is tried alone in its block, after those that were kept there already.

    Args:
        model: The float network.
        manifest: Of it.
        sites: The products that may become INT8.
        plan_of: Returns a plan for sites, by ranges.
        writer: Of the dialect.
        ranges: Of the network.
        pictures: That these are of; a few of them are run again.
        threads: CPU threads.
        after_each: Told how many blocks are done and how many there are.
    """
    network = network_of(model, sites)
    changes: dict[str, list[Change]] = defaultdict(list)
    blocks = {segment.block for segment in segments_of(model, sites)}
    every: list[Change] = []
    for change in _found(network, ranges):
        # What lies outside of blocks, in the head, has no end to compare.
        if change.block in blocks and _is_exact(change, model, ranges, every):
            changes[change.block].append(change)
            every.append(change)
    if not every:
        return model, ranges, ()
    after = _ranges_after(
        every, model, manifest, sites, ranges=ranges, pictures=pictures, threads=threads
    )
    trial = _Trial(sites, plan_of, writer, ranges, after)
    kept: dict[str, list[Change]] = {}
    runs = block_runs(model, manifest, sites, spread(pictures, _COMPARED), threads)
    for number, run in enumerate(runs, start=1):
        if some := trial.best(run, changes[run.block], threads):
            kept[run.block] = some
        after_each(number, len(blocks))
    chosen = [change for some in kept.values() for change in some]
    return edited(model, _edits(chosen)), trial.ranges_of(chosen), tuple(kept)


def _found(network: Network, ranges: Ranges) -> Iterator[Change]:
    for find in EQUALIZATIONS.values():
        yield from find(network, ranges)


def _is_exact(
    change: Change, model: onnx.ModelProto, ranges: Ranges, others: Sequence[Change]
) -> bool:
    """Whether no number of a float16 file becomes too large or too small, others changed or not."""
    if not all(keeps_digits(model, _edits([*some, change])) for some in ((), others)):
        return False
    for name, factor in change.factors.items():
        seen = ranges.tensors[name]
        magnitudes = np.maximum(np.abs(seen.low), np.abs(seen.high)).astype(np.float64)
        if (magnitudes * factor).max() > max(_MOST_HALF, magnitudes.max()):
            return False
    return True


@dataclass(frozen=True)
class _Trial:
    """What it takes to try changes in a block."""

    sites: tuple[Site, ...]
    plan_of: PlanOf
    writer: Writer
    before: Ranges
    after: Ranges

    def best(self, run: BlockRun, changes: Sequence[Change], threads: int | None) -> list[Change]:
        """Return the changes that each bring the block closer."""
        kept: list[Change] = []
        if not changes or not any(site.block == run.block for site in self.sites):
            return kept
        least = self._error(run, kept, threads)
        for change in changes:
            error = self._error(run, [*kept, change], threads)
            if is_closer(error, least):
                kept, least = [*kept, change], error
        return kept

    def ranges_of(self, changes: Sequence[Change]) -> Ranges:
        """Return the ranges of the network with some changes."""
        changed = {name: self.after.tensors[name] for change in changes for name in change.factors}
        return replace(self.before, tensors={**self.before.tensors, **changed})

    def _error(self, run: BlockRun, changes: Sequence[Change], threads: int | None) -> float:
        block = edited(run.segment.model, _edits(changes))
        sites = tuple(site for site in self.sites if site.block == run.block)
        plan = self.plan_of(renewed(sites, block), self.ranges_of(changes))
        return run.error(self.writer.write(block, plan), threads)


def is_closer(error: float, before: float) -> bool:
    """Whether an error is smaller than another by more than few pictures are unsure of."""
    return error < (1 - LEAST_GAIN) * before


def _ranges_after(
    changes: Sequence[Change],
    model: onnx.ModelProto,
    manifest: Manifest,
    sites: Sequence[Site],
    *,
    ranges: Ranges,
    pictures: Sequence[Picture],
    threads: int | None,
) -> Ranges:
    """Return the ranges with all changes at once: none changes a tensor of another."""
    factors = {name: factor for change in changes for name, factor in change.factors.items()}
    axes = {site.input: site.channel_axis for site in sites}
    scaled = edited(model, _edits(changes))
    return recollect(scaled, manifest, axes, pictures, ranges, factors=factors, threads=threads)


def _edits(changes: Sequence[Change]) -> list[Edit]:
    return [edit for change in changes for edit in change.edits]
