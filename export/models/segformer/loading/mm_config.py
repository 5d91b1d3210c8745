"""What a training configuration of mmsegmentation, stored in the checkpoint, says of the masks.

Two generations write it: 0.x normalises in its pipelines and names data sets under ``data``, 1.x
normalises in a ``data_preprocessor`` and names data loaders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segpp.errors import CheckpointError
from segpp.export.checkpoints.python_config import PythonConfig
from segpp.export.models._common.mm_settings import (
    check_part,
    config_of,
    read_picture_settings,
)
from segpp.export.models.segformer.architecture import FFN_RATIO, SR_RATIOS, STAGES
from segpp.ops.grid import Size

__all__ = ["TrainingConfig", "config_of", "read_training_config"]

# What no shape shows, or what would change the computation: only these are exported.
_BACKBONE = {
    "strides": [4, 2, 2, 2],
    "patch_sizes": [7, 3, 3, 3],
    "sr_ratios": list(SR_RATIOS),
    "mlp_ratio": FFN_RATIO,
    "out_indices": list(range(STAGES)),
    "act_cfg.type": "GELU",
    "norm_cfg.eps": 1e-6,
}
_HEAD = {
    "in_index": list(range(STAGES)),
    "interpolate_mode": "bilinear",
    "act_cfg.type": "ReLU",
    "norm_cfg.eps": 1e-5,
    "threshold": 0.5,
}


@dataclass(frozen=True)
class TrainingConfig:
    """What the configuration says; None where it says nothing.

    Attributes:
        mean: Per channel, in the order in which the network takes them.
        std: Likewise.
        colors: That order.
        align_corners: How the head resizes its levels and the logits.
        fit: How a picture of another shape is brought to the input's size in tests.
        notes: What a person must know of it, one sentence each.
    """

    heads: tuple[int, ...] | None = None
    depths: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colors: str | None = None
    align_corners: bool = False
    size: Size | None = None
    fit: Literal["stretch", "letterbox"] | None = None
    reduce_labels: bool = False
    notes: tuple[str, ...] = ()


def read_training_config(config: PythonConfig, path: Path) -> TrainingConfig:
    """Return what ``config`` says of how masks are computed.

    Raises:
        CheckpointError: It describes another network than a SegFormer.
    """
    said = read_picture_settings(config)
    check_part(said.backbone, _BACKBONE, "backbone", path, plain="a plain SegFormer")
    check_part(said.head, _HEAD, "decode_head", path, plain="a plain SegFormer")
    return TrainingConfig(
        heads=_heads(said.backbone, path),
        depths=_depths(said.backbone),
        mean=said.mean,
        std=said.std,
        colors=said.colors,
        align_corners=said.align_corners,
        size=said.size,
        fit=said.fit,
        reduce_labels=said.reduce_labels,
        notes=said.notes,
    )


def _heads(backbone: Mapping[str, Any], path: Path) -> tuple[int, ...] | None:
    heads = backbone.get("num_heads")
    if heads is None:
        return None
    if _is_list(heads) and len(heads) == STAGES and all(type(h) is int and h > 0 for h in heads):
        return tuple(heads)
    raise CheckpointError(
        f"{path} gives the attention heads as {heads!r:.80}",
        f"expected: {STAGES} whole numbers in num_heads of the training configuration inside",
        hint="say them: --heads 1,2,5,8",
    )


def _depths(backbone: Mapping[str, Any]) -> tuple[int, ...] | None:
    layers = _list(backbone.get("num_layers"))
    return tuple(layers) if layers and all(type(count) is int for count in layers) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _list(value: Any) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else ()
