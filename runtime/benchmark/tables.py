"""The report as text: for the terminal, or as Markdown for a README."""

from collections.abc import Sequence

from segpp.runtime.benchmark.environment import Conditions
from segpp.runtime.benchmark.interleave import STAGES
from segpp.runtime.benchmark.report import Bench, Entry, Place
from segpp.runtime.benchmark.statistics import percentile, samples_for
from segpp.utils.table import table

__all__ = ["as_markdown", "as_text"]


def as_text(bench: Bench) -> str:
    """Return tables for the terminal."""
    compared = len(bench.entries) > 1
    rounds = len(bench.entries[0].laps)
    parts = [
        f"ms, median of {rounds} calls by stage; percentiles of the total",
        table([_stage_head(bench), *(_stage_row(bench, e) for e in bench.entries)], _align(bench)),
        "",
        table(
            [_result_head(compared=compared)]
            + [_result_row(bench, entry, compared=compared) for entry in bench.entries],
            "l" + "r" * (5 if compared else 2) + "l",
        ),
        "",
        table(_about(bench), "ll"),
    ]
    if compared:
        parts.insert(4, _RATIO)
        parts.insert(4, "")
    if _estimates(bench):
        parts.append("~ too few samples for this percentile: an estimate")
    return "\n".join(parts)


_RATIO = (
    "faster: the first one's time ÷ this one's, of the calls next to each other; median [quartiles]"
)


def as_markdown(bench: Bench) -> str:
    """Return one table, and below it where it was measured."""
    percents = [f"total p{percent:g}" for percent in bench.percents]
    head = ["model", "run by", "engine p50", *percents, "images/s", "peak memory"]
    rows = [[*head, "engine faster", "total faster", "same labels"]]
    rows.append(["---", "---", *["---:"] * (len(rows[0]) - 2)])
    for entry in bench.entries:
        median = percentile([lap.engine for lap in entry.laps], 50)
        cells = [entry.name, entry.library, f"{median:.1f}"]
        cells += [
            *_percentile_cells(entry, bench.percents),
            f"{entry.rate:.2f}",
            _mb(entry.memory.peak),
        ]
        cells += [_faster(bench, entry, stage) for stage in ("engine", "total")]
        rows.append([*cells, _agreement(entry)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    facts = "; ".join(f"{name}: {text}" for name, text in _about(bench))
    note = (
        f"Times in ms of {len(bench.entries[0].laps)} interleaved calls; faster: the first one's "
        "time ÷ this one's in the same round, median [quartiles]."
    )
    if _estimates(bench):
        note += " ~: an estimate, too few calls for this percentile."
    return "\n".join([*lines, "", f"{note} {facts}."])


def _stage_head(bench: Bench) -> list[str]:
    return ["", *STAGES, *(f"p{percent:g}" for percent in _tail(bench))]


def _stage_row(bench: Bench, entry: Entry) -> list[str]:
    medians = [percentile([getattr(lap, stage) for lap in entry.laps], 50) for stage in STAGES]
    return [
        entry.name,
        *(f"{value:.1f}" for value in medians),
        *_percentile_cells(entry, _tail(bench)),
    ]


def _percentile_cells(entry: Entry, percents: Sequence[float]) -> list[str]:
    values = entry.summary("total", percents).percentiles
    few = len(entry.laps)
    return [f"{'~' if few < samples_for(p) else ''}{value:.1f}" for p, value in values.items()]


def _tail(bench: Bench) -> tuple[float, ...]:
    # The median of the total is among the stages.
    return tuple(percent for percent in bench.percents if percent != 50)  # noqa: PLR2004 - percent


def _align(bench: Bench) -> str:
    return "l" + "r" * (len(STAGES) + len(_tail(bench)))


def _estimates(bench: Bench) -> bool:
    few = len(bench.entries[0].laps)
    return any(few < samples_for(percent) for percent in bench.percents)


def _result_head(*, compared: bool) -> list[str]:
    middle = ["engine faster", "total faster", "same labels"] if compared else []
    return ["", "images/s", "peak memory", *middle, "run by"]


def _result_row(bench: Bench, entry: Entry, *, compared: bool) -> list[str]:
    middle = [
        *(_faster(bench, entry, stage) for stage in ("engine", "total")),
        _agreement(entry),
    ]
    cells = [entry.name, f"{entry.rate:.2f}", _mb(entry.memory.peak)]
    return [*cells, *(middle if compared else []), entry.library]


def _faster(bench: Bench, entry: Entry, stage: str) -> str:
    if entry is bench.entries[0]:
        return "1"
    found = bench.speed_up(entry, stage)
    spread = f"[{found.lower_quartile:.2f}-{found.upper_quartile:.2f}]"
    return f"{found.median:.2f}x {spread}"


def _agreement(entry: Entry) -> str:
    if entry.agreement is None:
        return "-"
    # All of them is a claim that rounding must not make.
    return "all" if entry.agreement == 1 else f"{min(entry.agreement, 0.99999):.3%}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _about(bench: Bench) -> list[list[str]]:
    place = bench.place
    sizes = sorted({f"{e.size[0]}x{e.size[1]}, batch {e.batch}" for e in bench.entries})
    rows = {
        "input": " and ".join(sizes),
        "image": bench.image,
        "machine": f"{place.board + ', ' if place.board else ''}{place.cpu}",
        "threads": "the library's choice" if bench.threads is None else str(bench.threads),
        "clocks": _clocks(place.before),
        "temperature": _temperature(place),
        "load": ", ".join(f"{value:g}" for value in place.before.load),
        "others": f"used {place.others:.0%} of the CPUs meanwhile"
        if place.others is not None
        else "",
        "versions": ", ".join(f"{name} {version}" for name, version in place.versions.items()),
    }
    return [[name, text] for name, text in rows.items() if text]


def _clocks(conditions: Conditions) -> str:
    parts: Sequence[str] = (
        ", ".join(conditions.governors),
        f"{conditions.megahertz[0]}-{conditions.megahertz[1]} MHz" if conditions.megahertz else "",
        "fixed" if conditions.clocks_fixed else "",
        f"power mode {conditions.power_mode}" if conditions.power_mode else "",
    )
    return ", ".join(part for part in parts if part)


def _temperature(place: Place) -> str:
    before, after = (
        max(one.temperatures.values(), default=None) for one in (place.before, place.after)
    )
    if before is None or after is None:
        return ""
    return f"{before:.0f} °C at the start, {after:.0f} °C at the end (hottest sensor)"
