"""The results in a few lines each, for who reads the end of the output first."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["summary"]


def summary(out: Path) -> str:
    """Return all times and checks that the files of ``out`` hold."""
    lines: list[str] = []
    for path in sorted(out.glob("*.json")):
        for stage, found in json.loads(path.read_text(encoding="utf-8")).items():
            lines += [f"-- {stage}", *_lines(found)]
    return "\n".join(lines)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict) and "times" in value:
            yield f"{key}:"
            yield from _times(value)
        elif key == "lines":
            yield from map(_kernel, value[1:])
        elif key == "failures":
            yield f"{len(value)} failed: {list(value)[:3]}"
        else:
            yield f"{key}: {_short(value)}"


def _times(found: dict[str, Any]) -> Iterator[str]:
    for name, one in found["times"].items():
        times = " ".join(f"{one[key]:8.4f}" for key in ("median_ms", "tenth_ms", "ninetieth_ms"))
        ratio = found.get("faster_than_none", {}).get(name, {}).get("median")
        apart = found.get("to_none", {}).get(name, {}).get("equal_classes")
        extra = "" if ratio is None else f" {ratio:6.3f}x"
        yield f"  {name:38s} {times} ms{extra}" + ("" if apart is None else f" {apart:.4f}")


def _kernel(line: dict[str, Any]) -> str:
    numbers = f"{line['cold_us']:8.2f} {line['warm_us']:8.2f} us {line['gb_per_s']:8.1f} GB/s"
    place = f"{line['kernel']:16s} {line['size']:22s} {line['batch']:3d}"
    return f"  {place} {numbers} {line['of_copy_of_same_size']:.3f} {line['repeatable']}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]} …"
