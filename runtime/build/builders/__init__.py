"""One engine builder per module, found by scanning this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segpp.errors import InputError
from segpp.utils.registry import Registry

__all__ = ["BUILDERS", "BuildJob", "EngineBuilder", "Refused"]


@dataclass(frozen=True)
class BuildJob:
    """What a builder has to do.

    Args:
        source: The ONNX file.
        target: Where the engine goes.
        compute_capabilities: The GPUs to build for ("8.9").
        workspace: Most scratch memory that a layer may use, in bytes; None for the library's own.
    """

    source: Path
    target: Path
    compute_capabilities: tuple[str, ...]
    workspace: int | None = None


class Refused(Exception):  # noqa: N818 - a verdict of the library; its log says why
    """The library did not build the file; the errors are in its log."""


class EngineBuilder(Protocol):
    """An engine library that compiles an ONNX file.

    A module of this folder registers a class of this shape in ``BUILDERS``. The library is
    imported only inside its methods.
    """

    title: str
    module: str
    extra: str

    def version(self) -> str:
        """Return the version of the library."""
        ...

    def targets(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the compute capabilities to build for, the library's choice if none is wanted.

        Raises:
            InputError: One of ``wanted`` is not the library's to build for.
        """
        ...

    def build(self, job: BuildJob, log: Callable[[str, str], None]) -> None:
        """Build the engine, in a process of its own: native code may crash on a hostile file.

        Args:
            log: Takes the severity and the text of each message of the library.

        Raises:
            Refused: The library did not build it.
        """
        ...


BUILDERS: Registry[type[EngineBuilder]] = Registry(
    "segpp.runtime.build.builders", "engine library", InputError
)
