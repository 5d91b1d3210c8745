"""The log of an engine builder: written by the building process, read by the one that waits.

One record is ``[SEVERITY] text``, further lines of the text indented. Whatever else native code
prints in between is no record and is passed over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LogFacts", "LogRecord", "parse_log", "read_facts", "render_record"]

_INDENT = "    "
_HEAD = re.compile(r"\[([A-Z_]+)\] (.*)")

_ATTENTION = re.compile(r"Found (.+) to be part of self-attention pattern")
_ACTIVATION = re.compile(r"Total Activation Memory: (\d+)")
_WEIGHTS = re.compile(r"Total Weights Memory: (\d+)")


@dataclass(frozen=True)
class LogRecord:
    """One message of the library."""

    severity: str
    text: str


@dataclass(frozen=True)
class LogFacts:
    """What the verbose log of a successful build tells about the engine.

    Args:
        attention: The layers that the compiler recognised as part of an attention. Recognised is
            not yet fused: in FP32 it recognises and does not fuse, which shows in
            ``activation_bytes``.
        activation_bytes: Memory for activations, scratch included; None where the log has no such
            line, as of a version that says it otherwise.
        weight_bytes: Memory for weights, likewise.
    """

    attention: frozenset[str]
    activation_bytes: int | None
    weight_bytes: int | None


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
    """Return what the log of a successful build tells; verbose messages must be in it."""
    text = "\n".join(record.text for record in records)
    return LogFacts(
        # Names, not lines: a pass that runs twice says everything twice.
        attention=frozenset(_ATTENTION.findall(text)),
        activation_bytes=_find_number(_ACTIVATION, text),
        weight_bytes=_find_number(_WEIGHTS, text),
    )


def _find_number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1]) if match else None
