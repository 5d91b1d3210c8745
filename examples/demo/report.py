"""The table that the demonstration ends with."""

from collections.abc import Sequence

from examples.demo.measure import Measured
from segpp.utils.table import table

__all__ = ["render"]

_HEADING = ("file", "tokens merged", "network", "latency", "speed-up", "agreement", "mIoU")


def render(measured: Sequence[Measured]) -> str:
    """Return one line per file; the first is what the others are compared with."""
    first = measured[0]
    return "\n".join(
        [
            table([_HEADING, *(_row(one, first) for one in measured)], "lrrrrrr"),
            "",
            f"{first.setting}; median times, the files in turn",
            "latency: from picture to class numbers; speed-up: of the latency",
            f"agreement: pixels of the same class as in {first.file.name}",
        ]
    )


def _row(one: Measured, first: Measured) -> tuple[str, ...]:
    return (
        one.file.name,
        f"{one.merged:.0%}",
        f"{one.network_ms:.0f} ms",
        f"{one.latency_ms:.0f} ms",
        f"x{first.latency_ms / one.latency_ms:.2f}",
        f"{one.agreement:.2%}",
        f"{one.miou:.2%}",
    )
