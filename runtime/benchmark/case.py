"""What takes part in a benchmark: a file, the engine that runs it, and in which precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Contestant", "names_of", "parse_contestant"]


@dataclass(frozen=True)
class Contestant:
    """One network in one way of running it."""

    path: Path
    engine: str
    precision: str


def parse_contestant(text: str, *, engine: str, precision: str) -> Contestant:
    """Return what ``FILE``, ``FILE@ENGINE`` or ``FILE@ENGINE:PRECISION`` means.

    Args:
        engine: The engine where the text names none.
        precision: The precision where the text names none.
    """
    file, at, rest = text.rpartition("@")
    # A file may have such a name.
    if not at or Path(text).exists():
        return Contestant(Path(text), engine, precision)
    named, _, wanted = rest.partition(":")
    return Contestant(Path(file), named or engine, wanted or precision)


def names_of(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    """Return one name for each, as short as tells them apart."""
    files = _files([one.path for one in contestants])
    several = len({one.engine for one in contestants}) > 1
    names = []
    for file, one in zip(files, contestants, strict=True):
        engine = f" {one.engine}" if several and one.engine != "auto" else ""
        names.append(file + engine + (f" {one.precision}" if one.precision != "fp32" else ""))
    return tuple(_numbered(names))


def _files(paths: Sequence[Path]) -> list[str]:
    different = len(set(paths))
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        if len(set(names)) == different:
            return names
    return list(map(str, paths))


def _numbered(names: Sequence[str]) -> list[str]:
    # The same twice is a fair question: how much do two runs of one thing differ?
    return [
        f"{name} #{names[:index].count(name) + 1}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
