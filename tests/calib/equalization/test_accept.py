"""Changes are kept where a block's output comes closer, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from segpp.calib.equalization import accept
from segpp.calib.equalization.accept import block_runs, equalize, is_closer
from segpp.calib.equalization.bias_correction import bias_shifts, corrected
from segpp.calib.graph.segments import segments_of
from segpp.calib.graph.sites import Site, renewed, sites_of
from segpp.calib.observers import OBSERVERS
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.runs import batch_of, logits_of
from segpp.calib.pipeline import observed
from segpp.calib.plan import Plan
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.ranges.file import Ranges
from segpp.calib.writers import WRITERS
from segpp.calib.writers.base import Writer
from segpp.manifest import Manifest, read_manifest

# Sums of float32 in another order: 2^-24 each, over the few thousand terms of a chain of products.
ROUNDING = 2.0**-24 * 4096
# Less than is asked for, which of few small pictures not every file has a block for.
SOME_GAIN = 0.02

CASES = [("none", "onnxruntime"), ("hq", "tensorrt")]


@dataclass(frozen=True)
class Case:
    """A network, and what it takes to quantize it."""

    model: onnx.ModelProto
    manifest: Manifest
    sites: tuple[Site, ...]
    ranges: Ranges
    pictures: tuple[Picture, ...]
    writer: Writer

    def plan(self, sites: tuple[Site, ...], ranges: Ranges) -> Plan:
        chosen = {name: OBSERVERS["max"](one) for name, one in ranges.tensors.items()}
        return Plan(sites, chosen)

    def equalized(self) -> tuple[onnx.ModelProto, Ranges, tuple[str, ...]]:
        return equalize(
            self.model,
            self.manifest,
            self.sites,
            self.plan,
            self.writer,
            ranges=self.ranges,
            pictures=self.pictures,
        )

    def errors(self, model: onnx.ModelProto, plan: Plan, writer: Writer) -> dict[str, float]:
        """Return how far each block of a network is from the float one in INT8."""
        found = {}
        segments = {one.block: one.model for one in segments_of(model, plan.sites)}
        for run in block_runs(self.model, self.manifest, self.sites, self.pictures):
            sites = tuple(site for site in plan.sites if site.block == run.block)
            written = writer.write(segments[run.block], Plan(sites, plan.ranges))
            found[run.block] = run.error(written)
        return found


@pytest.fixture(params=CASES, ids="-".join)
def case(
    request: pytest.FixtureRequest,
    tiny_file: Callable[..., Path],
    make_pictures: Callable[..., tuple[Picture, ...]],
) -> Case:
    preset, target = request.param
    path, pictures, writer = tiny_file("conv-bn", 3, "--preset", preset), make_pictures(4), target
    model, manifest = onnx.load(path), read_manifest(path)
    sites, kept = sites_of(model), WRITERS[writer].floats
    ranges = collect_ranges(model, manifest, observed(sites), pictures)
    taken = tuple(site for site in sites[1:] if site.kind not in kept)
    return Case(model, manifest, taken, ranges, pictures, WRITERS[writer])


def test_blocks_alone_give_what_they_give_in_the_network(case: Case) -> None:
    ends = [segment.output for segment in segments_of(case.model, case.sites)]
    seeing = onnx.ModelProto()
    seeing.CopyFrom(case.model)
    del seeing.graph.output[:]
    batches = [batch_of([picture], case.manifest.input) for picture in case.pictures]
    runs = list(block_runs(case.model, case.manifest, case.sites, case.pictures))

    for end, run in zip(ends, runs, strict=True):
        del seeing.graph.output[:]
        seeing.graph.output.add().name = end
        for expected, found in zip(logits_of(seeing, batches), run.outputs, strict=True):
            difference = np.abs(np.asarray(found[end], np.float64) - expected).max()
            assert difference <= ROUNDING * np.abs(expected).max()
    assert [run.block for run in runs] == list(
        dict.fromkeys(site.block for site in case.sites if " block " in site.block)
    )


def test_every_block_comes_closer_or_stays_as_it_was(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "LEAST_GAIN", SOME_GAIN)
    model, ranges, blocks = case.equalized()

    before = case.errors(case.model, case.plan(case.sites, case.ranges), case.writer)
    sites = renewed(case.sites, model)
    after = case.errors(model, case.plan(sites, ranges), case.writer)

    assert blocks
    for block, error in before.items():
        # What gains less than pictures differ is not kept: the block is as it was, to the bit.
        kept = after[block] < (1 - SOME_GAIN) * error if block in blocks else after[block] == error
        assert kept, block


def test_what_could_be_noise_is_no_gain() -> None:
    assert is_closer(0.94, 1.0)
    assert not is_closer(0.97, 1.0)
    assert not is_closer(0.0, 0.0)


def test_the_network_computes_what_it_did(case: Case) -> None:
    model, _, _ = case.equalized()
    batches = [batch_of([picture], case.manifest.input) for picture in case.pictures]

    for before, after in zip(
        logits_of(case.model, batches), logits_of(model, batches), strict=True
    ):
        assert np.array_equal(after, before)


def test_ranges_are_those_of_the_network_that_is_returned(case: Case) -> None:
    model, ranges, _ = case.equalized()

    again = collect_ranges(model, case.manifest, observed(sites_of(model)), case.pictures)

    for name, expected in again.tensors.items():
        assert np.array_equal(ranges.tensors[name].low, expected.low)
        assert np.array_equal(ranges.tensors[name].high, expected.high)
        assert np.array_equal(ranges.tensors[name].mean, expected.mean)
        assert ranges.tensors[name].histogram.total == expected.histogram.total


def test_the_same_pictures_give_the_same_network(case: Case) -> None:
    first, second = case.equalized(), case.equalized()

    assert first[0].SerializeToString() == second[0].SerializeToString()
    assert first[2] == second[2]


def test_biases_are_corrected_where_that_brings_a_block_closer(case: Case) -> None:
    plan = case.plan(case.sites, case.ranges)

    shifts = bias_shifts(case.model, case.manifest, plan, case.writer, case.pictures)

    # It was decided on the later half of the pictures.
    held = Case(**{**vars(case), "pictures": case.pictures[2:]})
    before = held.errors(case.model, plan, case.writer)
    after = held.errors(case.model, plan, corrected(case.writer, shifts))
    blocks = {site.block for site in case.sites if site.node in shifts}
    assert blocks
    for block, error in before.items():
        kept = after[block] < (1 - SOME_GAIN) * error if block in blocks else after[block] == error
        assert kept, block


def test_biases_of_what_stays_float_stay_as_they_are(case: Case) -> None:
    plan = case.plan(case.sites, case.ranges)
    shifts = bias_shifts(case.model, case.manifest, plan, case.writer, case.pictures)
    node = next(iter(shifts))
    without = case.plan(tuple(s for s in case.sites if s.node != node), case.ranges)
    others = {name: shift for name, shift in shifts.items() if name != node}

    written = corrected(case.writer, shifts).write(case.model, without)

    expected = corrected(case.writer, others).write(case.model, without)
    assert written.SerializeToString() == expected.SerializeToString()


def test_one_picture_is_too_few_to_correct_biases_on(case: Case) -> None:
    plan = case.plan(case.sites, case.ranges)

    assert bias_shifts(case.model, case.manifest, plan, case.writer, case.pictures[:1]) == {}
