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
_SHOWN = ("none", "hq", "fast", "fast, protected", "3.grid 1/2", "head.grid 1/2")


def main() -> None:
    """Write the page and draw the picture."""
    results, trials = (
        [_read(f"frontier_{name}") for name in _NETWORKS],
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
    blocks["classes"] = tables.classes_table(_read("frontier_b0"), _SHOWN)
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
