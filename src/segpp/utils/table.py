"""Tables for the terminal: columns as wide as their widest cell, numbers to the right.

And what both those and tables in files have: names that come from foreign files.
"""

from collections.abc import Sequence

from segpp.utils.terminal import one_line

__all__ = ["spreadsheet_text", "table"]

_GAP = "  "


def table(rows: Sequence[Sequence[str]], align: str, *, indent: str = "") -> str:
    """Return rows of cells as lines of text.

    Args:
        rows: The heading first, if there is one; all of one length.
        align: ``l`` or ``r`` for every column.
    """
    # Names come from foreign files, and would break the lines or the columns.
    plain = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    return "\n".join(indent + _line(row, widths, align) for row in plain)


def spreadsheet_text(text: str) -> str:
    """Return a name for a cell of a CSV file: on one line, and no formula to a spreadsheet."""
    plain = one_line(text)
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain


def _line(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    cells = [
        cell.ljust(width) if side == "l" else cell.rjust(width)
        for cell, width, side in zip(row, widths, align, strict=True)
    ]
    return _GAP.join(cells).rstrip()
