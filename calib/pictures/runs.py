"""Whole networks run on a few prepared pictures, for what is measured while choosing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from segpp.calib.pictures.find import Picture, load_picture
from segpp.images.preprocess import prepare
from segpp.manifest import InputSpec
from segpp.utils.limits import default_threads

__all__ = ["Batch", "LogitsOf", "batch_of", "logits_of", "open_model"]

Batch = NDArray[Any]
Floats = NDArray[np.float32]

# A network and batches -> its first output of each.
LogitsOf = Callable[[onnx.ModelProto, Sequence[Batch]], list[Floats]]

_ERRORS_ONLY = 3


def open_model(
    model: onnx.ModelProto, threads: int | None = None, *, lean: bool = False
) -> onnxruntime.InferenceSession:
    """Return a session that runs a model on the CPU.

    Args:
        model: Any.
        threads: CPU threads; None for as many as this process may use.
        lean: Plan no memory beforehand, and compute every output as soon as it can be, so that
            what it is made of can go: slower by little, and with many outputs half of the memory.
    """
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = not lean
    if lean:
        # The default goes to the end of the network first, and keeps what other outputs need.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    # Without VNNI products of full 8 bits would saturate in sums of two, and what is decided by
    # them would depend on the machine that calibrates.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads or default_threads() or 0
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def logits_of(
    model: onnx.ModelProto, batches: Sequence[Batch], *, threads: int | None = None
) -> list[Floats]:
    """Return the first output of a network for every batch."""
    session = open_model(model, threads)
    [given] = session.get_inputs()
    first = session.get_outputs()[0].name
    return [session.run([first], {given.name: batch})[0] for batch in batches]


def batch_of(pictures: Sequence[Picture], spec: InputSpec) -> Batch:
    """Return at most a batch of pictures as the network takes them.

    A batch that is not full has its own pictures again.
    """
    images = [load_picture(picture, spec) for picture in pictures]
    return prepare([images[i % len(images)] for i in range(spec.batch)], spec)
