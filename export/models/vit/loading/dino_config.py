"""``config.json`` of DINOv2 or DINOv3, which transformers writes beside its weights.

It says what no shape shows, and much that the weights show too: where the two disagree it is
another network's, and nothing is exported. What it leaves out has the value that transformers'
``Dinov2Config``, ``Dinov2WithRegistersConfig`` or ``DINOv3ViTConfig`` gives it.
"""
# ruff: noqa: PLC0415 - formats and their settings are known without torch

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpp.errors import CheckpointError
from segpp.export.models._common.hf_values import (
    CONFIG,
    GELU,
    classes_in,
    count_in,
    eps_in,
    number_in,
    wrong,
)
from segpp.export.models.vit.architecture import Ffn, shape_of
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DinoConfig",
    "check_dino_config",
    "check_turning",
    "dino_notes",
    "ffn_in",
    "hidden_in",
    "read_dino_config",
    "theta_in",
    "unbiased_in",
    "with_biases",
]


# By model_type: patch, blocks, heads, channels, registers, epsilon of norms.
_USUAL = {
    "dinov2": (14, 12, 12, 768, 0, 1e-6),
    "dinov2_with_registers": (16, 12, 12, 768, 4, 1e-6),
    "dinov3_vit": (16, 12, 6, 384, 0, 1e-5),
}
_ROTARY = ("dinov3_vit",)
_SIDE, _RATIO, _HIDDEN = 224, 4, 1536
_KEYS = "attention.k_proj"
# What may have no biases in a network over DINOv3, and what does unless the file says otherwise.
_BIASES = {
    "query_bias": (("attention.q_proj",), True),
    "key_bias": (("attention.k_proj",), False),
    "value_bias": (("attention.v_proj",), True),
    "proj_bias": (("attention.o_proj",), True),
    "mlp_bias": (("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"), True),
}
_THETA = 100.0
# Channels of a head turn in pairs, half of them by the row.
_TURNED_TOGETHER = 4
# SwiGLU has two thirds of the channels, a multiple of this.
_SWIGLU_STEP = 8


@dataclass(frozen=True)
class DinoConfig:
    """What the file says.

    Attributes:
        dim: Channels of a token.
        depth: Blocks.
        heads: Of every attention.
        registers: Tokens between that of the class and the patches.
        side: Of the images, which are squares.
        patch: Side of a patch.
        channels: Of an image.
        hidden: Between the layers of a feed-forward part.
        ffn: What lies there.
        norm_eps: Of the norms.
        classes: K, None where nothing tells.
        rope_theta: Of rotary positions; 0 of learned ones.
        unbiased: Layers of a block that have no biases.
    """

    dim: int
    depth: int
    heads: int
    registers: int
    side: int
    patch: int
    channels: int
    hidden: int
    ffn: Ffn
    norm_eps: float
    classes: int | None
    rope_theta: float = 0.0
    unbiased: tuple[str, ...] = ()


def read_dino_config(
    config: Mapping[str, Any], names: Collection[str], *, rotary: bool
) -> DinoConfig:
    """Return what ``config.json`` says.

    Args:
        config: What it holds; without one what every released network has.
        names: Of the tensors, which without one tell whether keys have biases.
        rotary: Whether the weights are of DINOv3.

    Raises:
        CheckpointError: It is another network's, or a value is none that is computed.
    """
    kinds = tuple(kind for kind in _USUAL if (kind in _ROTARY) == rotary)
    kind = config.get("model_type", kinds[0])
    if kind not in kinds:
        raise wrong("model_type", kind, " or ".join(kinds))
    patch, depth, heads, dim, registers, eps = _USUAL[kind]
    dim, heads = (
        count_in(config, "hidden_size", dim),
        count_in(config, "num_attention_heads", heads),
    )
    depth = count_in(config, "num_hidden_layers", depth)
    ffn = _gates_in(config) if rotary else ffn_in(config)
    if rotary:
        check_turning(dim, heads)
    _check_computed(config, "silu" if rotary and ffn == "swiglu" else "gelu", depth)
    return DinoConfig(
        dim=dim,
        depth=depth,
        heads=heads,
        registers=count_in(config, "num_register_tokens", registers, least=0),
        side=_side(config, "image_size", _SIDE),
        patch=_side(config, "patch_size", patch),
        channels=count_in(config, "num_channels", 3),
        hidden=(
            count_in(config, "intermediate_size", _HIDDEN)
            if rotary
            else hidden_in(dim, number_in(config, "mlp_ratio", _RATIO), ffn)
        ),
        ffn=ffn,
        norm_eps=eps_in(config, eps),
        classes=classes_in(config),
        rope_theta=theta_in(config) if rotary else 0.0,
        unbiased=_unbiased(config, names) if rotary else (),
    )


def check_dino_config(said: DinoConfig, architecture: Architecture, grid: Grid, path: Path) -> None:
    """Raise CheckpointError if ``config.json`` describes another network than the weights.

    Args:
        said: What it says.
        architecture: What the weights show.
        grid: Of their positions.
        path: Of the weights, for messages.
    """
    shape, side = shape_of(architecture), said.side // said.patch
    rotary = bool(said.rope_theta)
    gates, hidden = (
        ("use_gated_mlp", "intermediate_size") if rotary else ("use_swiglu_ffn", "mlp_ratio")
    )
    found: dict[str, tuple[object, object]] = {
        "hidden_size": (said.dim, architecture.dims[0]),
        "num_hidden_layers": (said.depth, len(architecture.depths)),
        "num_channels": (said.channels, architecture.channels),
        "patch_size": (said.patch, shape.patch),
        "image_size": (f"{side**2} patches", f"{side**2 if rotary else grid.tokens} patches"),
        "num_register_tokens": (said.registers, shape.prefix - 1),
        gates: (said.ffn == "swiglu", shape.ffn == "swiglu"),
        hidden: (f"{said.hidden} channels", f"{shape.hidden} channels"),
        "id2label": (said.classes or architecture.classes, architecture.classes),
    }
    for key, (says, has) in found.items():
        if says != has:
            raise CheckpointError(
                f"{CONFIG} beside {path} is of another network than its weights",
                f"{key}: it says {says}, and the weights have {has}",
                hint="put the file that was written with these weights beside them",
            )


def dino_notes(config: Mapping[str, Any], fmt: CheckpointFormat) -> tuple[str, ...]:
    """Return what a person must know of what was assumed, one sentence each.

    Args:
        config: What ``config.json`` holds; empty without one.
        fmt: With the form of the classifier in the file.
    """
    notes = []
    if not config:
        turns = "" if fmt.positions else " and theta of 100"
        eps = _USUAL[_ROTARY[0] if fmt.positions is None else "dinov2"][-1]
        notes.append(f"{CONFIG} is not beside it: an epsilon of {eps:g}{turns} is assumed")
    classifier = fmt.heads["linear"][-1]
    if classifier.form == "same":
        notes.append(
            f"{classifier.key('weight')} is a matrix, which could be of a network that classifies "
            "whole images: it is taken to classify each patch"
        )
    return tuple(notes)


def with_biases(
    tensors: "Mapping[str, Tensor]", unbiased: tuple[str, ...], path: Path
) -> "dict[str, Tensor]":
    """Return the tensors of a file with zeros for the biases that its network does without.

    Raises:
        CheckpointError: One of these biases is there.
    """
    import torch

    zeros = {}
    for name, weight in tensors.items():
        layer, leaf = name.rpartition(".")[::2]
        if leaf != "weight" or not layer.endswith(tuple(f".{one}" for one in unbiased)):
            continue
        if f"{layer}.bias" in tensors:
            raise CheckpointError(
                f"{CONFIG} beside {path} is of another network than its weights",
                f"{layer}.bias: it says that there is none, and the weights have it",
                hint="put the file that was written with these weights beside them",
            )
        zeros[f"{layer}.bias"] = torch.zeros(weight.shape[:1])
    return {**tensors, **zeros}


def _check_computed(config: Mapping[str, Any], activation: str, depth: int) -> None:
    """Raise CheckpointError unless the file describes what is computed here."""
    known = GELU if activation == "gelu" else (activation, "swish")
    # Where a SwiGLU has its own, nobody reads hidden_act.
    if (given := config.get("hidden_act", activation)) not in known and not config.get(
        "use_swiglu_ffn"
    ):
        raise wrong("hidden_act", given, " or ".join(known))
    for key in ("qkv_bias", "apply_layernorm"):
        if (value := config.get(key, True)) is not True:
            raise wrong(key, value, "true")
    last = f"stage{depth}"
    if (value := config.get("out_features") or [last]) != [last]:
        raise wrong("out_features", value, f"{[last]!r}: heads of the last block alone are read")
    classes = config.get("architectures")
    for name in classes if isinstance(classes, list | tuple) else [classes]:
        if str(name).endswith("ForImageClassification"):
            raise wrong("architectures", name, "a network for segmentation, with masks to learn")


def _gates_in(config: Mapping[str, Any]) -> Ffn:
    value = config.get("use_gated_mlp", False)
    if type(value) is bool:
        return "swiglu" if value else "gelu"
    raise wrong("use_gated_mlp", value, "true or false")


def _side(config: Mapping[str, Any], key: str, usual: int) -> int:
    value = config.get(key, usual)
    sides = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(sides) == 2 and sides[0] == sides[1]:  # noqa: PLR2004 - height, width
        return count_in({key: sides[0]}, key, usual)
    raise wrong(key, value, "one side of a square")


def _unbiased(config: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    if config:
        return unbiased_in(config)
    has = any(name.endswith(f".{_KEYS}.bias") for name in names)
    return () if has else (_KEYS,)


def check_turning(dim: int, heads: int) -> None:
    """Raise CheckpointError unless heads can turn by rotary positions."""
    if dim % (heads * _TURNED_TOGETHER):
        raise wrong("num_attention_heads", heads, f"heads of {dim} channels that turn by fours")


def theta_in(config: Mapping[str, Any]) -> float:
    """Return how fast rotary positions turn."""
    # As transformers reads them: either object, and what it lacks from beside it.
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        raise wrong("rope_parameters", rope, "an object")
    for key in ("rope_type", "type"):
        if (kind := rope.get(key, "default")) != "default":
            raise wrong(key, kind, "default")
    return number_in(rope if "rope_theta" in rope else config, "rope_theta", _THETA)


def unbiased_in(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the layers of a block over DINOv3 that have no biases."""
    found: list[str] = []
    for key, (layers, usual) in _BIASES.items():
        if type(value := config.get(key, usual)) is not bool:
            raise wrong(key, value, "true or false")
        found += () if value else layers
    return tuple(found)


def ffn_in(config: Mapping[str, Any]) -> Ffn:
    """Return what lies between the layers of DINOv2's feed-forward parts."""
    value = config.get("use_swiglu_ffn", False)
    if type(value) is bool:
        return "swiglu" if value else "gelu"
    raise wrong("use_swiglu_ffn", value, "true or false")


def hidden_in(dim: int, ratio: float, ffn: Ffn) -> int:
    """Return the channels there."""
    hidden = int(dim * ratio)
    if ffn == "gelu":
        return hidden
    return (int(hidden * 2 / 3) + _SWIGLU_STEP - 1) // _SWIGLU_STEP * _SWIGLU_STEP
