"""How many classes are left in cells of pictures, as label_cells.py has written it down."""

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["RESULT", "read_label_cells"]

RESULT = Path(__file__).resolve().parents[2] / "docs" / "results" / "label_cells_camvid.json"


def read_label_cells(path: Path = RESULT) -> Mapping[str, Mapping[int, int]]:
    """Return by the size of the pictures how many warps go on for how many classes."""
    rows = json.loads(path.read_text(encoding="utf-8"))["warps"]
    return {size: {int(key): n for key, n in row.items()} for size, row in rows.items()}
