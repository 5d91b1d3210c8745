"""What an inspection found: sections to read and the same as data."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpp.manifest import Architecture
from segpp.utils.table import table
from segpp.utils.terminal import harmless, one_line

__all__ = [
    "GLUE",
    "Report",
    "Section",
    "facts",
    "giga",
    "listed",
    "megabytes",
    "patches_of",
    "rows",
]

# A space at which no line is broken.
GLUE = "\u00a0"

_INDENT = _GAP = "  "
_WIDTH = 100
# SegFormers have four stages, which are listed.
_MANY = 4


@dataclass(frozen=True)
class Section:
    """A heading and the text below it."""

    title: str
    body: str


@dataclass(frozen=True)
class Report:
    """Everything about one file.

    Args:
        says: What the file is, with its article.
        data: The same as the sections, for JSON.
        problems: What is wrong with the file, a sentence each.
    """

    name: str
    says: str
    sections: tuple[Section, ...]
    data: Mapping[str, Any]
    problems: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the sections as text."""
        parts = [f"{section.title}\n{section.body}" for section in self.sections if section.body]
        return harmless("\n\n".join([f"{one_line(self.name)}: {self.says}", *parts]))

    def json(self) -> str:
        """Return the data as JSON."""
        facts = {"file": self.name, "kind": self.says, **self.data, "problems": self.problems}
        return json.dumps(facts, indent=2, ensure_ascii=False)


def facts(title: str, values: Mapping[str, object]) -> Section:
    """Return a section with a line for each value, wrapped; None and "" leave theirs out."""
    present = {name: str(value) for name, value in values.items() if value not in (None, "")}
    side = max(map(len, present), default=0)
    blank = " " * (len(_INDENT) + side + len(_GAP))
    lines = [
        textwrap.fill(
            text,
            _WIDTH,
            initial_indent=f"{_INDENT}{name:<{side}}{_GAP}",
            # A name broken at its hyphen could not be copied.
            break_on_hyphens=False,
            subsequent_indent=blank,
            break_long_words=False,
        ).replace(GLUE, " ")
        for name, text in present.items()
    ]
    return Section(title, "\n".join(lines))


def listed(values: Sequence[object]) -> str:
    """Return values in their order; many that are all alike only once, with their number."""
    if len(values) > _MANY and len(set(values)) == 1:
        return f"{values[0]} ({len(values)} times)"
    return ", ".join(map(str, values))


def patches_of(architecture: Architecture) -> str | None:
    """Return what is to be told of a plain ViT's tokens, None of other networks."""
    if (vit := architecture.vit) is None:
        return None
    before = f", {vit.prefix} token{'' if vit.prefix == 1 else 's'} before them"
    queries = f", {vit.queries} queries before those in the last {vit.query_blocks} blocks"
    return (
        f"{vit.patch}x{vit.patch} pixels{before if vit.prefix else ''}"
        f"{queries if vit.queries else ''}"
    )


def rows(title: str, cells: Sequence[Sequence[str]], align: str) -> Section:
    """Return a section with a table; the first row is its heading. Without others it is empty."""
    return Section(title, table(cells, align, indent=_INDENT) if len(cells) > 1 else "")


def giga(count: int) -> str:
    """Return a count in billions."""
    return f"{count / 1e9:.2f}"


def megabytes(count: int) -> str:
    """Return a size in MB, a small one in kB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"  # noqa: PLR2004
