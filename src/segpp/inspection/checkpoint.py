"""A checkpoint: whose it is, and what each preset would make of it."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from segpp.errors import ReductionError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.config.student import gate_text
from segpp.export.models.base import Checkpoint, ModelFamily, family_of, grids_of
from segpp.export.models.cost_model import cost_advice, cost_warnings
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.macs import Macs
from segpp.export.models.rewriting import ordered_rewrites
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, count_tokens
from segpp.export.reduction.gates.config import build_gates, count_channels
from segpp.export.reduction.sites import Site
from segpp.export.targets import TARGETS
from segpp.inspection.board.boards import Board
from segpp.inspection.board.estimate import BoardEstimate, compare_sections
from segpp.inspection.board.from_checkpoint import estimate_checkpoint
from segpp.inspection.report import Report, Section, facts, giga, listed, patches_of, rows
from segpp.manifest import Architecture, ChannelSite, Distilled, ReductionSite, read_distilled
from segpp.manifest.dataclass_json import encode
from segpp.ops.grid import Size

__all__ = ["inspect_checkpoint"]

_NONE = "-"
_SIDES = {
    "q": "queries",
    "kv": "keys, values",
    "ffn": "feed-forward",
    "grid": "whole grid",
    "tokens": "all that follows",
    "patches": "patches of the image",
}

# What a reduction does at a size; for one that does not fit, why.
Outcome = tuple[ReductionSite, ...] | str


def inspect_checkpoint(
    path: Path,
    *,
    size: Size | None = None,
    asked: Mapping[str, ReductionChoice] | None = None,
    choices: ReadChoices | None = None,
    board: Board | None = None,
) -> Report:
    """Describe a checkpoint, and what each preset of its network does to it at ``size``.

    Args:
        path: A checkpoint file or a Hugging Face folder.
        size: Input in pixels; the checkpoint's own if not given, or the default.
        asked: Reductions to show besides the presets, by name.
        choices: How to read it, where it does not tell.
        board: Estimate what this board needs for each of them, too.

    Raises:
        CheckpointError: It cannot be read.
        InputError: The network does not take ``size``.
    """
    checkpoint = load_checkpoint(path, choices=choices)
    family = family_of(checkpoint.architecture)
    if size is None and checkpoint.size_note:
        checkpoint = replace(checkpoint, notes=(*checkpoint.notes, checkpoint.size_note))
    size = size or checkpoint.size or family.default_size
    family.check_size(size)
    # Presets merge tokens; channels have gates only where somebody asks.
    gates = {n: build_gates(choice.reduce, family.places) for n, choice in (asked or {}).items()}
    widths = family.channels(checkpoint.architecture)
    channels = {name: count_channels(one, widths) for name, one in gates.items() if one}
    presets = {n: _preset(family, checkpoint.architecture, n) for n in family.presets}
    refused = {n: why for n, why in presets.items() if isinstance(why, str)}
    configs = {n: config for n, config in presets.items() if not isinstance(config, str)}
    configs |= {
        name: family.reduction_config(choice, checkpoint.architecture)
        for name, choice in (asked or {}).items()
    }
    fitting = {n: _outcome(checkpoint.architecture, one, size) for n, one in configs.items()}
    outcomes = {**fitting, **refused}
    counts = {
        name: family.macs(checkpoint.architecture, size, sites, channels.get(name, ()))
        for name, sites in outcomes.items()
        if not isinstance(sites, str)
    }
    estimates = None
    if board is not None:
        counted = {name: config for name, config in configs.items() if name in counts}
        read = choices or ReadChoices()
        estimates = estimate_checkpoint(
            path, board, size=size, reductions=counted, gates=gates, choices=read
        )
    student = read_distilled(path, checkpoint.sha256)
    return Report(
        name=str(path),
        says=f"a {family.title} checkpoint of {checkpoint.format}",
        sections=(
            _network(checkpoint),
            *((_training(student),) if student else ()),
            _tokens(checkpoint.architecture, outcomes, size),
            _channels(channels),
            _macs(counts, size),
            facts("does not fit", {n: why for n, why in outcomes.items() if isinstance(why, str)}),
            facts("would not pay", _warnings(checkpoint.architecture, size, outcomes, channels)),
            _rewrites(family),
            # Last, where whoever asked for it looks.
            *(compare_sections(estimates, board) if estimates and board else ()),
        ),
        data={
            **_data(checkpoint, family, size, outcomes, counts),
            **_channels_data(channels),
            **({"distilled": encode(student)} if student else {}),
            **({"estimates": _estimates_data(estimates)} if estimates else {}),
        },
    )


def _preset(family: ModelFamily, architecture: Architecture, name: str) -> ReductionConfig | str:
    """Return what a preset does with a network, or why it does nothing with it."""
    try:
        return family.reduction_config(ReductionChoice(preset=name), architecture)
    except ReductionError as failure:
        return failure.problem.partition("\n")[0]


def _outcome(architecture: Architecture, config: ReductionConfig, size: Size) -> Outcome:
    try:
        grids = grids_of(architecture)(size, config)
        return count_tokens(config, grids, depths=architecture.depths)
    except ReductionError as failure:
        return failure.problem.partition("\n")[0]


def _network(checkpoint: Checkpoint) -> Section:
    shape, numerics = checkpoint.architecture, checkpoint.numeric_settings
    return facts(
        "network",
        {
            "architecture": shape.name,
            "format": checkpoint.format,
            "patches": patches_of(shape),
            "widths": listed(shape.dims),
            "blocks": listed(shape.depths),
            "heads": listed(shape.heads),
            "decode head": f"{shape.head}, {shape.decoder} channels",
            "channels": shape.channels,
            "classes": _classes(checkpoint),
            "parameters": f"{_parameters(checkpoint):,}",
            "numerics": ", ".join(f"{key} {value}" for key, value in numerics.items()),
            "made for": checkpoint.size,
            "mean, std": checkpoint.mean and f"{checkpoint.mean}, {checkpoint.std}",
            "ignored in it": _shortened(checkpoint.ignored),
            "notes": "; ".join(checkpoint.notes),
            "sha256": checkpoint.sha256,
        },
    )


def _training(student: Distilled) -> Section:
    """Return what the checkpoint was trained to bear, and should be exported with."""
    gates = (
        f"{one.stage}.{one.part}={gate_text(one.method, one.settings)}" for one in student.channels
    )
    before, after = student.before, student.after
    made_for = [*student.reduction, *gates] or ["all tokens"]
    has_labels = before.miou is not None and after.miou is not None
    agreed = f"{before.agreement:.2%} -> {after.agreement:.2%}"
    if student.kind == "policy":
        measured = {"accuracy": f"{agreed} of superpatches held back"}
    else:
        measured = {"agreement": f"{agreed} with its teacher"}
    return facts(
        student.done,
        {
            "from": f"{student.teacher.name} {student.teacher.sha256[:16]}…",
            "for": f"{' '.join(made_for)} at {student.size}",
            "match interval": student.match_interval,
            "steps": f"{student.steps:,}",
            "mIoU": f"{before.miou:.2%} -> {after.miou:.2%} held back" if has_labels else None,
            **measured,
        },
    )


def _tokens(architecture: Architecture, outcomes: Mapping[str, Outcome], size: Size) -> Section:
    # One that merges nothing would be a column of dashes.
    fitting = {n: sites for n, sites in outcomes.items() if sites and not isinstance(sites, str)}
    cells = [["site", "", "grid", "tokens", *fitting]]
    for site, grid in grids_of(architecture)(size, None).items():
        left = [_tokens_out(sites, site) for sites in fitting.values()]
        cells.append([str(site), _SIDES[site.side], str(grid), f"{grid.tokens:,}", *left])
    return rows(f"tokens left at {size}", cells, "lllr" + "r" * len(fitting))


def _tokens_out(sites: tuple[ReductionSite, ...], site: Site) -> str:
    out = {Site(one.stage, one.side): f"{one.tokens_out:,}" for one in sites}
    return out.get(site, _NONE)


def _channels(channels: Mapping[str, tuple[ChannelSite, ...]]) -> Section:
    cells = [["", "place", "method", "channels", "left"]]
    for name, sites in channels.items():
        for site in sites:
            place, left = f"{site.stage}.{site.part}", f"{site.channels_out:,}"
            cells.append([name, place, site.method, f"{site.channels_in:,}", left])
    return rows("channels left in a block", cells, "lllrr") if channels else Section("channels", "")


def _macs(counts: Mapping[str, Macs], size: Size) -> Section:
    first = next(iter(counts.values()))
    whole, stages = first.total, range(len(first.stages))
    lines = {
        **{f"stage {i + 1}": [c.stages[i].total for c in counts.values()] for i in stages},
        "head": [c.head.total for c in counts.values()],
        "total": [c.total for c in counts.values()],
    }
    attention = [sum(stage.attention for stage in c.stages) for c in counts.values()]
    cells = [
        ["", *counts],
        *([name, *map(giga, values)] for name, values in lines.items()),
        [f"of {next(iter(counts))}", *(f"{c.total / whole:.1%}" for c in counts.values())],
        ["attention", *map(giga, attention)],
    ]
    title = f"multiply-accumulates per image of {size} before exact rewrites, in billions"
    return rows(title, cells, "l" + "r" * len(counts))


def _warnings(
    architecture: Architecture,
    size: Size,
    outcomes: Mapping[str, Outcome],
    channels: Mapping[str, tuple[ChannelSite, ...]],
) -> dict[str, str]:
    return {
        name: "; ".join(
            (
                *cost_warnings(architecture, size, sites, channels.get(name, ())),
                *cost_advice(architecture, size, sites),
            )
        )
        for name, sites in outcomes.items()
        if not isinstance(sites, str)
    }


def _rewrites(family: ModelFamily) -> Section:
    cells = [["", *TARGETS, "meaning"]]
    for name, rewrite in ordered_rewrites(family.rewrites()).items():
        marks = ["yes" if target in rewrite.targets else _NONE for target in TARGETS]
        cells.append([name, *marks, rewrite.meaning])
    return rows("exact rewrites that the export makes, by target", cells, "l" * len(cells[0]))


def _data(
    checkpoint: Checkpoint,
    family: ModelFamily,
    size: Size,
    outcomes: Mapping[str, Outcome],
    counts: Mapping[str, Macs],
) -> dict[str, Any]:
    return {
        "format": checkpoint.format,
        "architecture": asdict(checkpoint.architecture),
        "numerics": checkpoint.numeric_settings,
        "parameters": _parameters(checkpoint),
        "classes": checkpoint.classes and checkpoint.classes.names,
        "sha256": checkpoint.sha256,
        "notes": checkpoint.notes,
        "ignored": checkpoint.ignored,
        "size": size,
        "reductions": {
            name: {"error": sites}
            if isinstance(sites, str)
            else {"sites": [asdict(site) for site in sites], "macs": _macs_data(counts[name])}
            for name, sites in outcomes.items()
        },
        "rewrites": {
            name: {"meaning": rewrite.meaning, "targets": rewrite.targets}
            for name, rewrite in ordered_rewrites(family.rewrites()).items()
        },
    }


def _channels_data(channels: Mapping[str, tuple[ChannelSite, ...]]) -> dict[str, Any]:
    told = {name: [asdict(site) for site in sites] for name, sites in channels.items()}
    return {"channels": told} if told else {}


def _estimates_data(estimates: Mapping[str, Mapping[str, BoardEstimate]]) -> dict[str, Any]:
    return {
        name: {precision: one.data() for precision, one in row.items()}
        for name, row in estimates.items()
    }


def _macs_data(counts: Macs) -> dict[str, Any]:
    return {**asdict(counts), "total": counts.total}


def _parameters(checkpoint: Checkpoint) -> int:
    # BatchNorm's running statistics are measured, not trained, and its counters are neither.
    trained = (
        tensor.numel()
        for name, tensor in checkpoint.state.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    return sum(trained)


def _classes(checkpoint: Checkpoint) -> str:
    count = checkpoint.architecture.classes
    if checkpoint.classes is None:
        return f"{count}, without names"
    return f"{count}: {_shortened(checkpoint.classes.names)}"


def _shortened(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, …"  # noqa: PLR2004 - about a line
