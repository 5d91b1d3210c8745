"""Everything that a benchmark found, for people and for machines."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from segpp.runtime.benchmark.environment import Conditions
from segpp.runtime.benchmark.interleave import STAGES, Lap
from segpp.runtime.benchmark.memory import Memory
from segpp.runtime.benchmark.statistics import Ratio, Summary, ratio

__all__ = ["Bench", "Entry", "Place", "as_csv", "as_json", "series"]


@dataclass(frozen=True)
class Entry:
    """One network's part.

    Args:
        library: The engine in words.
        size: Height and width of its input.
        batch: Images per call.
        load_seconds: From the file to a network that is ready.
        agreement: Share of the image's pixels with the first network's label; None where the
            labels are of another size.
    """

    name: str
    file: str
    library: str
    size: tuple[int, int]
    batch: int
    load_seconds: float
    agreement: float | None
    memory: Memory
    laps: tuple[Lap, ...]

    @property
    def rate(self) -> float:
        """Images per second, back to back."""
        return self.batch * len(self.laps) * 1e3 / sum(series(self.laps, "total"))

    def summary(self, stage: str, percents: Sequence[float]) -> Summary:
        """Return the statistics of one stage."""
        return Summary.of(series(self.laps, stage), percents)


@dataclass(frozen=True)
class Place:
    """Where it was measured.

    Args:
        cpu: The model and how many cores this process may use.
        versions: Of segpp, Python and every library that took part.
        before: The conditions at the start.
        after: The conditions at the end.
        others: Share of the CPUs that other processes used meanwhile.
        stolen: Share that the hypervisor gave to other machines.
    """

    cpu: str
    system: str
    board: str | None
    versions: dict[str, str]
    before: Conditions
    after: Conditions
    others: float | None
    stolen: float | None


@dataclass(frozen=True)
class Bench:
    """The whole of it.

    Args:
        image: What was segmented, with its size.
        threads: CPU threads, None for the library's choice.
        doubts: What speaks against the numbers, a sentence each.
    """

    image: str
    threads: int | None
    warmup: int
    percents: tuple[float, ...]
    place: Place
    entries: tuple[Entry, ...]
    doubts: tuple[str, ...] = ()

    def speed_up(self, entry: Entry, stage: str) -> Ratio:
        """Return how many times as fast as the first network ``entry`` is, round by round."""
        return ratio(series(self.entries[0].laps, stage), series(entry.laps, stage))


def series(laps: Sequence[Lap], stage: str) -> list[float]:
    """Return the times of one stage, in the order in which they were measured."""
    return [getattr(lap, stage) for lap in laps]


def as_json(bench: Bench) -> str:
    """Return everything, every single time included."""
    about = {
        "image": bench.image,
        "threads": bench.threads,
        "warmup_rounds": bench.warmup,
        "percentile_definition": "nearest rank",
        "environment": asdict(bench.place),
        "warnings": bench.doubts,
    }
    return json.dumps(
        {**about, "models": [_model(bench, entry) for entry in bench.entries]},
        indent=2,
        ensure_ascii=False,
    )


def as_csv(bench: Bench) -> str:
    """Return one row per network and stage, times in milliseconds."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    percents = [f"p{percent:g}" for percent in bench.percents]
    head = ["model", "file", "engine", "stage", "samples", "mean", "deviation", "min", "max"]
    writer.writerow([*head, *percents, "images_per_second", "peak_memory_bytes", "speed_up"])
    for entry in bench.entries:
        for stage in STAGES:
            one = entry.summary(stage, bench.percents)
            times = (one.mean, one.deviation, one.minimum, one.maximum, *one.percentiles.values())
            whole = stage == "total"
            writer.writerow(
                [
                    *(entry.name, entry.file, entry.library, stage, one.count),
                    *(f"{value:.4f}" for value in times),
                    f"{entry.rate:.4f}" if whole else "",
                    entry.memory.peak if whole else "",
                    f"{bench.speed_up(entry, stage).median:.4f}" if _timed(stage) else "",
                ]
            )
    return out.getvalue()


def _timed(stage: str) -> bool:
    # What the others cost depends on the machine and the image, not on the network.
    return stage in {"engine", "total"}


def _model(bench: Bench, entry: Entry) -> dict[str, object]:
    return {
        "name": entry.name,
        "file": entry.file,
        "engine": entry.library,
        "input_size": list(entry.size),
        "batch": entry.batch,
        "load_seconds": round(entry.load_seconds, 4),
        "images_per_second": round(entry.rate, 4),
        "peak_memory_bytes": entry.memory.peak,
        "memory_before_loading_bytes": entry.memory.before,
        "pixel_agreement_with_first": entry.agreement,
        "stages_ms": {stage: _stage(entry.summary(stage, bench.percents)) for stage in STAGES},
        "speed_up_over_first": {
            stage: asdict(bench.speed_up(entry, stage)) for stage in STAGES if _timed(stage)
        },
        "samples_ms": {stage: series(entry.laps, stage) for stage in STAGES},
    }


def _stage(summary: Summary) -> dict[str, object]:
    return {
        "samples": summary.count,
        "mean": summary.mean,
        "deviation": summary.deviation,
        "cv": summary.variation,
        "min": summary.minimum,
        "max": summary.maximum,
        **{f"p{percent:g}": value for percent, value in summary.percentiles.items()},
    }
