"""Whether a checkpoint was trained for what an export makes of it. Without onnx."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.match_sharing import MatchInterval, interval_at
from segpp.manifest import ChannelSite, Distilled, read_distilled
from segpp.ops.grid import Size

__all__ = ["gate_text", "student_note"]

_MOST_TOLD = 4
_NONE = "none"


def gate_text(name: str, settings: Mapping[str, object]) -> str:
    """Return what an export writes behind a place: ``fixed:keep=0.5,correct=1``."""
    values = ",".join(f"{key}={_text(value)}" for key, value in settings.items())
    return f"{name}:{values}" if values else name


def student_note(
    path: Path,
    sha256: str,
    *,
    size: Size,
    reduction: ReductionConfig,
    channels: Sequence[ChannelSite],
    match_interval: MatchInterval,
) -> str | None:
    """Return one sentence where a student was trained for other tokens or channels, else None.

    Args:
        path: The checkpoint.
        sha256: Of its weights.
        size: Input of the export, in pixels.
        reduction: What merges in it.
        channels: Where channels are left out.
        match_interval: In how many blocks one match serves.
    """
    if (student := read_distilled(path, sha256)) is None:
        return None
    here = {
        "size": str(size),
        **{str(site): method.to_string() for site, method in reduction.items()},
        **_gates(channels),
        **_interval({interval_at(match_interval, site.stage) for site in reduction}),
    }
    if student.kind == "policy":
        # It chooses for whatever its network is going to do with what it chooses.
        here = {"size": str(size)}
    differing = list(_differences(_there(student), here))
    if not differing:
        return None
    left = len(differing) - _MOST_TOLD
    told = [*islice(differing, _MOST_TOLD), *([f"{left} more"] if left > 0 else [])]
    return f"{path.name} was {student.done} for another export: {'; '.join(told)}"


def _there(student: Distilled) -> Mapping[str, str]:
    sites = dict(text.split("=", 1) for text in student.reduction)
    interval = _interval({student.match_interval} if sites else set())
    return {"size": student.size, **sites, **_gates(student.channels), **interval}


def _interval(blocks: set[int]) -> Mapping[str, str]:
    """Return in how many blocks one match serves, where anything merges."""
    return {"match interval": " or ".join(map(str, sorted(blocks)))} if blocks else {}


def _gates(channels: Sequence[ChannelSite]) -> Mapping[str, str]:
    """Return what leaves channels out, by place."""
    return {
        f"{one.stage}.{one.part}": gate_text(one.method, one.settings)
        for one in channels
        if one.channels_out < one.channels_in
    }


def _differences(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    for name in {**there, **here}:
        then, now = there.get(name, _NONE), here.get(name, _NONE)
        if then != now:
            yield f"{name} {then} there, {now} here"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
