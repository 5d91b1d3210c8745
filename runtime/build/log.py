"""The log of an engine builder: written by the building process, read by the one that waits.

One record is ``[SEVERITY] text``, further lines of the text indented. Whatever else native code
prints in between is no record and is passed over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from segpp.errors import CheckError

__all__ = ["LogFacts", "LogRecord", "parse_log", "read_facts", "render_record"]

_INDENT = "    "
_HEAD = re.compile(r"\[([A-Z_]+)\] (.*)")

# The two matrix products of an attention and the softmax between them.
_LINES_PER_ATTENTION = 3
_ATTENTION = re.compile(r"Found (.+) to be part of self-attention pattern")
_LAYERS = re.compile(r"Original: (\d+) layers")
_ACTIVATION = re.compile(r"Total Activation Memory: (\d+) bytes")
_WEIGHTS = re.compile(r"Total Weights Memory: (\d+) bytes")


@dataclass(frozen=True)
class LogRecord:
    """One message of the library."""

    severity: str
    text: str


@dataclass(frozen=True)
class LogFacts:
    """What the verbose log of a successful build tells about the engine.

    ``layers`` is the count before fusion; ``attention`` the number of whole attention sites that
    the compiler recognised. Recognised is not yet fused: in FP32 it recognises and does not fuse,
    which shows in ``activation_bytes``.
    """

    layers: int
    attention: int
    activation_bytes: int
    weight_bytes: int


def render_record(severity: str, text: str) -> str:
    """Return a message as the lines of the log."""
    return f"[{severity}] " + text.rstrip("\n").replace("\n", f"\n{_INDENT}") + "\n"


def parse_log(log: str) -> tuple[LogRecord, ...]:
    """Return the messages of a log, without what other code printed between them."""
    records: list[tuple[str, list[str]]] = []
    for line in log.split("\n"):
        if head := _HEAD.fullmatch(line):
            records.append((head[1], [head[2]]))
        elif records and line.startswith(_INDENT):
            records[-1][1].append(line.removeprefix(_INDENT))
    return tuple(LogRecord(severity, "\n".join(lines)) for severity, lines in records)


def read_facts(records: Iterable[LogRecord]) -> LogFacts:
    """Return the numbers in the log of a successful build.

    Args:
        records: The whole log, verbose messages included.

    Raises:
        CheckError: The log lacks one of them.
    """
    text = "\n".join(record.text for record in records)
    return LogFacts(
        layers=_find_number(_LAYERS, text),
        # Names, not lines: a pass that runs twice says everything twice.
        attention=len(set(_ATTENTION.findall(text))) // _LINES_PER_ATTENTION,
        activation_bytes=_find_number(_ACTIVATION, text),
        weight_bytes=_find_number(_WEIGHTS, text),
    )


def _find_number(pattern: re.Pattern[str], text: str) -> int:
    if match := pattern.search(text):
        return int(match[1])
    raise CheckError(
        "the engine builder's log does not read as expected", f"missing: {pattern.pattern}"
    )
