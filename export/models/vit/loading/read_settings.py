"""What stands beside the weights: heads, size, normalisation, numerics, from each codebase."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpp.errors import CheckpointError
from segpp.export.models._common import hf_settings
from segpp.export.models._common.hf_values import CONFIG
from segpp.export.models.vit.architecture import Head, Numerics
from segpp.export.models.vit.loading.dino_config import dino_notes, read_dino_config
from segpp.export.models.vit.loading.eomt_config import read_eomt_config
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.export.models.vit.loading.mm_settings import dinov2_settings, mmsegmentation_settings
from segpp.export.models.vit.loading.settings import SLIDE, Settings
from segpp.export.models.vit.loading.variant import VARIANT, Variant, read_variant
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.manifest import Origin
from segpp.ops.grid import Size

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.checkpoints.weights import WeightsFile

__all__ = ["read_settings"]

_HALF = (127.5,) * 3
# Processors whose defaults are ImageNet's begin so; of DINOv2's they are others.
_DEFAULTS, _NONE = "DINOv3", None


def read_settings(
    fmt: CheckpointFormat,
    head: Head,
    tensors: "Mapping[str, Tensor]",
    *,
    context: Mapping[str, Any],
    weights: "WeightsFile",
    path: Path,
    distilled: bool,
) -> Settings:
    """Return what stands beside the weights.

    Args:
        fmt: Whose code saved them.
        head: Of the network.
        tensors: Of the file.
        context: The entries around the state dict.
        weights: The file as read, with the JSON beside it.
        path: Of the file.
        distilled: Whether there is a distillation token.

    Raises:
        CheckpointError: It describes another network.
    """
    eps = fmt.head_norm_eps.get(head, fmt.numerics.head_norm_eps)
    numerics = replace(fmt.numerics, head_norm_eps=eps)
    if fmt.told_by == VARIANT:
        return _of_segmenter(numerics, path, distilled=distilled)
    if fmt.told_by == CONFIG:
        return _of_transformers(fmt, numerics, tensors, weights, path)
    if fmt.told_by == "nothing":
        return _of_original_eomt(numerics, tensors, path)
    if fmt.is_scaled:
        return dinov2_settings(_of_registers(fmt, numerics, tensors), head, context, path)
    return mmsegmentation_settings(numerics, head, context, path)


def _of_registers(
    fmt: CheckpointFormat, numerics: Numerics, tensors: "Mapping[str, Tensor]"
) -> Numerics:
    """Return numerics with the filter for positions that DINOv2 has with registers."""
    has = numerics.position_resize.startswith("bicubic") and fmt.registers in tensors
    return replace(numerics, position_resize="bicubic-antialias") if has else numerics


def _of_segmenter(numerics: Numerics, path: Path, *, distilled: bool) -> Settings:
    variant = read_variant(path)
    said = (variant or Variant()).normalization
    # The encoders of DeiT are those with a distillation token.
    is_deit = distilled if said is None else said == "deit"
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if is_deit else (_HALF, _HALF)
    notes, origins = [], dict[str, Origin]()
    if said is None:
        found = "has no normalization" if variant else "is not beside the checkpoint"
        whose = "ImageNet's, as DeiT's" if is_deit else "127.5, as ViT's"
        notes.append(f"{VARIANT} {found}: mean and std are assumed to be {whose} (--mean, --std)")
        origins = {"mean": "assumed", "std": "assumed"}
    variant = variant or Variant()
    return Settings(
        numerics=numerics,
        heads=variant.heads,
        depth=variant.depth,
        size=variant.size,
        mean=mean,
        std=std,
        colors="rgb",
        reduce_labels=variant.reduce_labels,
        variant=variant,
        schedule=variant.policy,
        notes=(*notes, *([SLIDE] if variant.slides else [])),
        origins=origins,
    )


def _of_transformers(
    fmt: CheckpointFormat,
    numerics: Numerics,
    tensors: "Mapping[str, Tensor]",
    weights: "WeightsFile",
    path: Path,
) -> Settings:
    rotary = fmt.positions is None
    if "mask-classification" in fmt.heads:
        return _of_eomt(numerics, weights, path, rotary=rotary)
    numerics = _of_registers(fmt, numerics, tensors)
    said = read_dino_config(weights.config, tensors, rotary=rotary)
    pictures, told = _pictures(
        weights, said.channels, said.classes or 0, processor=_DEFAULTS if rotary else _NONE
    )
    size = hf_settings.size_of(weights.preprocessor)
    named = None if size or rotary or not weights.config else Size(said.side, said.side)
    return replace(
        pictures,
        numerics=replace(numerics, norm_eps=said.norm_eps),
        heads=said.heads if weights.config else None,
        size=size or named,
        position_size=Size(said.side, said.side) if rotary or weights.config else None,
        fit="stretch" if size else None,
        rope_theta=said.rope_theta,
        unbiased=said.unbiased,
        config=said if weights.config else None,
        notes=(*told, *dino_notes(weights.config, fmt)),
    )


def _of_eomt(numerics: Numerics, weights: "WeightsFile", path: Path, *, rotary: bool) -> Settings:
    said = read_eomt_config(weights.config, path, rotary=rotary)
    processor = weights.preprocessor
    pictures, told = _pictures(weights, said.channels, said.classes or 0, processor="Eomt")
    # Beside a picture that is brought to the size lies black.
    padded = processor.get("do_pad") is True
    return replace(
        pictures,
        numerics=replace(numerics, norm_eps=said.norm_eps),
        heads=said.heads,
        # The one shape that their code takes, whatever the processor makes of pictures.
        size=Size(said.side, said.side),
        fit="letterbox" if padded else "stretch" if hf_settings.size_of(processor) else None,
        padding=(0,) * said.channels if padded else None,
        query_blocks=said.query_blocks,
        rope_theta=said.rope_theta,
        unbiased=said.unbiased,
        config=said,
        notes=(*told, *([SLIDE] if processor.get("do_split_image") is True else [])),
    )


def _pictures(
    weights: "WeightsFile", channels: int, classes: int, *, processor: str | None
) -> tuple[Settings, tuple[str, ...]]:
    """Return what the JSON says of pictures and classes, and what does not fit."""
    given = weights.preprocessor
    said = given if processor or {"image_mean", "image_std"} <= given.keys() else {}
    found = hf_settings.normalisation_of(said, channels, processor=processor or "")
    mean, std = found or (None, None)
    resize, unknown = hf_settings.resize_of(given)
    named, gap = hf_settings.names_of(weights.config, classes)
    settings = Settings(
        numerics=Numerics(0, 0, "bilinear"),
        mean=mean,
        std=std,
        colors=hf_settings.colors_of(given),
        resize=resize,
        reduce_labels=type(given.get("ignore_index")) is int,
        classes=None if named is None else tuple(named),
    )
    return settings, tuple(filter(None, (unknown, gap)))


def _of_original_eomt(numerics: Numerics, tensors: "Mapping[str, Tensor]", path: Path) -> Settings:
    """Return what the buffers of an EoMT tell, since nothing stands beside it."""
    probabilities = tensors.get("attn_mask_probs")
    if probabilities is None or probabilities.ndim != 1 or not len(probabilities):
        raise CheckpointError(
            f"{path} does not hold attn_mask_probs, one number for each block that queries pass",
            hint="save the whole state dict again",
        )
    mean, std = (_pixels(tensors.get(f"encoder.pixel_{key}")) for key in ("mean", "std"))
    return Settings(
        numerics=numerics, mean=mean, std=std, colors="rgb", query_blocks=len(probabilities)
    )


def _pixels(buffer: "Tensor | None") -> tuple[float, ...] | None:
    """Return a number for each channel from 0 to 255; those of the file are from 0 to 1."""
    if buffer is None or not bool(((buffer >= 0) & (buffer <= 1)).all()):
        return None
    return tuple(round(255 * value, 4) for value in buffer.flatten().tolist())
