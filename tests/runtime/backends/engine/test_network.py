"""A loaded engine as a backend: order, ownership, threads, and what it says of itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import GraphError
from segpp.runtime.backends.base import DeviceTimes, TensorInfo
from segpp.runtime.backends.engine.network import EngineNetwork
from tests.runtime.backends.engine.parts.cuda_on_cpu import AddOne, CpuCuda, tensors

X = np.arange(6, dtype=np.float32).reshape(2, 3)
Open = Callable[..., EngineNetwork]


def opened(
    cuda: CpuCuda, program: AddOne, *, shared: bool = False, cuda_graph: bool = True
) -> EngineNetwork:
    return EngineNetwork(
        cuda,
        program,
        tensors(),
        name="tensorrt 10.3.0 (Orin",
        path=Path("x.engine"),
        shared=shared,
        cuda_graph=cuda_graph,
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_it_computes_what_its_program_computes(*, shared: bool, cuda_graph: bool) -> None:
    cuda = CpuCuda(integrated=shared)
    program = AddOne(cuda)
    network = opened(cuda, program, shared=shared, cuda_graph=cuda_graph)

    z, y = network.run({"x": X}, ["z", "y"])

    assert (y == X + 1).all()
    assert (z == 2 * X).all()
    assert network.inputs == (TensorInfo("x", (2, 3), "float32"),)
    assert [info.name for info in network.outputs] == ["y", "z"]
    # For each of two lanes once to warm up and once to capture; without a graph for every call.
    assert (program.enqueued, cuda.launches) == (4 if cuda_graph else 3, int(cuda_graph))


def test_only_outputs_that_are_asked_for_are_copied() -> None:
    cuda = CpuCuda()
    network = opened(cuda, AddOne(cuda))

    network.run({"x": X}, ["y"])

    assert cuda.copies == [("upload", 24), ("download", 24)]


def test_results_belong_to_the_caller() -> None:
    cuda = CpuCuda()
    network = opened(cuda, AddOne(cuda))
    [first] = network.run({"x": X}, ["y"])
    [again] = network.run({"x": X + 10}, ["y"])
    network.close()

    assert (first == X + 1).all()
    assert (again == X + 11).all()


@pytest.mark.parametrize("refuses", ["capture", "capture by error"])
def test_without_a_graph_it_runs_all_the_same_and_says_why(refuses: str) -> None:
    cuda = CpuCuda()
    network = opened(cuda, AddOne(cuda, refuses=refuses))

    [y] = network.run({"x": X}, ["y"])

    assert (y == X + 1).all()
    assert network.description == "tensorrt 10.3.0 (Orin, no CUDA graph)"
    [note] = network.notes
    assert note.startswith("it runs without a CUDA graph: ")
    assert ("enqueue" in note) or ("not while a stream is captured" in note)


def test_a_graph_that_is_not_wanted_is_no_reason_to_say_anything() -> None:
    cuda = CpuCuda()

    network = opened(cuda, AddOne(cuda), cuda_graph=False)

    assert network.notes == ()
    assert network.description.endswith("no CUDA graph)")


def test_the_description_tells_how_it_runs() -> None:
    cuda = CpuCuda(integrated=True)

    network = opened(cuda, AddOne(cuda), shared=True)

    assert network.description == "tensorrt 10.3.0 (Orin, CUDA graph, zero-copy)"


def test_the_times_are_those_between_the_events_around_each_part() -> None:
    cuda = CpuCuda()
    network = opened(cuda, AddOne(cuda))
    assert network.device_times is None

    network.run({"x": X}, ["y"])

    # The clock of the CPU that plays CUDA counts events.
    assert network.device_times == DeviceTimes(1, 1, 1, cuda_graph=True, shared_memory=False)


def test_threads_that_share_one_network_get_their_own_results_and_times() -> None:
    cuda = CpuCuda()
    network = opened(cuda, AddOne(cuda))

    def call(number: int) -> tuple[bool, bool]:
        values = np.full((2, 3), number, np.float32)
        y, z = network.run({"x": values}, ["y", "z"])
        return bool((y == number + 1).all() and (z == 2 * number).all()), bool(network.device_times)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(call, range(400)))

    assert set(results) == {(True, True)}
    assert network.device_times is None


def test_networks_side_by_side_have_nothing_in_common() -> None:
    cuda = CpuCuda()
    one, other = opened(cuda, AddOne(cuda)), opened(cuda, AddOne(cuda))

    [first] = one.run({"x": X}, ["y"])
    other.run({"x": X + 100}, ["y"])
    other.close()

    assert (one.run({"x": X}, ["y"])[0] == first).all()


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, "takes x as float32 .2, 3., not nothing"),
        ({"x": X.T}, r"not float32 \(3, 2\)"),
        ({"x": X.astype(np.float64)}, r"not float64 \(2, 3\)"),
    ],
)
def test_what_does_not_fit_never_reaches_the_gpu(feeds: dict[str, np.ndarray], said: str) -> None:
    cuda = CpuCuda()
    network = opened(cuda, AddOne(cuda))

    with pytest.raises(GraphError, match=said):
        network.run(feeds, ["y"])

    assert cuda.copies == []


def test_an_output_that_is_not_there_is_named() -> None:
    cuda = CpuCuda()

    with pytest.raises(GraphError, match="no output 'w'"):
        opened(cuda, AddOne(cuda)).run({"x": X}, ["w"])


def test_a_program_that_is_refused_is_an_error_and_leaves_nothing() -> None:
    cuda = CpuCuda()

    with pytest.raises(GraphError, match=r"x\.engine failed to run"):
        opened(cuda, AddOne(cuda, refuses="always"))

    assert (cuda.held, cuda.memory) == ([], {})


def test_closing_gives_everything_back() -> None:
    cuda = CpuCuda()
    program = AddOne(cuda)
    network = opened(cuda, program)

    network.close()
    # Once more is once too often, and waits for nobody.
    network.close()

    assert (cuda.held, cuda.memory) == ([], {})
    assert program.closed
