"""What a training configuration of mmsegmentation says of a plain ViT."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from segpp.errors import CheckpointError
from segpp.export.models._common.mm_settings import check_part, config_of, read_picture_settings
from segpp.export.models.vit.architecture import Head, Numerics
from segpp.export.models.vit.loading.settings import Settings
from segpp.ops.grid import Size

__all__ = ["dinov2_settings", "mmsegmentation_settings"]

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
    "setr-pup": {"kernel_size": 3, "act_cfg.type": "ReLU"},
    "linear": {"num_convs": 0, "concat_input": False},
}
_PLAIN = "a plain Segmenter, SETR-naive or SETR-PUP"
_PLAIN_DINOV2 = "DINOv2 under a linear head on its last block"
# Upsamplings of a published PUP, each to the twofold: four make a pixel of a patch's sixteen.
_UPSAMPLINGS, _UP_SCALE = 4, 2
# Blocks where mmsegmentation's settings leave them out, and what a SETR's head does likewise.
_DEPTH, _USUAL_SCALE = 12, 4


def mmsegmentation_settings(
    numerics: Numerics, head: Head, context: Mapping[str, Any], path: Path
) -> Settings:
    """Return what the configuration says of mmsegmentation's own VisionTransformer.

    Args:
        numerics: Where it says nothing.
        head: Of the network.
        context: The entries around the state dict.
        path: Of the file, for messages.

    Raises:
        CheckpointError: It describes another network.
    """
    said = read_picture_settings(config_of(context))
    check_part(said.backbone, _BACKBONE, "backbone", path, plain=_PLAIN)
    check_part(said.head, _HEADS[head], "decode_head", path, plain=_PLAIN)
    depth = _count(said.backbone, "num_layers", path)
    heads = _count(said.backbone, "num_heads", path)
    _check_last_block(said.backbone, said.head, depth, path)
    if head == "mask-transformer":
        check_part(said.head, {"num_heads": heads}, "decode_head", path, plain=_PLAIN)
    if head == "setr-pup":
        _check_upsampling(said.head, path)
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


def dinov2_settings(
    numerics: Numerics, head: Head, context: Mapping[str, Any], path: Path
) -> Settings:
    """Return what the configuration says of DINOv2's encoder; the arguments are as above.

    Raises:
        CheckpointError: It describes another network.
    """
    said = read_picture_settings(config_of(context))
    read = _one(said.head, "in_index", -1, path)
    outputs = said.backbone.get("out_indices", -1)
    expected = {"resize_factors": None, **(_HEADS["linear"] if head == "linear" else {})}
    check_part(said.head, expected, "decode_head", path, plain=_PLAIN_DINOV2)
    return Settings(
        numerics=replace(numerics, align_corners=said.align_corners),
        heads=_count(said.backbone, "num_heads", path),
        depth=_count(said.backbone, "depth", path),
        read_block=_read_block(outputs, read, path),
        size=said.size,
        position_size=_size(said.backbone),
        mean=said.mean,
        std=said.std,
        colors=said.colors,
        fit=said.fit,
        reduce_labels=said.reduce_labels,
        notes=said.notes,
    )


def _one(given: Mapping[str, Any], key: str, usual: int, path: Path) -> int:
    """Return a number that may stand alone in a list."""
    value = given.get(key, usual)
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) == 1 and type(values[0]) is int:
        return values[0]
    raise CheckpointError(
        f"{path} is of a network with the decode_head's {key} {value!r:.80}",
        "expected: one of the blocks; heads that see several are not read",
        hint=f"a changed network cannot be exported; give {_PLAIN_DINOV2}",
    )


def _read_block(outputs: object, index: int, path: Path) -> int:
    """Return the block that a head reads; -1 is the last."""
    blocks: Sequence[Any] = outputs if isinstance(outputs, list | tuple) else [outputs]
    if -len(blocks) <= index < len(blocks) and type(block := blocks[index]) is int:
        return block
    raise CheckpointError(
        f"{path} has a head that reads none of the blocks that its encoder gives",
        f"out_indices {outputs!r:.60}, in_index {index}",
    )


def _check_upsampling(head: Mapping[str, Any], path: Path) -> None:
    """Raise CheckpointError unless the configuration says what is computed, where there is one.

    What it leaves out has mmsegmentation's default, which no PUP has.
    """
    if not head:
        return
    found = (head.get("num_convs", 1), head.get("up_scale", _USUAL_SCALE))
    if found != (_UPSAMPLINGS, _UP_SCALE):
        raise CheckpointError(
            f"{path} is of a network with the decode_head's num_convs, up_scale {found!r:.60}",
            f"expected: {_UPSAMPLINGS}, {_UP_SCALE}",
            "found in the training configuration inside",
            hint=f"a changed network cannot be exported; give {_PLAIN}",
        )


def _head_eps(given: Mapping[str, Any], head: Head, numerics: Numerics, path: Path) -> float:
    key = "norm_layer" if head in {"setr-naive", "setr-pup"} else "norm_cfg"
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
