"""What takes part in a benchmark: a file, the backend that runs it, and in which precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BenchmarkCase", "case_names", "parse_case"]


@dataclass(frozen=True)
class BenchmarkCase:
    """One network in one way of running it.

    Args:
        path: The ONNX file or engine.
        backend: The name of a backend, or "auto".
        precision: What the file's FP32 is computed in.
    """

    path: Path
    backend: str
    precision: str


def parse_case(text: str, *, backend: str, precision: str) -> BenchmarkCase:
    """Return what ``FILE``, ``FILE@BACKEND`` or ``FILE@BACKEND:PRECISION`` means.

    Args:
        text: One of these.
        backend: The backend where the text names none.
        precision: The precision where the text names none.
    """
    file, at, rest = text.rpartition("@")
    # A file may have such a name.
    if not at or Path(text).exists():
        return BenchmarkCase(Path(text), backend, precision)
    named_backend, _, named_precision = rest.partition(":")
    return BenchmarkCase(Path(file), named_backend or backend, named_precision or precision)


def case_names(cases: Sequence[BenchmarkCase]) -> tuple[str, ...]:
    """Return one name for each, as short as tells them apart."""
    files = _file_names([case.path for case in cases])
    several = len({case.backend for case in cases}) > 1
    names = []
    for file, case in zip(files, cases, strict=True):
        backend = f" {case.backend}" if several and case.backend != "auto" else ""
        precision = f" {case.precision}" if case.precision != "fp32" else ""
        names.append(file + backend + precision)
    return tuple(_numbered(names))


def _file_names(paths: Sequence[Path]) -> list[str]:
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
