"""What speaks against the numbers: told beside them, never a reason to change them."""

from collections.abc import Iterator

from segpp.runtime.benchmark.interleave import DEVICE_STAGES, device_series
from segpp.runtime.benchmark.report import BenchmarkReport, Environment
from segpp.runtime.benchmark.statistics import percentile, samples_for

__all__ = ["reliability_warnings"]

# Shares from which on a benchmark is not to be trusted without a word: of the mean that the
# inference time varies by, of the CPUs that others used, that the hypervisor took.
_MAX_VARIATION = 0.05
_MAX_OTHERS = 0.10
_MAX_STOLEN = 0.02
# And the share of its highest clock that a GPU should keep under load.
_LEAST_CLOCK = 0.9


def reliability_warnings(report: BenchmarkReport) -> tuple[str, ...]:
    """Return a sentence for each thing that makes the numbers less certain than they look."""
    return (
        *_samples(report),
        *_unsteady(report),
        *_machine(report.environment),
        *_gpu(report),
    )


def _samples(report: BenchmarkReport) -> Iterator[str]:
    count = len(report.results[0].samples)
    few = [percent for percent in report.percents if count < samples_for(percent)]
    if few:
        needed = ", ".join(f"p{percent:g} {samples_for(percent)}" for percent in few)
        yield f"{count} calls are few: {needed} would be needed"


def _unsteady(report: BenchmarkReport) -> Iterator[str]:
    for result in report.results:
        variation = result.summary("inference", ()).variation
        if variation > _MAX_VARIATION:
            yield (
                f"unsteady: the inference time of {result.name} varies by {variation:.0%} "
                f"(deviation ÷ mean; up to {_MAX_VARIATION:.0%} is steady); trust the ratios"
            )


def _gpu(report: BenchmarkReport) -> Iterator[str]:
    timed = [result for result in report.results if result.device]
    for result in timed:
        upload, engine, download = (
            percentile(device_series(result.samples, stage), 50) for stage in DEVICE_STAGES
        )
        if upload + download > engine:
            yield (
                f"{result.name} spends more time on transfers ({upload + download:.2f} ms) than "
                f"on the network ({engine:.2f} ms): --input-dtype uint8 and --outputs labels of "
                "segpp-export make them smaller"
            )
    state = report.environment.after.gpu
    if not timed or state is None or not state.megahertz or not state.most_megahertz:
        return
    if state.megahertz < _LEAST_CLOCK * state.most_megahertz:
        yield (
            f"the GPU's clock was {state.megahertz:.0f} of {state.most_megahertz:.0f} MHz at the "
            "end: lock it, or compare only what was measured together"
        )


def _machine(environment: Environment) -> Iterator[str]:
    others, stolen, state = environment.others, environment.stolen, environment.before
    if others is not None and others > _MAX_OTHERS:
        yield f"the machine was busy: others used {others:.0%} of the CPUs meanwhile"
    if stolen is not None and stolen > _MAX_STOLEN:
        yield f"the hypervisor gave {stolen:.0%} of the CPUs to other machines meanwhile"
    slow = [name for name in state.governors if name != "performance"]
    if slow and not state.clocks_fixed:
        yield f"the CPUs' clocks follow the load (governor {', '.join(slow)})"
    if state.power_mode is not None and state.clocks_fixed is False:
        yield "jetson_clocks is off: the clocks follow the load"
