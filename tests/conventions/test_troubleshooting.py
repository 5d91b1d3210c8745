"""What docs/jetson.md says of segpp's own messages is said of messages that there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "jetson.md"
CODE = ("src/segpp", "export", "calib", "runtime", "train")
HEADING = "## What segpp says, and what to do"


def messages() -> list[str]:
    """Return the parts between backticks in the first column of the page's table."""
    _, _, behind = PAGE.read_text(encoding="utf-8").partition(HEADING)
    table = behind.partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return [part for row in rows for part in re.findall(r"`([^`]+)`", row)]


def texts() -> Iterator[str]:
    """Yield every text in the code, joined as Python joins it; what is filled in is left out."""
    for folder in CODE:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.JoinedStr):
                    parts = (part for part in node.values if isinstance(part, ast.Constant))
                    yield "\0".join(str(part.value) for part in parts)


def test_every_message_on_the_page_is_one_that_segpp_says() -> None:
    known = list(texts())

    gone = [message for message in messages() if not any(message in text for text in known)]

    assert gone == []


def test_the_table_is_found() -> None:
    """A renamed heading would make the test above pass on nothing."""
    assert len(messages()) > 8
