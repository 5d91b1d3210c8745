"""What speaks against the numbers: said beside them, never a reason to change them."""

from collections.abc import Iterator

from segpp.runtime.benchmark.report import Bench, Place
from segpp.runtime.benchmark.statistics import samples_for

__all__ = ["doubts_about"]

_STEADY = 0.05
_QUIET = 0.10
_STOLEN = 0.02


def doubts_about(bench: Bench) -> tuple[str, ...]:
    """Return a sentence for each."""
    return (*_samples(bench), *_unsteady(bench), *_machine(bench.place))


def _samples(bench: Bench) -> Iterator[str]:
    count = len(bench.entries[0].laps)
    few = [percent for percent in bench.percents if count < samples_for(percent)]
    if few:
        needed = ", ".join(f"p{percent:g} {samples_for(percent)}" for percent in few)
        yield f"{count} calls are few: {needed} would be needed; marked ~"


def _unsteady(bench: Bench) -> Iterator[str]:
    for entry in bench.entries:
        variation = entry.summary("engine", ()).variation
        if variation > _STEADY:
            yield (
                f"unsteady: the engine's time for {entry.name} varies by {variation:.0%} "
                f"(deviation ÷ mean; up to {_STEADY:.0%} is steady); trust the ratios"
            )


def _machine(place: Place) -> Iterator[str]:
    if place.others is not None and place.others > _QUIET:
        yield f"the machine was busy: others used {place.others:.0%} of the CPUs meanwhile"
    if place.stolen is not None and place.stolen > _STOLEN:
        yield f"the hypervisor gave {place.stolen:.0%} of the CPUs to other machines meanwhile"
    slow = [name for name in place.before.governors if name != "performance"]
    if slow and not place.before.clocks_fixed:
        yield f"the CPUs' clocks follow the load (governor {', '.join(slow)})"
    if place.before.power_mode is not None and place.before.clocks_fixed is False:
        yield "jetson_clocks is off: the clocks follow the load"
