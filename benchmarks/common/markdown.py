"""Tables in Markdown, and the places in a page that scripts write."""

from collections.abc import Mapping, Sequence

from segpp.errors import CheckError

__all__ = ["line", "table", "with_blocks"]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table: the first column to the left, the others as the reader's program likes."""
    return "\n".join(line(cells) for cells in (heads, ["---"] * len(heads), *rows))


def line(cells: Sequence[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |"


def with_blocks(page: str, blocks: Mapping[str, str]) -> str:
    """Return the page with each block in its place: ``<!-- name -->`` to ``<!-- end of name -->``.

    Raises:
        CheckError: The page has no place for a block.
    """
    for name, block in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, also_found, after = rest.partition(end)
        if not (found and also_found):
            raise CheckError(f"the page has no place for {name!r}")
        page = f"{before}{begin}{block}\n{end}{after}"
    return page
