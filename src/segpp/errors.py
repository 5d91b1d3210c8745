"""Every error that segpp raises on purpose.

    SegppError
    ├── CheckError            exit 1   a promise was measured and not kept
    ├── InputError            exit 2   what the caller gave cannot be used
    │   ├── CheckpointError            … a checkpoint
    │   ├── GraphError                 … an ONNX file
    │   ├── ImageError                 … an image, a label or a video
    │   ├── ManifestError              … a manifest
    │   ├── OutputError                … a place to write to
    │   └── ReductionError             … a token reduction's settings
    └── MissingError          exit 3   a package or a device is not there

What is no error and may still be unmeant is a ``PictureWarning`` of Python's ``warnings``.

The command line prints the message without a traceback and exits with ``exit_code``.
"""

from typing import TypeVar

__all__ = [
    "CheckError",
    "CheckpointError",
    "GraphError",
    "ImageError",
    "InputError",
    "ManifestError",
    "MissingError",
    "OutputError",
    "PictureWarning",
    "ReductionError",
    "SegppError",
    "UnknownNameError",
]


_Error = TypeVar("_Error", bound="SegppError")


class SegppError(Exception):
    """A failure that the user can act on.

    Args:
        problem: One sentence: what went wrong, with the offending value.
        facts: What was expected and what was found, one per line.
        hint: The next thing to try, if there is one.
    """

    exit_code = 2

    def __init__(self, problem: str, *facts: str, hint: str | None = None) -> None:
        lines = [problem, *(f"  {fact}" for fact in facts)]
        if hint:
            lines.append(f"  hint: {hint}")
        # A line feed inside of one is one of a file's name, or of a library's words.
        super().__init__("\n".join(line.replace("\n", r"\x0a") for line in lines))
        self.problem, self.facts, self.hint = problem, facts, hint

    def at(self: _Error, place: str) -> _Error:  # noqa: PYI019 - typing has Self from Python 3.11 on
        """Return the same error with the place where it happened before its problem."""
        return type(self)(f"{place}: {self.problem}", *self.facts, hint=self.hint)


class CheckError(SegppError):
    """Something was measured and fell short of its promise."""

    exit_code = 1


class InputError(SegppError):
    """The caller's arguments or files cannot be used."""


class CheckpointError(InputError):
    """A checkpoint is damaged, foreign or dangerous."""


class GraphError(InputError):
    """An ONNX file is damaged or breaks a rule of its targets."""


class ImageError(InputError):
    """An image, a label or a video cannot be read."""


class ManifestError(InputError):
    """A manifest is missing, damaged or about another file."""


class OutputError(InputError):
    """The place to write to does not take the file."""


class ReductionError(InputError):
    """A token reduction does not fit the grid it was given."""


class UnknownNameError(ReductionError):
    """A network has no such place for a reduction, or preset; one of another family may."""


class PictureWarning(UserWarning):
    """A picture is read, and may not be what was meant."""


class MissingError(SegppError):
    """A package or a device that the request needs is not here."""

    exit_code = 3
