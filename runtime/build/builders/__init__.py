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

__all__ = ["BUILDERS", "BuildConfig", "BuildRefused", "EngineBuilder"]


@dataclass(frozen=True)
class BuildConfig:
    """What to build, of what, and for what.

    Args:
        onnx: The ONNX file.
        output: The engine to write.
        builder: A name in ``BUILDERS``, or "auto".
        compute_capabilities: The GPUs to build for ("8.9"); empty for the builder's default.
        workspace: Most scratch memory that a layer may use, in bytes; None for the library's own.
        force: Replace files that segpp did not write, too.
    """

    onnx: Path
    output: Path
    builder: str = "auto"
    compute_capabilities: tuple[str, ...] = ()
    workspace: int | None = None
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
    """

    title: str
    module: str
    extra: str
    distributions: tuple[str, ...]

    def version(self) -> str:
        """Return the version of the library."""
        ...

    def compute_capabilities(self, requested: tuple[str, ...]) -> tuple[str, ...]:
        """Return the compute capabilities to build for, the builder's choice if none is requested.

        Raises:
            InputError: The library does not build for one of ``requested``.
        """
        ...

    def build(self, config: BuildConfig, log: Callable[[str, str], None]) -> None:
        """Build the engine, in a process of its own: native code may crash on a hostile file.

        Args:
            config: What to build; its compute capabilities are those of this builder.
            log: Takes the severity and the text of each message of the library.

        Raises:
            BuildRefused: The library did not build it.
            OSError: The engine could not be written.
        """
        ...


BUILDERS: Registry[type[EngineBuilder]] = Registry(
    "segpp.runtime.build.builders", "engine builder", InputError
)
