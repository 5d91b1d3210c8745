"""What TensorRT and TensorRT-RTX have in common: logger, parser, settings, monitor, the build.

Two modules of one interface, so every function takes the module as ``trt``. polygraphy's loaders
end before what is needed here: its logger keeps messages to itself, and the report is read off the
library's; its network from bytes takes no path, and so no weights beside the file; its plugin
loader opens a library by the system's loader, by which ours do not register.
"""

import os
from pathlib import Path
from typing import Any

from segpp.runtime.build.builders import BuildConfig, BuildRefused, Log
from segpp.runtime.build.progress import PROGRESS, Phases, render_progress
from segpp.utils.limits import usable_cpus

__all__ = ["apply_settings", "build_network", "make_logger", "open_builder", "parse_model"]


def make_logger(trt: Any, log: Log) -> Any:
    """Return a logger of the library that hands every message to ``log``."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # the base comes from an untyped library
        def __init__(self) -> None:
            # super() does not reach the constructor of a pybind11 base.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            log(severity.name, text)

    return Logger()


def open_builder(trt: Any, logger: Any) -> Any:
    """Return a builder that takes no more CPUs than this process may."""
    builder = trt.Builder(logger)
    # Left alone it takes every CPU there is, those of others too.
    builder.max_threads = usable_cpus()
    return builder


def parse_model(trt: Any, network: Any, model: bytes, path: Path, logger: Any) -> Any:
    """Parse an ONNX model into a network and return the parser, which must outlive the build.

    Args:
        trt: The module.
        network: An empty network.
        model: The file's bytes, without what was taken out of them.
        path: The file, beside which further weights may lie.
        logger: Of the library.

    Raises:
        BuildRefused: The parser refused it.
    """
    parser = trt.OnnxParser(network, logger)
    # As bytes: a name need not be UTF-8.
    if not parser.parse(model, os.fsencode(path)):
        raise BuildRefused
    return parser


def apply_settings(trt: Any, theirs: Any, config: BuildConfig, log: Log) -> None:
    """Set in an ``IBuilderConfig`` what both libraries know."""
    # What a file has in FP32 is FP32: TF32 has the 11 bits of a half.
    theirs.clear_flag(trt.BuilderFlag.TF32)
    if config.workspace is not None:
        theirs.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace)
    if config.optimization_level is not None:
        theirs.builder_optimization_level = config.optimization_level
    theirs.progress_monitor = _monitor(trt, log)


def build_network(builder: Any, network: Any, theirs: Any, output: Path) -> None:
    """Build the engine and write it.

    Raises:
        BuildRefused: The library did not build it.
        OSError: It could not be written.
    """
    engine = builder.build_serialized_network(network, theirs)
    if engine is None:
        raise BuildRefused
    output.write_bytes(engine)


def _monitor(trt: Any, log: Log) -> Any:
    phases = Phases()

    def tell(share: float | None, phase: str) -> None:
        if share is not None:
            log(PROGRESS, render_progress(share, phase))

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            tell(phases.start(name, parent, steps), name)

        def step_complete(self, name: str, index: int) -> bool:
            tell(phases.step(name, index), name)
            return True

        def phase_finish(self, name: str) -> None:
            tell(phases.finish(name), name)

    return Monitor()
