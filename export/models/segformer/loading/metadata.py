"""What a checkpoint says about its classes and its input, as far as it is consistent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from segpp.export.models._common import hf_settings
from segpp.export.models._common.colors import turned
from segpp.export.models.segformer.loading.class_names import classes_of, reduces_labels
from segpp.export.models.segformer.loading.mm_config import TrainingConfig
from segpp.manifest import Architecture, Classes, Origin, Resize
from segpp.ops.grid import Size

__all__ = ["Metadata", "Sources", "read_metadata"]

# Keys and values live on a grid of one token per 32 pixels.
_CELL = 32
# Of streets, which most networks of this kind look at; width per height.
_USUAL_ASPECT = 2


_BGR = "trained on BGR: the first convolution is turned round, so that the file takes RGB"


_FRACTIONS = (
    "mean and std of the training configuration are those of pixels from 0 to 1, and are taken "
    "from pixels up to 255, as its own code does: see --mean and --std"
)


@dataclass(frozen=True)
class Sources:
    """Where a checkpoint may say something about its input and its classes.

    Attributes:
        context: The entries around the tensors.
        training: The training configuration inside.
        config: ``config.json``, empty without.
        preprocessor: ``preprocessor_config.json``, empty without.
        colors: The order of the channels, where the caller says it.
    """

    context: Mapping[str, Any]
    training: TrainingConfig
    config: Mapping[str, Any]
    preprocessor: Mapping[str, Any]
    colors: str | None = None


@dataclass(frozen=True)
class Metadata:
    """What stands in the file beside the weights; None where it says nothing.

    Attributes:
        mean: Per channel of RGB.
        std: Likewise.
        colors: The order that the network was trained on.
        origins: Where each comes from.
        notes: What a person must know of it, one sentence each.
        size_note: The same of the size, for who goes by it.
    """

    classes: Classes | None
    size: Size | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    colors: str | None
    fit: Literal["stretch", "letterbox"] | None
    resize: Resize | None
    reduce_labels: bool
    notes: tuple[str, ...]
    size_note: str | None
    origins: dict[str, Origin] = field(default_factory=dict)


def read_metadata(sources: Sources, architecture: Architecture) -> Metadata:
    """Collect what the wrappers of a state dict and the JSON beside it say.

    Args:
        sources: Where it may stand.
        architecture: What the weights say; where the two disagree, the weights are right.
    """
    notes: list[str] = []
    training, preprocessor = sources.training, sources.preprocessor
    meta = sources.context.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    colors = sources.colors or training.colors or hf_settings.colors_of(preprocessor)
    mean, std = _normalization(sources, architecture.channels, notes)
    resize, unknown = hf_settings.resize_of(preprocessor)
    notes += [unknown] if unknown else []
    notes += [_BGR] if colors == "bgr" else []
    size, fit, size_note = _size_and_fit(sources)
    classes = classes_of(meta, sources.config, architecture.classes, notes)
    said: dict[str, object] = {"mean": mean, "std": std, "resize": resize, "fit": fit, "size": size}
    said |= {"classes": classes, "colors": colors}
    return Metadata(
        classes=classes,
        size=size,
        mean=turned(mean) if mean and colors == "bgr" else mean,
        std=turned(std) if std and colors == "bgr" else std,
        colors=colors,
        fit=fit,
        resize=resize,
        reduce_labels=training.reduce_labels or reduces_labels(meta, preprocessor),
        notes=tuple(notes),
        size_note=size_note,
        origins={key: _origin(key, sources) for key, value in said.items() if value is not None},
    )


def _origin(key: str, sources: Sources) -> Origin:
    return "given" if key == "colors" and sources.colors else "config"


def _normalization(
    sources: Sources, channels: int, notes: list[str]
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return mean and std in the order in which the network takes its channels, both or neither."""
    if beside := hf_settings.normalisation_of(
        sources.preprocessor, channels, processor="Segformer"
    ):
        return beside
    if "image_mean" in sources.preprocessor:
        notes.append(f"the processor's mean and std do not fit {channels} channels: not used")
    mean, std = sources.training.mean, sources.training.std
    if not mean or not std:
        return None, None
    if len(mean) == len(std) == channels and min(std) > 0:
        notes += [_FRACTIONS] if max(std) < 1 else []
        return mean, std
    notes.append(
        f"mean and std of the training configuration ({len(mean)} and {len(std)} numbers) do not "
        f"fit {channels} channels: not used"
    )
    return None, None


def _size_and_fit(
    sources: Sources,
) -> tuple[Size | None, Literal["stretch", "letterbox"] | None, str | None]:
    if edge := hf_settings.short_edge_of(sources.preprocessor):
        sides = (edge, edge * _USUAL_ASPECT)
        usual = Size(*(max(1, round(side / _CELL)) * _CELL for side in sides))
        note = (
            f"the processor fixes the shorter side alone, at {edge}: {usual} is one shape of many "
            "(--size)"
        )
        return usual, "letterbox", note
    if fixed := hf_settings.size_of(sources.preprocessor):
        return fixed, "stretch", None
    return _resolution(sources.context) or sources.training.size, sources.training.fit, None


def _resolution(context: Mapping[str, Any]) -> Size | None:
    info = context.get("additional_info")
    value = info.get("image_resolution") if isinstance(info, Mapping) else None
    if isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004 - width, height
        width, height = value
        if type(width) is int and type(height) is int and min(width, height) > 0:
            return Size(height, width)
    return None
