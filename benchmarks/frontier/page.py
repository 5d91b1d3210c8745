"""Writes what the other scripts of this folder found into docs/trade-offs.md, and draws it.

    python -m benchmarks.frontier.page

The results are those of docs/results/trade_offs/.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.markdown import with_blocks
from benchmarks.frontier import tables
from benchmarks.frontier.plot import draw

__all__ = ["PAGE", "blocks_of"]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results" / "trade_offs"
PAGE = ROOT / "docs" / "trade-offs.md"
PLOT = ROOT / "docs" / "images" / "trade_offs.png"

_NETWORKS = ("b0", "deep")
_SHOWN = {
    "b0": ("none", "hq", "fast", "fast, protected", "3.grid 1/2", "head.grid 1/2"),
    "deep": ("none", "hq", "fast", "3.grid 1/2", "hidden 1/2 in 3, 4", "head.grid 1/2"),
}
_RECOMMENDED = {
    "b0": (
        "hq",
        "fast, protected",
        "hq + hidden",
        "hq + head.grid",
        "hq + hidden + head.grid",
        "fast, protected + hidden + head.grid",
    ),
    "deep": (
        "2x2",
        "hq",
        "hq + 3.grid from block 2",
        "2x2 + 3.grid from block 2 + hidden",
        "hq + 3.grid",
    ),
}


def main() -> None:
    """Write the page and draw the picture."""
    results, trials = (
        {name: _read(f"frontier_{name}") for name in _NETWORKS},
        _read("distilled")["trials"],
    )
    draw(results, trials, PLOT)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_blocks(page, blocks_of()), encoding="utf-8")


def blocks_of() -> Mapping[str, str]:
    """Return every table of the page by its name there."""
    trials = _read("distilled")["trials"]
    blocks = {
        f"frontier of {name}": tables.frontier_table(_read(f"frontier_{name}"), trials)
        for name in _NETWORKS
    }
    for name in _NETWORKS:
        result = _read(f"frontier_{name}")
        blocks[f"recommended for {name}"] = tables.recommended_table(result, _RECOMMENDED[name])
        blocks[f"classes of {name}"] = tables.classes_table(result, _SHOWN[name])
    blocks["blocks left out"] = tables.left_out_table(_read("left_out_deep"))
    blocks["parts on half a grid"] = tables.half_grid_table(_read("half_grid"))
    blocks["distilled"] = tables.distilled_table(trials)
    blocks["speed"] = "\n\n".join(map(tables.speed_table, _read("speed")["runs"]))
    return blocks


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
