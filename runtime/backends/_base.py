"""What an engine library must offer; everything else is the session's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from segpp.utils.registry import Registry

__all__ = ["ENGINES", "Engine", "Library", "Options", "TensorInfo"]


@dataclass(frozen=True)
class TensorInfo:
    """One input or output as the library declares it.

    Args:
        shape: A number per dimension; a name or None where it is open.
        dtype: NumPy's name for the type, or the library's where NumPy has none.
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: str


@dataclass(frozen=True)
class Options:
    """How to run; a library refuses what it cannot honour.

    Args:
        threads: CPU threads; None leaves the choice to the library.
        provider: The library's device or backend ("cpu", "cuda"); None for its default.
        spinning: Let idle threads spin between calls: fastest back to back, but it keeps the
            cores busy beside a camera.
        alone: Nothing else computes between two calls, so that threads may go on spinning after
            one; False makes them stop at its end.
        precision: What the file's FP32 is computed in.
        cache: Keep what the library compiles beside the file, for the next time.
    """

    threads: int | None = None
    provider: str | None = None
    spinning: bool = True
    alone: bool = True
    precision: str = "fp32"
    cache: bool = True


class Engine(Protocol):
    """A loaded network."""

    @property
    def library(self) -> str:
        """Library, version and device in words, for reports."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The declared inputs."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The declared outputs."""

    def run(self, feeds: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> list[NDArray[Any]]:
        """Return the ``wanted`` outputs; the arrays belong to the caller."""

    def close(self) -> None:
        """Give back the memory; the engine is not used again."""


@dataclass(frozen=True)
class Library:
    """One engine library.

    Args:
        suffixes: The files it opens.
        open: Loads one; imports the library only when it is called.
    """

    suffixes: tuple[str, ...]
    open: Callable[[Path, Options], Engine]


ENGINES: Registry[Library] = Registry("segpp.runtime.backends", kind="engine")
