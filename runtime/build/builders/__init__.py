"""One engine builder per module, found by scanning this folder.

A builder is a library that compiles an ONNX file to an engine for certain GPUs. A module registers
a class of the shape of ``EngineBuilder`` under the name that ``--backend`` takes:

    @BUILDERS.register("tensorrt-rtx")
    class TensorRtRtx: ...
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segpp.errors import InputError
from segpp.utils.registry import Registry

__all__ = ["BUILDERS", "NO_PLUGIN", "BuildConfig", "BuildRefused", "EngineBuilder", "Log"]

# Stands for no library where one would be looked for.
NO_PLUGIN = Path("none")

# Takes the severity and the text of each message.
Log = Callable[[str, str], None]


@dataclass(frozen=True)
class BuildConfig:
    """What to build, of what, and for what.

    Args:
        onnx: The ONNX file.
        output: The engine to write.
        builder: A name in ``BUILDERS``, or "auto".
        compute_capabilities: The GPUs to build for ("8.9"); empty for the builder's default.
        workspace: Most scratch memory that a layer may use, in bytes; None for the library's own.
        timing_cache: What kernels took on this GPU; read if it is there, and written anew.
        timing_cache_output: Where it is written, for the building process alone.
        optimization_level: How long to search for faster kernels, 0 to 5; None for the library's.
        plugin: The plugin library, ``NO_PLUGIN`` for none; None to look for one.
        embed_plugin: Put the plugin library into the engine.
        version_compatible: Build an engine that later versions of the library run, too.
        dry_run: Parse and report, build nothing.
        force: Replace files that segpp did not write, too.
    """

    onnx: Path
    output: Path
    builder: str = "auto"
    compute_capabilities: tuple[str, ...] = ()
    workspace: int | None = None
    timing_cache: Path | None = None
    timing_cache_output: Path | None = None
    optimization_level: int | None = None
    plugin: Path | None = None
    embed_plugin: bool = False
    version_compatible: bool = False
    dry_run: bool = False
    force: bool = False


class BuildRefused(Exception):  # noqa: N818 - a verdict of the library; its log says why
    """The library did not build the file; the errors are in its log."""


class EngineBuilder(Protocol):
    """A library that compiles an ONNX file to an engine; it is imported only inside its methods.

    Attributes:
        title: What its maker calls it.
        module: The Python module that must be installed.
        extra: The extra of segpp that brings it.
        distributions: What the module may be installed as, the usual one first.
        needs_gpu: Whether it builds only where the GPU is that it builds for.
        takes_plugins: Whether its parser takes plugins.
    """

    title: str
    module: str
    extra: str
    distributions: tuple[str, ...]
    needs_gpu: bool
    takes_plugins: bool

    def version(self) -> str:
        """Return the version of the library."""
        ...

    def compute_capabilities(self, requested: tuple[str, ...]) -> tuple[str, ...]:
        """Return the compute capabilities to build for, the builder's choice if none is requested.

        Raises:
            InputError: The library does not build for one of ``requested``.
        """
        ...

    def check(self, config: BuildConfig) -> None:
        """Check what is asked of the library, before the long work.

        Raises:
            InputError: The library cannot honour it.
            MissingError: It needs a GPU, and there is none.
        """
        ...

    def build(self, config: BuildConfig, log: Log) -> None:
        """Build the engine, in a process of its own: native code may crash on a hostile file.

        Args:
            config: What to build; its compute capabilities are those of this builder.
            log: Takes the messages of the library, and what ``network`` and ``compile`` report.

        Raises:
            BuildRefused: The library did not build it.
            OSError: The engine could not be written.
            SegppError: Something is wrong that the library has no words for.
        """
        ...


BUILDERS: Registry[type[EngineBuilder]] = Registry(
    "segpp.runtime.build.builders", "engine builder", InputError
)
