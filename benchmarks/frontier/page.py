"""Writes what the other scripts of this folder found into two pages of docs/, and draws it.

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
from benchmarks.networks import channel_gates

__all__ = ["PAGES", "blocks_of"]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results" / "trade_offs"
SEGFORMERS, VITS = (ROOT / "docs" / f"{name}.md" for name in ("trade-offs", "vit"))
PAGES = (SEGFORMERS, VITS)
PLOT, PLOT_OF_VITS = (ROOT / "docs" / "images" / f"trade_offs{of}.png" for of in ("", "_vit"))

_NETWORKS = ("b0", "deep")
_VITS = {"Segmenter-Ti": "vit", "EoMT-Ti": "eomt"}
_SHOWN = {
    "b0": ("none", "hq", "fast", "fast, protected", "3.grid 1/2", "head.grid 1/2"),
    "deep": ("none", "hq", "fast", "3.grid 1/2", "hidden 1/2 in 3, 4", "head.grid 1/2"),
}
_RECOMMENDED = {
    "b0": (
        "hq",
        "fast, protected",
        "hq + hidden + qkv",
        "hq + head.grid",
        "hq + hidden + qkv + head.grid",
        "fast, protected + hidden + qkv + head.grid",
    ),
    "deep": (
        "2x2",
        "qkv 1/4 everywhere",
        "hq",
        "2x2 + 3.grid from block 2",
        "2x2 + 3.grid from block 2 + hidden + qkv",
        "hq + 3.grid",
    ),
}


def main() -> None:
    """Write the pages and draw the picture."""
    trials = _read("distilled")["trials"]
    networks = {name: _read(f"frontier_{name}") for name in _NETWORKS}
    draw(networks, trials, PLOT)
    vits = {name: _read(f"frontier_{file}") for name, file in _VITS.items()}
    draw(vits, [], PLOT_OF_VITS)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(with_blocks(text, blocks_of(page)), encoding="utf-8")


def blocks_of(page: Path) -> Mapping[str, str]:
    """Return every table of a page by its name there."""
    return _of_segformers() if page == SEGFORMERS else _of_vits()


def _of_vits() -> dict[str, str]:
    return {
        "speed": "\n\n".join(map(tables.speed_table, _read("speed_vit")["runs"])),
        "frontier": tables.untrained_table(_read("frontier_vit")),
        "frontier of eomt": tables.untrained_table(_read("frontier_eomt")),
        "by image": tables.by_image_table(_read("by_image_vit")),
    }


def _of_segformers() -> dict[str, str]:
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
    blocks["channels"] = channel_gates.table_of(_read("channels_b0"))
    blocks["distilled"] = tables.distilled_table(trials)
    blocks["speed"] = "\n\n".join(map(tables.speed_table, _read("speed")["runs"]))
    return blocks


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
