"""What a file must keep to before it is written: masks, what may be lost, and speed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from segpp.calib.config import CalibrationConfig
from segpp.calib.selection.costs import PartGain
from segpp.errors import CheckError
from segpp.manifest import CalibrationDrop

__all__ = ["failed_gates", "no_help"]


def failed_gates(
    config: CalibrationConfig,
    agreement: float,
    drop: CalibrationDrop,
    milliseconds: Mapping[str, float],
    engine: str,
) -> Iterator[CheckError]:
    """Yield an error for every gate that a file does not pass.

    Args:
        config: What is asked for.
        agreement: Share of the pixels that keep their class.
        drop: What is lost.
        milliseconds: Of a call, ``float`` and ``int8``; empty where they were not timed.
        engine: What they were timed on.
    """
    if agreement < config.min_agreement:
        yield CheckError(
            f"the INT8 file's masks agree with the float ones on {agreement:.5f} of the pixels",
            f"asked for: {config.min_agreement}",
            hint="`max_drop` leaves the worst blocks float",
        )
    if config.max_drop is not None and drop.points > config.max_drop:
        yield CheckError(
            f"the INT8 file loses {drop.points:.2f} points of {drop.measure}",
            f"allowed: {config.max_drop}; on {drop.pictures} pictures held back",
            hint="allow more, or calibrate on more pictures",
        )
    if milliseconds and milliseconds["int8"] >= milliseconds["float"]:
        yield CheckError(
            f"INT8 does not help here: with {engine} it is not faster than float",
            f"float: {milliseconds['float']:.1f} ms a call, INT8: {milliseconds['int8']:.1f} ms",
            hint="keep the float file, or write this one all the same: `only_what_pays=False`",
        )


def no_help(floats: Mapping[str, str], gains: Sequence[PartGain], engine: str) -> CheckError:
    """Return the error of a file in which every product stays float.

    Args:
        floats: Why, by the name of its node.
        gains: Of the parts, where they were timed.
        engine: What they were timed on.
    """
    reasons, timed = Counter(floats.values()), f" with {engine}" if gains else ""
    return CheckError(
        f"INT8 does not help here{timed}: every product stays float",
        *(f"{count} of them: {why}" for why, count in reasons.items()),
        *(f"{one.part}: {one.float_ms:.1f} ms, {one.int8_ms:.1f} with it in INT8" for one in gains),
        hint="keep the float file, or try another target",
    )
