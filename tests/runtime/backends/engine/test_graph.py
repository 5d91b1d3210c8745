"""A call as a graph: taken once, replayed; and what cannot be taken leaves nothing behind."""

import pytest

from segpp.errors import GraphError
from segpp.runtime.backends.engine.cuda import CudaError
from segpp.runtime.backends.engine.graph import capture
from tests.runtime.backends.engine.parts.cuda_on_cpu import AddOne, CpuCuda


def test_a_captured_call_is_done_when_it_is_launched_and_not_before() -> None:
    cuda, done = CpuCuda(), []

    def enqueue(_stream: object) -> bool:
        cuda.do(lambda: done.append(1), _stream)
        return True

    graph = capture(cuda, None, enqueue)
    assert done == []

    graph.launch(None)
    graph.launch(None)
    assert done == [1, 1]
    graph.close()
    assert cuda.held == []


@pytest.mark.parametrize(
    ("refuses", "said"),
    [("capture", "the library does not enqueue it"), ("capture by error", "cudaMalloc failed")],
)
def test_what_cannot_be_captured_ends_the_capture_and_says_why(refuses: str, said: str) -> None:
    cuda = CpuCuda()
    program = AddOne(cuda, refuses=refuses)

    with pytest.raises(GraphError, match=said):
        capture(cuda, None, program.enqueue)

    assert cuda.noted is None
    assert cuda.held == []


class Invalidated(CpuCuda):
    """What was told in between made the capture invalid, which shows at its end."""

    def end_capture(self, stream: object) -> object:
        super().destroy_graph(super().end_capture(stream))
        raise CudaError("cudaStreamEndCapture failed", "cudaErrorStreamCaptureInvalidated (901)")


def test_a_capture_that_was_made_invalid_is_an_error_of_ours() -> None:
    cuda = Invalidated()

    with pytest.raises(GraphError, match="cudaStreamEndCapture"):
        capture(cuda, None, AddOne(cuda).enqueue)

    assert cuda.held == []
