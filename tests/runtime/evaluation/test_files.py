"""What an evaluation says of a GPU beside the rate from picture to mask."""

from pathlib import Path

from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.evaluation.files import _notes_on_gpus


def times(engine: float) -> DeviceTimes:
    return DeviceTimes(0.25, engine, 0.5, cuda_graph=True, shared_memory=False)


def test_engines_are_told_by_their_own_time_and_transfers_apart() -> None:
    paths = [Path("hq.onnx"), Path("hq.engine")]

    notes = _notes_on_gpus(paths, [[], [times(3.0), times(9.0), times(4.0)]])

    [note] = notes
    assert note == (
        "hq.engine: on the GPU the engine took 4.00 ms a call, transfers 0.75 ms (median, CUDA "
        "events)"
    )
