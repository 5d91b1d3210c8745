"""Which rounded weights are kept: those that bring their block's output in INT8 closer.

Blocks are done from front to back, each on what the float network gives it, until the time is up;
what belongs to no block, the head, stays rounded to the nearest.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx
from onnx import numpy_helper

from segpp.calib.equalization.accept import BlockRun, block_runs
from segpp.calib.graph.edit import with_outputs
from segpp.calib.graph.segments import segments_of
from segpp.calib.graph.sites import Site
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.runs import open_model
from segpp.calib.plan import Plan
from segpp.calib.writers.base import Writer, back_of
from segpp.calib.writers.rounding.base import Codes, Doubles, Rounding
from segpp.calib.writers.rounding.moments import Moments, codes_as_weight, product_of, rows_of
from segpp.manifest import Manifest

__all__ = ["Rounded", "round_weights"]

# A third of them decides, the others show what products are multiplied by.
_PICTURES = 24
_HELD_BACK = 3


@dataclass(frozen=True)
class Rounded:
    """What came of it.

    Attributes:
        plan: With the integers that were kept.
        done: Blocks that there was time for.
        blocks: That there are.
    """

    plan: Plan
    done: int
    blocks: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the time did not suffice for."""
        if self.done == self.blocks:
            return ()
        left = self.blocks - self.done
        many = f"weights of the last {left} of {self.blocks} blocks"
        return (f"{many} stay rounded to the nearest: `rounding_time` was over",)


def round_weights(
    model: onnx.ModelProto,
    manifest: Manifest,
    plan: Plan,
    writer: Writer,
    rounding: Rounding,
    *,
    pictures: Sequence[Picture],
    seconds: float,
    threads: int | None = None,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> Rounded:
    """Return a plan whose weights are rounded so that blocks come closer.

    Args:
        model: The float network.
        manifest: Of it.
        plan: What is to be INT8.
        writer: Of the dialect.
        rounding: How to round.
        pictures: Of the calibration; the first few are run again. With one alone nothing could be
            held back, and all weights stay rounded to the nearest.
        seconds: No block is begun later.
        threads: CPU threads.
        after_each: Told how many blocks are done and how many there are.
    """
    used, start = pictures[:_PICTURES], time.monotonic()
    blocks = len(segments_of(model, plan.sites))
    if not rounding.is_fitted or not used[1:]:
        return Rounded(plan, blocks, blocks)
    codes: dict[str, Codes] = {}
    done = 0
    if seconds > 0:
        after_each(0, blocks)
        for run in block_runs(model, manifest, plan.sites, used, threads):
            codes.update(_Block(run, _within(plan, run), writer, rounding, threads).codes())
            done += 1
            after_each(done, blocks)
            if time.monotonic() - start >= seconds:
                break
    return Rounded(replace(plan, codes=codes), done, blocks)


def _within(plan: Plan, run: BlockRun) -> Plan:
    """Return the plan of the products between the end of the block before and of this one."""
    names = {node.name for node in run.segment.model.graph.node}
    return replace(plan, sites=tuple(site for site in plan.sites if site.node in names))


@dataclass(frozen=True)
class _Block:
    """One block whose weights are rounded."""

    run: BlockRun
    plan: Plan
    writer: Writer
    rounding: Rounding
    threads: int | None

    def codes(self) -> dict[str, Codes]:
        """Return the integers of the products for which they bring the block closer."""
        kept: dict[str, Codes] = {}
        held = len(self.run.inputs) // _HELD_BACK or 1
        tried = self._tried(self.run.part(slice(-held)))
        deciding = self.run.part(slice(-held, None))
        least = self._error(deciding, kept)
        for node, codes in tried.items():
            error = self._error(deciding, {**kept, node: codes})
            if error < least:
                kept, least = {**kept, node: codes}, error
        return kept

    def _error(self, run: BlockRun, codes: Mapping[str, Codes]) -> float:
        plan = replace(self.plan, codes=codes)
        return run.error(self.writer.write(self.run.segment.model, plan), self.threads)

    def _tried(self, seen: BlockRun) -> dict[str, Codes]:
        weights = {one.name: one for one in self.run.segment.model.graph.initializer}
        moments, limit, found = self._moments(seen), self.writer.weight_limit(), {}
        for site in self.plan.sites:
            weight = numpy_helper.to_array(weights[site.weight])
            product = product_of(weight, site, moments.pop(site.node), limit)
            found[site.node] = codes_as_weight(self.rounding.codes(product), weight, site)
        return found

    def _moments(self, seen: BlockRun) -> dict[str, Moments]:
        """Return the moments of each product's inputs, by the name of its node."""
        model, sites = self.run.segment.model, self.plan.sites
        names = list(dict.fromkeys(site.input for site in sites))
        backs = [back_of(name) for name in names]
        before = open_model(with_outputs(model, names), self.threads)
        written = self.writer.write(model, self.plan)
        after = open_model(with_outputs(written, backs), self.threads)
        nodes = {node.name: node for node in model.graph.node}
        found: dict[str, Moments] = {}
        for given in seen.inputs:
            floats = dict(zip(names, before.run(names, given), strict=True))
            bytes_ = dict(zip(names, after.run(backs, given), strict=True))
            for site in sites:
                pair = (floats[site.input], bytes_[site.input])
                _add(found, site, *(rows_of(one, site, nodes[site.node]) for one in pair))
        return found


def _add(found: dict[str, Moments], site: Site, x: Doubles, y: Doubles) -> None:
    known = found.setdefault(site.node, Moments.empty(site.groups, x.shape[-1]))
    known.add(x, y)
