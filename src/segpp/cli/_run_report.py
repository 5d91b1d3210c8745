"""What segpp-run says at the end: one line, or JSON."""

import json
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from segpp.runtime.inference.predict import Done, Failed

__all__ = ["Tally", "render_json", "render_line"]

_LARGEST = 3  # classes named in the summary line


@dataclass
class Tally:
    """What became of the images so far, and how long it took."""

    done: list[Done] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    seconds: float = 0.0


def render_line(tally: Tally, names: tuple[str, ...], out: str) -> str:
    """Return the summary: how many, how fast, what was seen, where it went."""
    done, failed = tally.done, tally.failed
    skipped = f"; {len(failed)} skipped" if failed else ""
    if not done:
        return f"no image done{skipped}"
    speed = f"{median(one.timing.total_ms for one in done):.0f} ms"
    if len(done) == 1:
        what = f"{done[0].item.name} {done[0].size[0]}x{done[0].size[1]}: {speed}"
    else:
        rate = len(done) / tally.seconds
        what = (
            f"{len(done)} images in {tally.seconds:.1f} s: {rate:.1f} images/s, median {speed} each"
        )
    return f"{what}; {_seen(done, names)}; wrote {out}{skipped}"


def render_json(tally: Tally, names: tuple[str, ...], about: dict[str, Any]) -> str:
    """Return everything as JSON; ``about`` is what describes the run as a whole."""
    report = {
        **about,
        "seconds": round(tally.seconds, 3),
        "images": [_image(one, names) for one in tally.done],
        "failed": [{"file": one.item.place, "error": str(one.problem)} for one in tally.failed],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def _image(one: Done, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": one.item.name,
        "file": one.item.place,
        "size": list(one.size),
        "latency_ms": round(one.timing.total_ms, 3),
        "prepare_ms": round(one.timing.prepare_ms, 3),
        "network_ms": round(one.timing.network_ms, 3),
        "finish_ms": round(one.timing.finish_ms, 3),
        "classes": {n: round(s, 6) for n, s in zip(names, one.shares, strict=False) if s},
        "outputs": list(map(str, one.outputs)),
    }


def _seen(done: list[Done], names: tuple[str, ...]) -> str:
    shares = [sum(column) / len(done) for column in zip(*(d.shares for d in done), strict=True)]
    largest = sorted(range(len(shares)), key=lambda number: -shares[number])[:_LARGEST]
    called = dict(enumerate(names))
    return ", ".join(f"{called.get(i, i)} {shares[i]:.1%}" for i in largest if shares[i])
