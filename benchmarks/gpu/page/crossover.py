"""Where merging pays on the GPU of the run: a table, a plot, and what ``segpp-inspect`` cites."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common.markdown import table
from benchmarks.gpu.network.graphs import BASE, VARIANTS
from benchmarks.gpu.network.networks import Variant
from benchmarks.gpu.page.run import Run
from segpp.inspection.measured import WHOLE_STAGE, Measured
from segpp.runtime.benchmark.plot import check_plotting

__all__ = ["as_json", "crossover", "draw", "rows"]

_HOW = "PyTorch, FP16, fused attention, CUDA graph, batch 1, random weights"
_COLOURS = {"hq": "#0072B2", "fast": "#D55E00", "2x2": "#009E73"}
PRESETS = tuple(_COLOURS)
_MARKS = {1: "o", 2: "s", WHOLE_STAGE: "D"}


def rows(run: Run) -> list[Measured]:
    """Return every setting of ours with our kernels, of every network."""
    return list(_rows(run))


def _rows(run: Run) -> Iterator[Measured]:
    for place, found in run.graphs.items():
        network, _, size = place.partition(" ")
        for name, variant in VARIANTS.items():
            if name != BASE and variant.by == "kernels" and name in found.get("times", {}):
                yield Measured(
                    network=network,
                    size=size,
                    preset=variant.preset,
                    window=variant.window,
                    match_interval=variant.match_interval,
                    faster=round(found["faster_than_none"][name]["median"], 3),
                    milliseconds=round(found["times"][name]["median_ms"], 3),
                    without=round(found["times"][BASE]["median_ms"], 3),
                )


def as_json(run: Run) -> str:
    """Return the file that segpp-inspect reads."""
    run_facts = {"gpu": run.device["device"], "day": run.date, "how": _HOW}
    lines = ",\n".join(f"    {json.dumps(asdict(row))}" for row in rows(run))
    return f'{{\n  "run": {json.dumps(run_facts)},\n  "rows": [\n{lines}\n  ]\n}}\n'


def crossover(run: Run) -> str:
    """Return the table: for each network and precision the setting that pays most, if one does."""
    heads = ["network", "numbers", "without merging, ms", "settings that pay", "the best"]
    return table(heads, [*_fused(run), *_eager(run)])


def _fused(run: Run) -> Iterator[list[str]]:
    found = rows(run)
    for network, size in dict.fromkeys((row.network, row.size) for row in found):
        own = [row for row in found if (row.network, row.size) == (network, size)]
        best = max(own, key=lambda row: row.faster)
        yield [
            f"{network.upper()} {size}",
            "FP16, fused attention",
            f"{best.without:.2f}",
            f"{sum(row.faster > 1 for row in own)} of {len(own)}",
            f"{_name(best)}: {best.faster:.2f}x",
        ]


def _eager(run: Run) -> Iterator[list[str]]:
    for key, found in run.eager.items():
        place, _, precision = key.partition(", matmul precision ")
        network, _, size = place.partition(" ")
        ratios = found["faster_than_none"]
        faster = {name: ratios[name]["median"] for name in PRESETS if name in ratios}
        best = max(faster, key=lambda name: faster[name])
        numbers = "TF32" if precision == "high" else "FP32"
        yield [
            f"{network.upper()} {size}",
            f"{numbers}, attention in three operators",
            f"{found['times'][BASE]['median_ms']:.2f}",
            f"{sum(one > 1 for one in faster.values())} of {len(faster)}",
            f"{best}: {faster[best]:.2f}x",
        ]


def _name(row: Measured) -> str:
    wanted = Variant(row.preset, window=row.window, match_interval=row.match_interval)
    return next(name for name, variant in VARIANTS.items() if variant == wanted)


def draw(run: Run, path: Path) -> None:
    """Draw how many times as fast as without merging each setting is, a line for each network."""
    check_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    panel: Any = figure.subplots()
    found = rows(run)
    places = list(dict.fromkeys(f"{row.network.upper()} {row.size}" for row in found))
    for row in found:
        line = places.index(f"{row.network.upper()} {row.size}")
        # Of several in one place each is to be seen.
        y = line + 0.16 * (list(_COLOURS).index(row.preset) - 1)
        filled = _COLOURS[row.preset] if not row.window else "none"
        mark = _MARKS[row.match_interval]
        panel.scatter(row.faster, y, marker=mark, color=_COLOURS[row.preset], facecolors=filled)
    panel.axvline(1, color="#999999", linewidth=0.8)
    panel.set_yticks(range(len(places)), places)
    panel.set_ylim(len(places) - 0.5, -0.5)
    panel.set_xlabel(
        f"times as fast as without merging, {run.device['device']}, FP16, fused attention"
    )
    panel.grid(axis="x", alpha=0.3)
    _legend(panel)
    figure.savefig(path, dpi=110)


def _legend(panel: Any) -> None:
    for name, colour in _COLOURS.items():
        panel.scatter([], [], color=colour, marker="o", label=name)
    words = {1: "a match for each block", 2: "for two", WHOLE_STAGE: "for a stage"}
    for interval, text in words.items():
        panel.scatter([], [], color="#555555", marker=_MARKS[interval], label=text)
    panel.scatter([], [], color="#555555", marker="o", facecolors="none", label="window of 1")
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, frameon=False)
