"""Two calls under way: what is copied while the engine works, and that nothing is mixed up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import GraphError
from segpp.runtime.backends.engine.lane import Lane
from segpp.runtime.backends.engine.network import EngineNetwork
from tests.runtime.backends.engine.parts.cuda_on_cpu import AddOne, tensors
from tests.runtime.backends.engine.parts.streams_on_cpu import Span, StreamedCuda


def opened(cuda: StreamedCuda, *, cuda_graph: bool = True) -> EngineNetwork:
    return EngineNetwork(
        cuda,
        AddOne(cuda),
        tensors(),
        name="tensorrt (Orin",
        path=Path("x.engine"),
        shared=False,
        cuda_graph=cuda_graph,
    )


def is_right(network: EngineNetwork, number: int) -> bool:
    x = np.full((2, 3), number, np.float32)
    y, z = network.run({"x": x}, ["y", "z"])
    return bool((y == x + 1).all() and (z == 2 * x).all())


@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("callers", [1, 2, 5])
def test_whatever_comes_first_each_caller_gets_what_is_his(
    callers: int, *, cuda_graph: bool
) -> None:
    cuda = StreamedCuda(longest_ms=0.5)
    network = opened(cuda, cuda_graph=cuda_graph)

    with ThreadPoolExecutor(callers) as pool:
        right = list(pool.map(lambda number: is_right(network, number), range(120)))
    network.close()

    assert all(right)
    assert (cuda.held, cuda.memory) == ([], {})


def spans_of(callers: int) -> list[Span]:
    cuda = StreamedCuda(longest_ms=4.0, steady=True)
    network = opened(cuda)
    cuda.spans.clear()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(lambda number: is_right(network, number), range(8)))
    network.close()
    found: list[Span] = cuda.spans
    return found


def overlapping(spans: list[Span], kinds: set[str]) -> int:
    return sum(
        {one.kind, other.kind} == kinds and one.overlaps(other)
        for one, other in combinations(spans, 2)
    )


def test_with_two_callers_copies_and_work_overlap() -> None:
    spans = spans_of(callers=2)

    assert overlapping(spans, {"upload", "work"}) >= 3
    assert overlapping(spans, {"download", "work"}) >= 3


def test_with_one_caller_there_is_nothing_to_overlap_with() -> None:
    spans = spans_of(callers=1)

    assert overlapping(spans, {"upload", "work"}) == 0
    assert overlapping(spans, {"download", "work"}) == 0


def test_the_works_of_two_calls_follow_each_other_as_they_share_the_engines_memory() -> None:
    assert overlapping(spans_of(callers=2), {"work"}) == 0


def test_the_time_of_the_engine_is_without_the_wait_for_another_call() -> None:
    cuda = StreamedCuda(longest_ms=4.0, steady=True)
    network = opened(cuda)
    cuda.spans.clear()
    said: list[float] = []

    def call(number: int) -> None:
        assert is_right(network, number)
        times = network.device_times
        assert times
        said.append(times.engine_ms)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, range(8)))

    took = [1e3 * (one.end - one.begin) for one in cuda.spans if one.kind == "work"]
    assert sum(took) <= sum(said) < 1.2 * sum(took)


def test_closing_waits_for_the_call_under_way_and_refuses_those_after_it() -> None:
    cuda = StreamedCuda(longest_ms=20.0, steady=True)
    network = opened(cuda)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(is_right, network, 3)
        while not any(span.kind == "upload" for span in cuda.spans):
            threading.Event().wait(0.001)
        network.close()

        assert running.result()
    with pytest.raises(GraphError, match=r"x\.engine is closed"):
        is_right(network, 4)
    # And again, for the next who comes.
    with pytest.raises(GraphError, match="is closed"):
        is_right(network, 5)
    assert (cuda.held, cuda.memory) == ([], {})


def test_a_lane_holds_nothing_once_it_is_closed() -> None:
    cuda = StreamedCuda(longest_ms=0.0)

    lane = Lane(cuda, tensors(), shared=False)
    assert not lane.has_graph
    lane.close()

    assert (cuda.held, cuda.memory) == ([], {})
