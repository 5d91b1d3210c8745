"""What segpp-run says at the end: one line, or JSON."""

import json
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from segpp.runtime.inference.predict import FailedImage, Prediction

__all__ = ["RunSummary", "render_json", "render_line"]

_LARGEST = 3  # classes named in the summary line


@dataclass
class RunSummary:
    """What became of the images so far, and how long it took."""

    done: list[Prediction] = field(default_factory=list)
    failed: list[FailedImage] = field(default_factory=list)
    seconds: float = 0.0


def render_line(summary: RunSummary, names: tuple[str, ...], out: str) -> str:
    """Return the summary: how many, how fast, what was seen, where it went."""
    done, failed = summary.done, summary.failed
    skipped = f"; {len(failed)} skipped" if failed else ""
    if not done:
        return f"no image done{skipped}"
    speed = f"{median(one.timing.total_ms for one in done):.0f} ms"
    if len(done) == 1:
        what = f"{done[0].item.name} {done[0].size[0]}x{done[0].size[1]}: {speed}"
    else:
        rate, seconds = len(done) / summary.seconds, f"{summary.seconds:.1f} s"
        what = f"{len(done)} images in {seconds}: {rate:.1f} images/s, median {speed} each"
    return f"{what}; {_seen(done, names)}; wrote {out}{skipped}"


def render_json(summary: RunSummary, names: tuple[str, ...], about: dict[str, Any]) -> str:
    """Return everything as JSON; ``about`` is what describes the run as a whole."""
    report = {
        **about,
        "seconds": round(summary.seconds, 3),
        "images": [_image(one, names) for one in summary.done],
        "failed": [{"file": one.item.file, "error": str(one.error)} for one in summary.failed],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def _image(one: Prediction, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": one.item.name,
        "file": one.item.file,
        "size": list(one.size),
        "latency_ms": round(one.timing.total_ms, 3),
        "preprocess_ms": round(one.timing.preprocess_ms, 3),
        "inference_ms": round(one.timing.inference_ms, 3),
        "postprocess_ms": round(one.timing.postprocess_ms, 3),
        "classes": {n: round(s, 6) for n, s in zip(names, one.shares, strict=False) if s},
        "outputs": list(map(str, one.outputs)),
    }


def _seen(done: list[Prediction], names: tuple[str, ...]) -> str:
    shares = [sum(column) / len(done) for column in zip(*(d.shares for d in done), strict=True)]
    largest = sorted(range(len(shares)), key=lambda number: -shares[number])[:_LARGEST]
    called = dict(enumerate(names))
    return ", ".join(f"{called.get(i, i)} {shares[i]:.1%}" for i in largest if shares[i])
