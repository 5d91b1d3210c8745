"""From the bytes of a trusted engine to an execution context, for both libraries.

The module of the library is handed in: TensorRT's and TensorRT-RTX's have the same classes, of
which either may lack what the other has grown.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segpp.errors import GraphError, InputError
from segpp.runtime.backends.engine.buffers import Tensor

__all__ = ["ContextProgram", "EngineLog", "deserialize", "load_plugins", "new_log", "tensors_of"]

# TensorRT's name for an element type, where NumPy has one of the kind.
_TYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}

# What wraps the sentence of an error, and what a failure leaves behind.
_WRAPPING = re.compile(r"^(\[[\w.:]+\] |\w+::\w+: )?Error Code \d+: ([\w ]+ )?\(?")
_NOISE = ("catchCudaError", "Error reading CUDA GPU properties")
_MOST_LETTERS = 300

# One for each library, and the errors of which engine this thread is loading.
_loggers: dict[str, Any] = {}
_heard = threading.local()

# A library that is loaded twice registers its plugins twice, which TensorRT refuses.
_loaded: dict[tuple[str, str], Any] = {}
_loading = threading.Lock()


class EngineLog:
    """What a library said while it loaded an engine.

    Args:
        logger: The library's own object, which it keeps using.
    """

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self.errors: list[str] = []

    def listen(self) -> None:
        """Take what this thread's calls make the library say from now on."""
        _heard.errors = self.errors

    def reasons(self) -> Sequence[str]:
        """Return the first error as a sentence, if there was one."""
        told = [text for text in self.errors if not any(noise in text for noise in _NOISE)]
        return [_plain(text) for text in (told or self.errors)[:1]]


def new_log(trt: Any) -> EngineLog:
    """Return a log for one engine, which takes what this thread's calls make the library say."""
    with _loading:
        # The library keeps the first logger that it is given for itself, for its registry of
        # plugins for example, and does not keep it alive: it must last as long as the process.
        if trt.__name__ not in _loggers:
            _loggers[trt.__name__] = _new_logger(trt)
    log = EngineLog(_loggers[trt.__name__])
    log.listen()
    return log


def _new_logger(trt: Any) -> Any:
    severe = {int(trt.Logger.ERROR), int(trt.Logger.INTERNAL_ERROR)}

    class Log(trt.ILogger):  # type: ignore[misc]  # a class of a module that is not there yet
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            if int(severity) in severe:
                getattr(_heard, "errors", []).append(text)

    return Log()


def deserialize(
    trt: Any, log: EngineLog, path: Path, blob: bytes, *, runs_host_code: bool
) -> tuple[Any, Any]:
    """Return the runtime and the engine; the runtime must live as long as the engine.

    Args:
        trt: The library.
        log: Where it says what is wrong.
        path: The file, for messages.
        blob: Its bytes, which are trusted.
        runs_host_code: Let code for the CPU inside the engine run: an embedded plugin library.

    Raises:
        GraphError: The library refuses it.
    """
    log.listen()
    problem = f"{trt.__name__} {trt.__version__} cannot load {path}"
    if hasattr(trt, "init_libnvinfer_plugins"):
        # NVIDIA's own plugins, of which the parser takes one for a scatter that adds.
        trt.init_libnvinfer_plugins(log.logger, "")
    try:
        runtime = trt.Runtime(log.logger)
    except TypeError as failure:  # its constructor returns nothing where CUDA does not start
        raise GraphError(problem, *log.reasons()) from failure
    runtime.engine_host_code_allowed = runs_host_code
    engine = runtime.deserialize_cuda_engine(blob)
    if engine is None:
        raise GraphError(problem, *log.reasons())
    return runtime, engine


def load_plugins(trt: Any, library: Path) -> None:
    """Load a plugin library, once in a process.

    Raises:
        InputError: TensorRT does not take it.
    """
    # Without a logger of ours the registry would speak to nobody's.
    new_log(trt)
    key = trt.__name__, str(library.resolve())
    with _loading:
        if key in _loaded:
            return
        handle = trt.get_plugin_registry().load_library(str(library))
        if handle is None:
            raise InputError(
                f"{trt.__name__} {trt.__version__} does not take the plugin library {library}",
                hint="one of another TensorRT, or another one is loaded already; segpp-doctor",
            )
        _loaded[key] = handle


def tensors_of(trt: Any, engine: Any, path: Path) -> tuple[Tensor, ...]:
    """Return the inputs and outputs of an engine.

    Raises:
        GraphError: One has an open dimension or a type that NumPy lacks, or lies elsewhere.
    """
    return tuple(_tensors(trt, engine, path))


class ContextProgram:
    """The work of an execution context, a ``Program``.

    Args:
        context: Of the engine.
        engine: What it was made of.
        runtime: What that was made by.
        log: Where all three write.
    """

    def __init__(self, context: Any, engine: Any, runtime: Any, log: EngineLog) -> None:
        # In the order in which they may go.
        self._held = [context, engine, runtime, log]

    def bind(self, name: str, address: int) -> None:
        """Have a tensor be at an address of the GPU."""
        if not self._held[0].set_tensor_address(name, address):
            raise GraphError(f"the engine does not take {name} at an address of its own")

    def enqueue(self, stream: Any) -> bool:
        """Have a stream do the work once; return False if the library refuses."""
        return bool(self._held[0].execute_async_v3(stream_handle=int(stream)))

    def close(self) -> None:
        """Let the context go, then the engine, then the runtime."""
        while self._held:
            self._held.pop(0)


def _tensors(trt: Any, engine: Any, path: Path) -> Iterator[Tensor]:
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(int(size) for size in engine.get_tensor_shape(name))
        kind = engine.get_tensor_dtype(name).name
        if min(shape, default=0) < 0:
            raise GraphError(
                f"{path} has an open dimension: {name} {shape}",
                hint="build it of a file with fixed shapes",
            )
        if kind not in _TYPES:
            raise GraphError(f"{path} has {name} as {kind}, for which NumPy has no type")
        if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise GraphError(f"{path} wants {name} in the CPU's memory, as a shape")
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        yield Tensor(name, shape, np.dtype(_TYPES[kind]), is_input)


def _plain(text: str) -> str:
    """Return the sentence inside an error of the library."""
    plain = _WRAPPING.sub("", " ".join(text.split()))
    return plain.removesuffix(")")[:_MOST_LETTERS]
