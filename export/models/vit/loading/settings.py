"""What stands beside the weights: heads, size, normalisation, numerics, from each codebase."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segpp.errors import CheckpointError
from segpp.export.models._common import hf_settings
from segpp.export.models._common.mm_settings import check_part, config_of, read_picture_settings
from segpp.export.models.vit.architecture import Head, Numerics
from segpp.export.models.vit.loading.eomt_config import CONFIG, EomtConfig, read_eomt_config
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.export.models.vit.loading.variant import VARIANT, Variant, read_variant
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.manifest import Origin, Resize
from segpp.ops.grid import Size

if TYPE_CHECKING:
    from segpp.export.checkpoints.weights import WeightsFile

__all__ = ["Settings", "read_settings"]

# What no shape shows, or what would change the computation: only these are exported.
_BACKBONE = {
    "act_cfg.type": "GELU",
    "norm_cfg.type": "LN",
    "with_cls_token": True,
    "output_cls_token": False,
    "patch_norm": False,
    "num_fcs": 2,
}
_HEADS: Mapping[Head, Mapping[str, Any]] = {
    "mask-transformer": {"act_cfg.type": "GELU"},
    "setr-naive": {"up_scale": 4, "num_convs": 1, "act_cfg.type": "ReLU"},
    "linear": {"num_convs": 0, "concat_input": False},
}
_PLAIN = "a plain Segmenter or SETR-naive"
_HALF = (127.5,) * 3
# Blocks where mmsegmentation's settings leave them out.
_DEPTH = 12
_SLIDE = "it is tested with a sliding window: segpp-eval --protocol slide"


@dataclass(frozen=True)
class Settings:
    """What was said; None where nothing was.

    Attributes:
        numerics: What its trainer's code computes with.
        heads: Of every attention.
        depth: Blocks.
        size: What it was trained on.
        mean: Per channel, in the order in which the network takes them.
        std: Likewise.
        colors: That order.
        fit: How a picture of another shape is brought to the size.
        padding: What lies beside a letterboxed picture.
        resize: The filter that pictures are resized by.
        reduce_labels: Whether label 0 counts for nothing.
        classes: Names of the classes.
        variant: What ``variant.yml`` says.
        schedule: Of a trained policy, as ``PlainViT.policy``.
        eomt: What ``config.json`` of an EoMT says.
        notes: What a person must know of it, one sentence each.
        origins: Of what does not come from a configuration.
    """

    numerics: Numerics
    heads: int | None = None
    depth: int | None = None
    size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colors: str | None = None
    fit: Literal["stretch", "letterbox"] | None = None
    padding: tuple[int, ...] | None = None
    resize: Resize | None = None
    reduce_labels: bool = False
    classes: tuple[str, ...] | None = None
    variant: Variant | None = None
    schedule: tuple[int, int] | None = None
    eomt: EomtConfig | None = None
    notes: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)


def read_settings(
    fmt: CheckpointFormat,
    head: Head,
    context: Mapping[str, Any],
    weights: "WeightsFile",
    path: Path,
    *,
    distilled: bool,
) -> Settings:
    """Return what stands beside the weights.

    Args:
        fmt: Whose code saved them.
        head: Of the network.
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
        return _of_transformers(numerics, weights, path, rotary=fmt.positions is None)
    return _of_mmsegmentation(numerics, head, context, path)


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
        notes=(*notes, *([_SLIDE] if variant.slides else [])),
        origins=origins,
    )


def _of_transformers(
    numerics: Numerics, weights: "WeightsFile", path: Path, *, rotary: bool
) -> Settings:
    said = read_eomt_config(weights.config, path, rotary=rotary)
    processor = weights.preprocessor
    found = hf_settings.normalisation_of(processor, said.channels, processor="Eomt")
    mean, std = found or (None, None)
    resize, unknown = hf_settings.resize_of(processor)
    named, gap = hf_settings.names_of(weights.config, said.classes or 0)
    # Beside a picture that is brought to the size lies black.
    padded = processor.get("do_pad") is True
    split = _SLIDE if processor.get("do_split_image") is True else None
    return Settings(
        numerics=replace(numerics, norm_eps=said.norm_eps),
        heads=said.heads,
        # The one shape that their code takes, whatever the processor makes of pictures.
        size=Size(said.side, said.side),
        mean=mean,
        std=std,
        colors=hf_settings.colors_of(processor),
        fit="letterbox" if padded else "stretch" if hf_settings.size_of(processor) else None,
        padding=(0,) * said.channels if padded else None,
        resize=resize,
        reduce_labels=type(processor.get("ignore_index")) is int,
        classes=None if named is None else tuple(named),
        eomt=said,
        notes=tuple(filter(None, (unknown, gap, split))),
    )


def _of_mmsegmentation(
    numerics: Numerics, head: Head, context: Mapping[str, Any], path: Path
) -> Settings:
    said = read_picture_settings(config_of(context))
    check_part(said.backbone, _BACKBONE, "backbone", path, plain=_PLAIN)
    check_part(said.head, _HEADS[head], "decode_head", path, plain=_PLAIN)
    depth = _count(said.backbone, "num_layers", path)
    heads = _count(said.backbone, "num_heads", path)
    _check_last_block(said.backbone, said.head, depth, path)
    if head == "mask-transformer":
        check_part(said.head, {"num_heads": heads}, "decode_head", path, plain=_PLAIN)
    return Settings(
        numerics=replace(
            numerics,
            norm_eps=_eps(said.backbone, "norm_cfg", numerics.norm_eps, path),
            head_norm_eps=_head_eps(said.head, head, numerics, path),
            position_resize=_position_resize(said.backbone, numerics, path),
            align_corners=said.align_corners,
        ),
        heads=heads,
        depth=depth,
        size=_size(said.backbone) or said.size,
        mean=said.mean,
        std=said.std,
        colors=said.colors,
        fit=said.fit,
        reduce_labels=said.reduce_labels,
        notes=said.notes,
    )


def _head_eps(given: Mapping[str, Any], head: Head, numerics: Numerics, path: Path) -> float:
    key = "norm_layer" if head == "setr-naive" else "norm_cfg"
    # A linear head has a norm of another kind in its settings, and uses none.
    usual = numerics.head_norm_eps
    return usual if head == "linear" else _eps(given, key, usual, path)


def _eps(given: Mapping[str, Any], key: str, usual: float, path: Path) -> float:
    norm = given.get(key)
    eps = norm.get("eps", usual) if isinstance(norm, Mapping) else usual
    if type(eps) in (int, float) and 0 < eps < 1:
        return float(eps)
    raise CheckpointError(f"{path} gives {key}.eps as {eps!r:.40}", "expected: a small number")


def _position_resize(
    given: Mapping[str, Any], numerics: Numerics, path: Path
) -> Literal["bilinear", "bicubic"]:
    mode = given.get("interpolate_mode", numerics.position_resize)
    if mode == "bilinear":
        return "bilinear"
    if mode == "bicubic":
        return "bicubic"
    raise CheckpointError(
        f"{path} gives interpolate_mode as {mode!r:.40}", "known: bilinear, bicubic"
    )


def _count(given: Mapping[str, Any], key: str, path: Path) -> int | None:
    value = given.get(key)
    if value is None or (type(value) is int and value > 0):
        return value
    raise CheckpointError(f"{path} gives {key} as {value!r:.40}", "expected: a whole number")


def _check_last_block(
    backbone: Mapping[str, Any], head: Mapping[str, Any], depth: int | None, path: Path
) -> None:
    """Raise CheckpointError unless the head reads the last block's tokens."""
    outputs, index = backbone.get("out_indices", -1), head.get("in_index", -1)
    outputs = [outputs] if type(outputs) is int else outputs
    try:
        read = outputs[index]
    except (TypeError, IndexError, KeyError):
        read = outputs
    if read not in (-1, (depth or _DEPTH) - 1):
        raise CheckpointError(
            f"{path} has a head that does not read the last block",
            f"out_indices {outputs!r:.60}, in_index {index!r:.60}, {depth or _DEPTH} blocks",
            hint=f"a changed network cannot be exported; give {_PLAIN}",
        )


def _size(backbone: Mapping[str, Any]) -> Size | None:
    size = backbone.get("img_size")
    sides = [size, size] if type(size) is int else size
    if (
        isinstance(sides, list | tuple)
        and len(sides) == 2  # noqa: PLR2004 - height, width
        and all(type(side) is int and side > 0 for side in sides)
    ):
        return Size(*sides)
    return None
