"""What is wrong with a config whatever its checkpoint holds, told before torch is imported."""

from collections.abc import Iterable
from math import inf
from pathlib import Path

from segpp.errors import InputError, OutputError, ReductionError
from segpp.export.checkpoints.check_weights import check_weights
from segpp.export.checkpoints.choices import check_choices
from segpp.export.config import gates_of, reduction_of
from segpp.export.models.base import ModelFamily, check_with_any, families_for
from segpp.export.reduction.config import count_tokens
from segpp.export.reduction.gates.config import check_beside
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.images.fit import FITS
from segpp.train.config import (
    DEVICES,
    PRECISIONS,
    DistillConfig,
    FineTuneConfig,
    PolicyConfig,
    TrainingConfig,
)
from segpp.utils.choices import check_choice
from segpp.utils.files import check_writable, manifest_path
from segpp.utils.overwrite import check_output_file

__all__ = ["check_config", "check_not_a_picture", "nothing_to_win_back"]

_MOST_BATCH = 1024
_LEAST_HELD, _MOST_HELD = 0.01, 0.9
_MOST_ALONE = 0.9
# Beyond, masks are one-hot or even, and their divergence is nothing or no number.
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 0.01, 100


def check_config(config: TrainingConfig) -> None:
    """Raise InputError for names, numbers and files that no checkpoint could make right."""
    check_choice(config.device, DEVICES, kind="device")
    check_choice(config.precision, PRECISIONS, kind="precision")
    if config.fit is not None:
        check_choice(config.fit, FITS, kind="fit")
    check_choices(config.choices)
    families_for(config.choices.checkpoint_format)
    _check_numbers(config)
    check_weights(config.checkpoint)
    if isinstance(config, PolicyConfig) and config.weights is not None:
        check_weights(config.weights)
    check_with_any(lambda family: _check_reduction(family, config))
    _check_output(config)


def check_not_a_picture(out: Path, pictures: Iterable[Path], *, kind: str = "pictures") -> None:
    """Raise OutputError if a picture would be replaced by the student, whatever was asked for."""
    if out.exists() and any(picture.samefile(out) for picture in pictures if picture.exists()):
        raise OutputError(f"{out} is one of the {kind}", hint="write to another file")


def nothing_to_win_back() -> ReductionError:
    """Return the error for a student that has all that its teacher has."""
    return ReductionError(
        "no tokens are merged and no channels left out, so there is nothing to win back",
        hint="say what the export is going to do: --preset fast, --ratio or --reduce",
    )


def _check_numbers(config: TrainingConfig) -> None:
    if config.minutes is not None and config.steps is not None:
        raise InputError("`minutes` and `steps` both say how long to train", hint="give one")
    if config.minutes is None and config.steps is None:
        raise InputError("neither `minutes` nor `steps` says how long to train", hint="give one")
    if isinstance(config, DistillConfig):
        _check_weights(config)
    bounds: dict[str, tuple[float | None, float, float]] = {
        "minutes": (config.minutes, 0, inf),
        "steps": (config.steps, 1, inf),
        "batch": (config.batch, 1, _MOST_BATCH),
        "learning_rate": (config.learning_rate, 0, 1),
        "held_back": (config.held_back, _LEAST_HELD, _MOST_HELD),
    }
    if isinstance(config, DistillConfig):
        bounds["stages_alone"] = (config.stages_alone or None, 0, _MOST_ALONE)
    if isinstance(config, DistillConfig | FineTuneConfig):
        bounds["temperature"] = (config.temperature, _LEAST_TEMPERATURE, _MOST_TEMPERATURE)
    for name, (value, least, most) in bounds.items():
        if value is not None and not (least <= value <= most and value > 0):
            raise InputError(f"`{name}={value:g}`", f"expected: {_range(least, most)}")
    if isinstance(config, FineTuneConfig) and config.temperature != 1 and not config.distil_weight:
        raise InputError(
            f"`temperature={config.temperature:g}` is of the divergence from the teacher, and "
            "`distil_weight` is 0",
            hint="`distil_weight=1`",
        )


def _check_weights(config: DistillConfig) -> None:
    if not config.mask_weight + config.stage_weight:
        raise InputError("`mask_weight` and `stage_weight` are both 0: nothing is to be learned")
    if config.stages_alone and not config.stage_weight:
        raise InputError(
            f"`stages_alone={config.stages_alone:g}` and `stage_weight=0`: "
            "at first nothing is learned"
        )


def _range(least: float, most: float) -> str:
    if most == inf:
        return f"at least {least:g}" if least else "more than 0"
    return f"{least:g} to {most:g}" if least else f"more than 0, up to {most:g}"


def _check_reduction(family: ModelFamily, config: TrainingConfig) -> None:
    reduction = reduction_of(config.export, family)
    gates = gates_of(config.export, family)
    check_beside(gates, reduction)
    if config.gate_weight is not None and not any(
        isinstance(g, DynamicGate) for g in gates.values()
    ):
        raise InputError(
            f"`gate_weight={config.gate_weight:g}` and no channels that each image chooses",
            hint=f"it goes with gates as 3.hidden={DynamicGate.name}:keep=0.5",
        )
    is_whole = not reduction and not any(gate.keep < 1 for gate in gates.values())
    if is_whole and config.must_reduce:
        raise nothing_to_win_back()
    if config.size is not None:
        family.check_size(config.size)
        count_tokens(reduction, family.grids(config.size, reduction))


def _check_output(config: TrainingConfig) -> None:
    out, source = config.out, config.checkpoint
    if out.exists() and out.samefile(source):
        raise OutputError(f"{out} is the {config.origin} itself", hint="write to another file")
    if config.writes_folder:
        _check_folder(config)
    else:
        check_output_file(out, "checkpoint", inputs=[source], force=config.force)
    check_output_file(
        manifest_path(out), config.kind, inputs=[source, config.resume], force=config.force
    )
    check_writable(config.resume)


def _check_folder(config: TrainingConfig) -> None:
    """Raise OutputError unless a folder can be written: a new one, or one that segpp wrote."""
    out = config.out
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file, and {config.checkpoint} a folder")
    if out.is_dir() and out.resolve() in config.checkpoint.resolve().parents:
        raise OutputError(f"{out} holds the {config.origin}", hint="write to another folder")
    is_foreign = out.is_dir() and any(out.iterdir()) and not manifest_path(out).is_file()
    if is_foreign and not config.force:
        raise OutputError(
            f"{out} exists, and is not a checkpoint that segpp wrote",
            hint="name another folder, or replace files in this one: --force (force=True)",
        )
    check_writable(out.with_name(f"{out.name}.part"))
