r"""One picture and one table of what the other scripts of this folder found.

    python -m benchmarks.frontier.drawn docs/results/frontier_b0.json \
        docs/results/frontier_deep.json \
        --distilled docs/results/distilled_camvid.json --plot docs/images/frontier.png

The number beside a point is that of its row in the table; an arrow leads to the mean of the
distilled students.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.common.interleaved import columns
from segpp.runtime.benchmark.plot import check_plotting

Row = Mapping[str, Any]

_COLOURS = {
    "merging": "#0072B2",
    "grid": "#009E73",
    "ffn": "#CC79A7",
    "channels": "#E69F00",
    "combined": "#D55E00",
    "deep": "#56B4E9",
}


def main() -> None:
    """Draw, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("untrained", nargs="+", type=Path, metavar="FRONTIER.json")
    parser.add_argument("--distilled", type=Path, metavar="DISTILLED.json")
    parser.add_argument("--plot", type=Path, metavar="OUT.png")
    args = parser.parse_args()
    results = [_read(path) for path in args.untrained]
    trials = _read(args.distilled)["trials"] if args.distilled else []
    if args.plot:
        check_plotting()
        draw(results, trials, args.plot)
    for result in results:
        print(table_of(result, trials), end="\n\n")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table_of(result: Mapping[str, Any], trials: Sequence[Row]) -> str:
    """Return a row for each setting of a checkpoint: cost, and mIoU before and after."""
    head = ["", "setting", "GMAC", "unseen", "val", "distilled: unseen", "val", "of"]
    own = [trial for trial in trials if trial["checkpoint"] == result["checkpoint"]]
    lines = [_line(row, own) for row in result["rows"]]
    return columns(head, [[str(number), *line] for number, line in enumerate(lines, 1)])


def _line(row: Row, trials: Sequence[Row]) -> list[str]:
    seeds = [trial["after"] for trial in trials if trial["setting"] == row["setting"]]
    after = [_percent(mean(s[data]["miou"] for s in seeds)) for data in ("unseen", "val") if seeds]
    return [
        row["setting"],
        f"{row['file_gmacs']:.2f}",
        _percent(row["unseen"]["miou"]),
        _percent(row["val"]["miou"]),
        *(after or ["", ""]),
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}" if seeds else "",
    ]


def _percent(share: float) -> str:
    return f"{share * 100:.2f}"


def draw(results: Sequence[Mapping[str, Any]], trials: Sequence[Row], path: Path) -> None:
    """Draw mIoU on unseen pictures over the multiply-accumulates, a panel for each checkpoint."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(7 * len(results), 6), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for panel, result in zip(panels, results, strict=True):
        _panel(panel, result, [t for t in trials if t["checkpoint"] == result["checkpoint"]])
    figure.savefig(path, dpi=110)


def _panel(panel: Any, result: Mapping[str, Any], trials: Sequence[Row]) -> None:
    for group, colour in _COLOURS.items():
        rows = [row for row in result["rows"] if row["group"] == group]
        if rows:
            points = [(row["file_gmacs"], row["unseen"]["miou"] * 100) for row in rows]
            panel.scatter(*zip(*points, strict=True), color=colour, label=group, zorder=3)
    for number, row in enumerate(result["rows"], 1):
        at = (row["file_gmacs"], row["unseen"]["miou"] * 100)
        panel.annotate(str(number), at, (3, 3), textcoords="offset points", fontsize=8)
        seeds = [
            t["after"]["unseen"]["miou"] * 100 for t in trials if t["setting"] == row["setting"]
        ]
        if seeds:
            panel.annotate("", (at[0], mean(seeds)), at, arrowprops={"arrowstyle": "->"})
    panel.set_title(f"{result['checkpoint']}, {result['size']}")
    panel.set_xlabel("multiply-accumulates of the file, billions")
    panel.set_ylabel("mIoU on unseen pictures, percent")
    panel.grid(alpha=0.3)
    panel.legend(loc="lower right")


if __name__ == "__main__":
    main()
