"""The calibration, from a float file and pictures to a checked INT8 file and its manifest.

1. Read: the file, its manifest, the pictures; three sets of these, which never mix.
2. Collect: what ranges activations have on the first set, or read them where they were kept.
3. Equalize: outliers into weights, where that is exact and brings a block closer.
4. Choose: a range for every tensor; products that the dialect takes.
5. Select: without what does not pay on this machine; weights rounded; within the budget on the
   second set.
6. Write: in the dialect, and what its engine would refuse.
7. Judge: against the float file on the third set.
8. Keep: file, manifest and certificate, all or none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp import __version__
from segpp.calib.config import CalibrationConfig, check_config
from segpp.calib.equalization.accept import equalize
from segpp.calib.equalization.bias_correction import bias_shifts, corrected
from segpp.calib.graph.sites import Site, renewed, sites_of
from segpp.calib.observers import OBSERVERS
from segpp.calib.observers.base import Observer
from segpp.calib.pictures.find import Picture, find_pictures
from segpp.calib.pictures.proof import ReferenceProof, Seen, proved, reference_proof
from segpp.calib.pictures.runs import batch_of, logits_of
from segpp.calib.pictures.sets import PictureSets, split
from segpp.calib.plan import Plan
from segpp.calib.provenance import Outcome, calibrated_manifest, manifest_beside
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.ranges.file import Ranges
from segpp.calib.ranges.statistics import TensorStatistics
from segpp.calib.report import CalibrationFailedError, CalibrationResult
from segpp.calib.selection.blocks import block_gains, block_results
from segpp.calib.selection.budget import fit_budget
from segpp.calib.selection.costs import BlockCost, PartGain
from segpp.calib.selection.drop import drop_of
from segpp.calib.selection.gates import failed_gates, no_help
from segpp.calib.selection.measure import Comparison, Measures
from segpp.calib.selection.payoff import part_gains, without_loss, without_lossy_groups
from segpp.calib.selection.sensitivity import blocks_of, sensitivities
from segpp.calib.writers import WRITERS
from segpp.calib.writers.base import Writer
from segpp.calib.writers.rounding import ROUNDINGS
from segpp.calib.writers.rounding.blocks import Rounded, round_weights
from segpp.errors import CheckError, InputError
from segpp.manifest import (
    CalibrationDrop,
    Manifest,
    read_manifest,
    reading_pictures,
    render_manifest,
)
from segpp.utils.files import atomic_write, certificate_path, manifest_path, write_whole

__all__ = ["CalibrationResult", "calibrate"]

Progress = Callable[[str, int, int], object]

# Of a file that is float throughout: it has no masks of its own to compare.
_NOT_JUDGED = CalibrationDrop("agreement", 100.0, 100.0, 0.0, 0.0, (), pictures=0)


def calibrate(
    config: CalibrationConfig,
    measures: Measures,
    *,
    progress: Progress = lambda _what, _done, _total: None,
) -> CalibrationResult:
    """Write ``config.out`` and its manifest, if its masks are what was asked for.

    Args:
        config: What to do.
        measures: How files are compared and timed.
        progress: Told what is being done, how much of it is done and how much there is.

    Raises:
        CalibrationFailedError: The file loses more than it may, or INT8 does not help; neither file
            nor manifest is written, and the error has the result.
        CheckError: The network has infinities, or the dialect would refuse the file.
        ImageError: A picture cannot be read or is of one colour.
        InputError: An argument, the file or the pictures cannot be used.
    """
    check_config(config)
    # 1. Read
    manifest = reading_pictures(read_manifest(config.model), config.white, config.bands)
    model = onnx.load(config.model)
    sites = sites_of(model)
    writer = WRITERS[config.target]
    _check_precision(manifest, writer)
    sets = split(find_pictures(config.pictures, config.image_suffix))
    # 2. Collect
    ranges = collect_ranges(
        model,
        manifest,
        observed(sites),
        sets.calibration,
        file=config.ranges_file,
        version=__version__,
        threads=config.threads,
        after_each=partial(progress, "collecting ranges"),
    )
    reference = None
    if measures.masks is not None:
        reference = reference_proof(config.model, manifest, measures.masks)
    work = _Work(config, measures, progress, manifest, model, writer, sets, reference)
    return work.finish(sites, ranges)


def observed(sites: tuple[Site, ...]) -> dict[str, int]:
    """Return the tensors whose ranges are of use, and the axis of each one's channels."""
    axes = {site.input: site.channel_axis for site in sites}
    # What a convolution gives may be quantized too, for engines that want it.
    axes.update({site.output: 1 for site in sites if site.operator == "Conv"})
    return axes


@dataclass(frozen=True)
class _Work:
    """Steps 3 to 8, and what all of them need."""

    config: CalibrationConfig
    measures: Measures
    progress: Progress
    manifest: Manifest
    model: onnx.ModelProto
    writer: Writer
    sets: PictureSets
    reference: ReferenceProof | None = None
    equalized: tuple[str, ...] = ()
    shifts: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    chosen: dict[int, tuple[TensorStatistics, tuple[float, float]]] = field(default_factory=dict)

    def finish(self, sites: tuple[Site, ...], ranges: Ranges) -> CalibrationResult:
        floats = {site.node: why for site in sites if (why := self._stays_float(site))}
        # 3. Equalize
        takes = tuple(site for site in sites if site.node not in floats)
        model, ranges, equalized = self._equalized(takes, ranges)
        work = replace(self, model=model, equalized=equalized)
        return work.choose(renewed(sites, model), ranges, floats)

    def choose(
        self, sites: tuple[Site, ...], ranges: Ranges, floats: dict[str, str]
    ) -> CalibrationResult:
        """Do steps 4 to 8; some sites stay float already."""
        # 4. Choose
        plan = self._plan(tuple(s for s in sites if s.node not in floats), ranges)
        # 5. Select
        paying, gains = self._paying(plan)
        floats.update(_difference(plan, paying, "INT8 does not make it faster here"))
        rounded = self._rounded(paying)
        paying = rounded.plan
        shifts = self._shifts(paying)
        work = replace(
            self,
            writer=corrected(self.writer, shifts),
            shifts=shifts,
            warnings=rounded.warnings,
        )
        return work.keep(sites, paying, gains, floats)

    def keep(
        self,
        sites: tuple[Site, ...],
        paying: Plan,
        gains: tuple[PartGain, ...],
        floats: dict[str, str],
    ) -> CalibrationResult:
        """Do what is left: the budget of step 5, and steps 6 to 8."""
        gained = block_gains(paying.sites, gains)
        fitting, costs = self._fit(paying, gained)
        floats.update(_difference(paying, fitting, "the budget on what may be lost"))
        # 6. to 8.
        with atomic_write(*self._outputs()) as (part, manifest_part, *certificate_parts):
            part.write_bytes(self._written(fitting).SerializeToString())
            outcome = self._judge(fitting, floats, part)
            made = calibrated_manifest(self.manifest, self.config, sites, outcome, part)
            if self.reference is not None and outcome.seen is not None:
                made, archive = proved(made, self.reference, outcome.seen, ran=self._runs_here())
                certificate_parts[0].write_bytes(archive)
            manifest_part.write_text(render_manifest(made), encoding="utf-8")
            failures = self._failures(outcome, gains)
            result = CalibrationResult(
                out=self.config.out,
                manifest=made,
                blocks=block_results(sites, floats, costs, gained),
                gains=gains,
                engine=self.measures.engine if gains else "",
                warnings=(*self.sets.warnings, *self.warnings),
                failed=tuple(one.problem for one in failures),
            )
            if failures:
                raise CalibrationFailedError(failures, result)
        return result

    def _outputs(self) -> tuple[Path, ...]:
        """Return what is going to be written."""
        out = self.config.out
        certificate = () if self.reference is None else (certificate_path(out),)
        return (out, manifest_path(out), *certificate)

    def _runs_here(self) -> bool:
        """Return whether masks are of the library that the file is for; engines are built of it."""
        return self.measures.time is not None or WRITERS[self.config.target].backend is None

    def _stays_float(self, site: Site) -> str | None:
        if site.node == _first(self.model):
            return "the first convolution"
        if site.kind in self.config.floats:
            return "asked for"
        return (
            f"{self.writer.title} files keep it float" if site.kind in self.writer.floats else None
        )

    def _equalized(
        self, sites: tuple[Site, ...], ranges: Ranges
    ) -> tuple[onnx.ModelProto, Ranges, tuple[str, ...]]:
        if not self.config.equalize:
            return self.model, ranges, ()
        return equalize(
            self.model,
            self.manifest,
            sites,
            self._plan,
            self.writer,
            ranges=ranges,
            pictures=self.sets.calibration,
            threads=self.config.threads,
            after_each=partial(self.progress, "equalizing blocks"),
        )

    def _rounded(self, plan: Plan) -> Rounded:
        """Return the plan with its weights rounded as asked for."""
        return round_weights(
            self.model,
            self.manifest,
            plan,
            self.writer,
            ROUNDINGS[self.config.rounding],
            pictures=self.sets.calibration,
            seconds=self.config.rounding_time,
            threads=self.config.threads,
            after_each=partial(self.progress, "rounding weights"),
        )

    def _shifts(self, plan: Plan) -> Mapping[str, NDArray[np.float32]]:
        """Return what to add to biases, (C,) by node, against what INT8 shifts them by."""
        if not (self.config.correct_biases and plan.sites):
            return {}
        return bias_shifts(
            self.model,
            self.manifest,
            plan,
            self.writer,
            self.sets.calibration,
            threads=self.config.threads,
            after_each=partial(self.progress, "correcting biases"),
        )

    def _plan(self, sites: tuple[Site, ...], ranges: Ranges) -> Plan:
        kinds = {site.input: site.kind for site in sites}
        methods = {
            tensor: OBSERVERS[self.config.methods.get(kinds.get(tensor, ""), self.config.method)]
            for tensor in ranges.tensors
        }
        chosen = {
            name: self._range(methods[name], statistics)
            for name, statistics in ranges.tensors.items()
        }
        return Plan(sites, chosen)

    def _range(self, observer: Observer, statistics: TensorStatistics) -> tuple[float, float]:
        """Return what an observer chooses; it is asked once, though every trial wants to know."""
        # An identity is of one object as long as that is kept.
        if id(statistics) not in self.chosen:
            self.chosen[id(statistics)] = (statistics, observer(statistics))
        return self.chosen[id(statistics)][1]

    def _paying(self, plan: Plan) -> tuple[Plan, tuple[PartGain, ...]]:
        if self.measures.time is None or not self.config.only_what_pays:
            return plan, ()
        report = partial(self.progress, f"timing parts with {self.measures.engine}")
        report(0, len({site.part for site in plan.sites}))
        given = self.model, plan, self.writer, self.measures.time
        gains = part_gains(*given, after_each=report)
        again = partial(self.progress, "timing anew what did not pay")
        paying, last = without_loss(*given, gains, after_each=again)
        whole = partial(self.progress, "timing stages as a whole")
        given = self.model, paying, self.writer, self.measures.time
        paying, groups = without_lossy_groups(*given, after_each=whole)
        return paying, (*last, *groups)

    def _fit(self, plan: Plan, gained: Mapping[str, float]) -> tuple[Plan, tuple[BlockCost, ...]]:
        if not plan.sites or not (self.config.measure_blocks or self.config.max_drop is not None):
            return plan, ()
        batches = [batch_of([picture], self.manifest.input) for picture in self.sets.selection]
        report = partial(self.progress, "measuring what blocks lose")
        report(0, len({site.block for site in plan.sites}))
        run = partial(logits_of, threads=self.config.threads)
        found = sensitivities(self.model, plan, self.writer, batches, run, after_each=report)
        costs = tuple(replace(cost, milliseconds=gained.get(cost.block)) for cost in found)
        if self.config.max_drop is None:
            return plan, costs
        return fit_budget(plan, costs, self.config.max_drop, self._drop_of), costs

    def _drop_of(self, plan: Plan) -> CalibrationDrop:
        """Return what a plan loses on the pictures of the selection."""
        with TemporaryDirectory(prefix="segpp-") as folder:
            path = Path(folder, "int8.onnx")
            write_whole(path, self._written(plan).SerializeToString())
            return drop_of(self._compared(path, self.sets.selection))

    def _compared(self, path: Path, pictures: tuple[Picture, ...]) -> Comparison:
        with manifest_beside(path, self.manifest):
            return self.measures.compare(path, pictures)

    def _seen(self, path: Path) -> Seen | None:
        """Return what a file makes of the pictures of its certificate."""
        if self.reference is None or self.measures.masks is None:
            return None
        with manifest_beside(path, self.manifest):
            pictures = [probe.picture.pixels for probe in self.reference.probes]
            return self.measures.masks(path, pictures)

    def _written(self, plan: Plan) -> onnx.ModelProto:
        written = self.writer.write(self.model, plan)
        onnx.checker.check_model(written)
        if faults := self.writer.faults(written):
            raise CheckError(f"{self.writer.title} would refuse the INT8 file", *faults)
        return written

    def _judge(self, plan: Plan, floats: dict[str, str], part: Path) -> Outcome:
        if not plan.sites:
            return self._outcome(plan, floats, 1.0, _NOT_JUDGED, {})
        with TemporaryDirectory(prefix="segpp-") as folder:
            path = Path(folder, "int8.onnx")
            write_whole(path, part.read_bytes())
            comparison = self._compared(path, self.sets.report)
            seen = self._seen(path)
            times = self._times(path)
        agreement, drop = float(comparison.agreement.mean()), drop_of(comparison)
        return replace(self._outcome(plan, floats, agreement, drop, times), seen=seen)

    def _outcome(
        self,
        plan: Plan,
        floats: dict[str, str],
        agreement: float,
        drop: CalibrationDrop,
        times: Mapping[str, float],
    ) -> Outcome:
        shifted = tuple(blocks_of([site for site in plan.sites if site.node in self.shifts]))
        return Outcome(plan, floats, self.equalized, shifted, self.sets, agreement, drop, times)

    def _times(self, path: Path) -> dict[str, float]:
        if self.measures.time is None or not self.config.only_what_pays:
            return {}
        before, after = self.measures.time([self.config.model, path])
        return {"float": 1000 * before, "int8": 1000 * after}

    def _failures(self, outcome: Outcome, gains: tuple[PartGain, ...]) -> tuple[CheckError, ...]:
        engine = self.measures.engine
        if not outcome.plan.sites:
            return (no_help(outcome.floats, gains, engine),)
        measured = outcome.agreement, outcome.drop, outcome.milliseconds
        return tuple(failed_gates(self.config, *measured, engine))


def _check_precision(manifest: Manifest, writer: Writer) -> None:
    if manifest.precision not in writer.precisions:
        raise InputError(
            f"INT8 files for {writer.title} are not made from {manifest.precision} files",
            hint=f"export with --precision {' or '.join(sorted(writer.precisions))}",
        )


def _first(model: onnx.ModelProto) -> str:
    """Return the name of the convolution that sees the picture."""
    return next((node.name for node in model.graph.node if node.op_type == "Conv"), "")


def _difference(before: Plan, after: Plan, why: str) -> dict[str, str]:
    kept = {site.node for site in after.sites}
    return {site.node: why for site in before.sites if site.node not in kept}
