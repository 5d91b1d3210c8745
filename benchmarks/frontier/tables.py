"""The results of this folder as Markdown tables."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.common.interleaved import columns, faster_text
from benchmarks.frontier.settings import ALL
from segpp.train.config import DistillConfig

__all__ = [
    "by_image_table",
    "classes_table",
    "distilled_table",
    "frontier_table",
    "half_grid_table",
    "left_out_table",
    "recommended_table",
    "speed_table",
    "untrained_table",
]

Row = Mapping[str, Any]

_DATA = ("unseen", "val")
_WORST = 3


def frontier_table(result: Row, trials: Sequence[Row]) -> str:
    """Return a numbered row for each setting of a checkpoint: cost, mIoU as it is and distilled."""
    head = ["", "setting", "GMAC", "unseen", "val", "distilled: unseen", "val", "seeds"]
    lines = [_frontier_line(row, seeds_of(row, result, trials)) for row in result["rows"]]
    return columns(head, [[str(number), *line] for number, line in enumerate(lines, 1)])


def untrained_table(result: Row) -> str:
    """Return a numbered row for each setting: cost, what is left of it, and mIoU as it is."""
    rows, none = result["rows"], result["rows"][0]
    lines = [
        [
            str(number),
            row["setting"],
            f"{row['file_gmacs']:.2f}",
            f"{row['file_gmacs'] / none['file_gmacs']:.0%}",
            *(_percent(row[data]["miou"]) for data in _DATA),
        ]
        for number, row in enumerate(rows, 1)
    ]
    return columns(["", "setting", "GMAC", "arithmetic", *_DATA], lines)


def by_image_table(result: Row) -> str:
    """Return a row for each way to tell how many merge: tokens left on average, and mIoU."""
    head = ["counts are", *(f"{what}, {data}" for data in _DATA for what in ("tokens", "mIoU"))]
    lines = [
        [
            row["counts"],
            *(
                cell
                for data in _DATA
                for cell in (f"{row[data]['tokens']:.0f}", _percent(row[data]["miou"]))
            ),
        ]
        for row in result["rows"]
    ]
    return columns(head, lines)


def seeds_of(row: Row, result: Row, trials: Sequence[Row]) -> list[Row]:
    """Return the longest trials of a row's setting, of the rate that most seeds had.

    What was killed on its way is another matter.
    """
    alike: defaultdict[tuple[float, float], list[Row]] = defaultdict(list)
    wanted = (result["checkpoint"], row["setting"], 0)
    for trial in trials:
        if (trial["checkpoint"], trial["setting"], trial["kills"]) == wanted:
            alike[trial["minutes"], trial.get("learning_rate") or 0.0].append(trial)
    return max(alike.items(), key=lambda one: (one[0][0], len(one[1])))[1] if alike else []


def _frontier_line(row: Row, seeds: Sequence[Row]) -> list[str]:
    after = [_percent(mean(s["after"][d]["miou"] for s in seeds)) for d in _DATA] if seeds else []
    before = [_percent(row[data]["miou"]) for data in _DATA]
    own = [row["setting"], f"{row['file_gmacs']:.2f}", *before]
    return [*own, *after, str(len(seeds))] if seeds else [*own, "", "", ""]


def recommended_table(result: Row, names: Sequence[str]) -> str:
    """Return what to tell ``segpp-export`` for some settings, and what each costs."""
    rows = {row["setting"]: row for row in result["rows"]}
    head = ["setting", "options of `segpp-export`", "arithmetic", *_DATA, "loses most"]
    return columns(head, [_recommended_line(rows[name], rows["none"]) for name in names])


def _recommended_line(row: Row, none: Row) -> list[str]:
    setting = ALL[row["setting"]]
    options = [f"--preset {setting.preset}"] if setting.preset != "none" else []
    options += [f"--reduce {text}" for text in setting.reduce]
    lost = [f"{100 * (row[d]['miou'] - none[d]['miou']):+.1f}" for d in _DATA]
    changes = {
        name: 100 * (iou - none["unseen"]["iou"][name])
        for name, iou in row["unseen"]["iou"].items()
    }
    worst = sorted(changes, key=changes.__getitem__)[:_WORST]
    return [
        row["setting"],
        f"`{' '.join(options)}`",
        f"{row['file_gmacs'] / none['file_gmacs']:.0%}",
        *lost,
        ", ".join(f"{name} {changes[name]:+.1f}" for name in worst),
    ]


def classes_table(result: Row, settings: Sequence[str]) -> str:
    """Return the IoU of every class on unseen pictures: the first setting's, then changes."""
    rows = {row["setting"]: row["unseen"]["iou"] for row in result["rows"]}
    first, *others = settings
    lines = [
        [name, _percent(iou), *(f"{(rows[o][name] - iou) * 100:+.1f}" for o in others)]
        for name, iou in rows[first].items()
    ]
    return columns(["class", *settings], lines)


def distilled_table(trials: Sequence[Row]) -> str:
    """Return a row for each trial."""
    head = ["checkpoint", "setting", "machine", "rate", "seed", "minutes", "steps", "kills"]
    scores = ["teacher", "before", "unseen", "val"]
    return columns([*head, *scores], [_trial_line(trial) for trial in trials])


def _trial_line(trial: Row) -> list[str]:
    start, *_ = _DATA
    return [
        trial["checkpoint"],
        trial["setting"],
        f"{trial['machine']}, {trial['precision']}",
        f"{trial.get('learning_rate') or DistillConfig.learning_rate:g}",
        *(f"{trial[key]:g}" for key in ("seed", "minutes", "steps", "kills")),
        *(_percent(trial[state][start]["miou"]) for state in ("teacher", "before")),
        *(_percent(trial["after"][data]["miou"]) for data in _DATA),
    ]


def left_out_table(result: Row) -> str:
    """Return a row for each block that is left out."""
    head = [f"block of stage {result['stage']} left out", *_DATA]
    rows = result["rows"]
    return columns(
        head, [[row["left_out"], *(_percent(row[d]["miou"]) for d in _DATA)] for row in rows]
    )


def half_grid_table(result: Row) -> str:
    """Return a row for each part of the blocks that works on half a grid."""
    head = [f"on half a grid in stage {result['stage']}", *_DATA]
    return columns(
        head, [[row["on_half"], *(_percent(row[d]) for d in _DATA)] for row in result["rows"]]
    )


def speed_table(run: Row) -> str:
    """Return what was run where, and a row for each of its files."""
    about = (
        f"{run['network']}, {run['head']} head, {run['size']}, {run['backend']}, "
        f"{run['threads']} threads of {run['machine']}, medians of {run['rounds']} rounds:"
    )
    head = ["setting", "GMAC", "ms", "faster"]
    rows = columns(head, [_speed_line(name, row) for name, row in run["rows"].items()])
    return f"{about}\n\n{rows}"


def _speed_line(name: str, row: Row) -> list[str]:
    macs = f"{row['file_gmacs']:.1f}" if "file_gmacs" in row else ""
    return [name, macs, f"{row['median_ms']:,.0f}", faster_text(row)]


def _percent(share: float) -> str:
    return f"{share * 100:.2f}"
