"""Times on the GPU: work captured into CUDA graphs, which are replayed in turn, round by round.

Where there is no GPU the same calls run on the CPU, so that the scripts can be tried.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch

from benchmarks.gpu.machine.device import clocks
from segpp.errors import CheckError

__all__ = ["Times", "captured", "device", "faster", "measured", "on_gpu"]

Run = Callable[[], object]
# Of every call, in milliseconds, round by round.
Times = dict[str, list[float]]

_WARM_UP = 3
_WAKING = 0.6  # seconds of work before the first round: clocks rise under load


def on_gpu() -> bool:
    """Tell whether times are those of a GPU."""
    return torch.cuda.is_available()


def device() -> torch.device:
    """Return where tensors lie."""
    return torch.device("cuda" if on_gpu() else "cpu")


@dataclass(frozen=True)
class Captured:
    """A graph, and the memory that its replays write.

    A graph reads addresses and keeps nothing alive: ``run`` does, with the weights that it closes
    over.
    """

    graph: Run
    run: Run
    output: Any

    def replay(self) -> None:
        """Do once more what was captured."""
        self.graph()


def captured(run: Callable[[], Any], *, times: int = 1) -> Captured:
    """Capture ``times`` calls into one graph, after warming up."""
    if not on_gpu():
        return Captured(run, run, run())
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            output = run()
    graph.replay()
    torch.cuda.synchronize()
    return Captured(graph.replay, run, output)


def measured(
    runs: Mapping[str, Run], rounds: int, *, calls: int = 1, waking: float = _WAKING
) -> dict[str, Any]:
    """Run everything in turn; return the times of one of ``calls`` calls, and the clocks.

    Args:
        waking: Seconds of work before the first round; with 0 the clocks are not read either.

    Returns:
        ``times`` (by name: ``median_ms`` and the spread), ``series`` (every round), ``clocks``.
    """
    if not runs:
        raise CheckError("there is nothing to measure: every variant failed")
    before = _wake(runs, waking) if on_gpu() and waking else {}
    times: Times = {name: [] for name in runs}
    order = list(runs.items())
    for turn in range(rounds):
        # Whoever comes first in a round is another one each time.
        start = turn % len(order)
        for name, spent in _round(order[start:] + order[:start]).items():
            times[name].append(spent / calls)
    after = clocks() if on_gpu() and waking else {}
    found = {name: _spread(series) for name, series in times.items()}
    return {"times": found, "series": times, "clocks": {"under_load": before, "after": after}}


def faster(times: Times, first: str) -> dict[str, dict[str, float]]:
    """Return how many times as fast as ``first`` each is, round by round."""
    found = {}
    for name, series in times.items():
        ratios = [one / other for one, other in zip(times[first], series, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        found[name] = {"median": middle, "lower_quartile": low, "upper_quartile": high}
    return found


def _round(order: list[tuple[str, Run]]) -> dict[str, float]:
    if not on_gpu():
        return {name: _wall(run) for name, run in order}
    events = {name: _between_events(run) for name, run in order}
    torch.cuda.synchronize()
    return {name: begin.elapsed_time(end) for name, (begin, end) in events.items()}


def _between_events(run: Run) -> tuple[torch.cuda.Event, torch.cuda.Event]:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begin.record()
    run()
    end.record()
    return begin, end


def _wall(run: Run) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def _wake(runs: Mapping[str, Run], waking: float) -> dict[str, str]:
    """Return the clocks while the GPU works."""
    until = time.perf_counter() + waking
    turns = 0
    while time.perf_counter() < until:
        _all(runs)
        torch.cuda.synchronize()
        turns += 1
    # As much again, so that nvidia-smi finds the GPU at work.
    for _ in range(turns):
        _all(runs)
    now = clocks()
    torch.cuda.synchronize()
    return now


def _all(runs: Mapping[str, Run]) -> None:
    for run in runs.values():
        run()


def _spread(series: list[float]) -> dict[str, float]:
    tenths = quantiles(series, n=10, method="inclusive")
    return {
        "median_ms": median(series),
        "tenth_ms": tenths[0],
        "ninetieth_ms": tenths[-1],
        "least_ms": min(series),
        "rounds": len(series),
    }
