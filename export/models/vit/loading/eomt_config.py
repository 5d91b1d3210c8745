"""``config.json`` of an EoMT over DINOv2 or DINOv3, which transformers writes beside its weights.

It says what no shape shows, heads and the blocks that queries pass, and much that the weights show
too: where the two disagree it is another network's, and nothing is exported. What it leaves out has
the value that transformers' ``EomtConfig`` or ``EomtDinov3Config`` gives it.
"""
# ruff: noqa: PLC0415 - formats and their settings are known without torch

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpp.errors import CheckpointError
from segpp.export.models.vit.architecture import Ffn, shape_of
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CONFIG",
    "EomtConfig",
    "check_eomt_config",
    "check_unmasked",
    "read_eomt_config",
    "with_biases",
]

CONFIG = "config.json"

_LEARNED, _ROTARY = "eomt", "eomt_dinov3"
# What may have no biases in a network over DINOv3, and what does unless the file says otherwise.
_BIASES = {
    "query_bias": (("attention.q_proj",), True),
    "key_bias": (("attention.k_proj",), False),
    "value_bias": (("attention.v_proj",), True),
    "proj_bias": (("attention.o_proj",), True),
    "mlp_bias": (("mlp.up_proj", "mlp.down_proj"), True),
}
_THETA = 100.0
# Channels of a head turn in pairs, half of them by the row.
_TURNED_TOGETHER = 4
# Names of the same function of transformers.
_GELU = ("gelu", "gelu_python")
_MASKS = "attn_mask_probs"
# SwiGLU has two thirds of the channels, a multiple of this.
_SWIGLU_STEP = 8


@dataclass(frozen=True)
class EomtConfig:
    """What the file says.

    Attributes:
        dim: Channels of a token.
        depth: Blocks.
        heads: Of every attention.
        query_blocks: The last blocks, which queries pass.
        queries: How many these are.
        registers: Tokens between that of the class and the patches.
        upscalings: Of the head.
        side: Of the images, which are squares.
        patch: Side of a patch.
        channels: Of an image.
        hidden: Between the layers of a feed-forward part.
        ffn: What lies there.
        norm_eps: Of the norms but those of the upscalings.
        classes: K, None where nothing tells.
        rope_theta: Of rotary positions; 0 of learned ones.
        unbiased: Layers of a block that have no biases.
    """

    dim: int
    depth: int
    heads: int
    query_blocks: int
    queries: int
    registers: int
    upscalings: int
    side: int
    patch: int
    channels: int
    hidden: int
    ffn: Ffn
    norm_eps: float
    classes: int | None
    rope_theta: float = 0.0
    unbiased: tuple[str, ...] = ()


def read_eomt_config(config: Mapping[str, Any], path: Path, *, rotary: bool) -> EomtConfig:
    """Return what ``config.json`` says.

    Args:
        config: What it holds; empty without one.
        path: Of the weights, for messages.
        rotary: Whether the weights are of a network over DINOv3.

    Raises:
        CheckpointError: There is none, it is another network's, or a value is none that is
            computed.
    """
    if not config:
        raise CheckpointError(
            f"{path} is an EoMT without its {CONFIG}",
            "no name or shape tells its heads, and before which block its queries join",
            hint="give the folder that save_pretrained wrote, or model.safetensors inside it",
        )
    _check_kind(config, _ROTARY if rotary else _LEARNED)
    depth, blocks = _count(config, "num_hidden_layers", 24), _count(config, "num_blocks", 4)
    if blocks > depth:
        raise _wrong("num_blocks", blocks, f"at most {depth}, as num_hidden_layers says")
    side, patch = _count(config, "image_size", 640), _count(config, "patch_size", 16)
    if side % patch:
        raise _wrong("image_size", side, f"a multiple of the {patch} pixels of a patch")
    dim, heads = _count(config, "hidden_size", 1024), _count(config, "num_attention_heads", 16)
    ffn: Ffn = "gelu" if rotary else _ffn(config)
    if rotary:
        _check_turning(config, dim, heads)
    return EomtConfig(
        dim=dim,
        depth=depth,
        heads=heads,
        query_blocks=blocks,
        queries=_count(config, "num_queries", 200),
        registers=_count(config, "num_register_tokens", 4, least=0),
        upscalings=_count(config, "num_upscale_blocks", 2, least=0),
        side=side,
        patch=patch,
        channels=_count(config, "num_channels", 3),
        hidden=(
            _count(config, "intermediate_size", 4096)
            if rotary
            else _hidden(dim, _number(config, "mlp_ratio", 4), ffn)
        ),
        ffn=ffn,
        norm_eps=_eps(config),
        classes=_classes(config),
        rope_theta=_theta(config) if rotary else 0.0,
        unbiased=_unbiased(config) if rotary else (),
    )


def check_eomt_config(said: EomtConfig, architecture: Architecture, grid: Grid, path: Path) -> None:
    """Raise CheckpointError if ``config.json`` describes another network than the weights.

    Args:
        said: What it says.
        architecture: What the weights show.
        grid: Of their positions.
        path: Of the weights, for messages.
    """
    shape, side = shape_of(architecture), said.side // said.patch
    hidden = "intermediate_size" if said.rope_theta else "mlp_ratio"
    found: dict[str, tuple[object, object]] = {
        "hidden_size": (said.dim, architecture.dims[0]),
        "num_hidden_layers": (said.depth, len(architecture.depths)),
        "num_channels": (said.channels, architecture.channels),
        "patch_size": (said.patch, shape.patch),
        "image_size": (f"{side**2} patches", f"{grid.tokens} patches"),
        "num_register_tokens": (said.registers, shape.prefix - 1),
        "num_queries": (said.queries, shape.queries),
        "num_upscale_blocks": (said.upscalings, shape.upscalings),
        "use_swiglu_ffn": (said.ffn == "swiglu", shape.ffn == "swiglu"),
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


def check_unmasked(tensors: "Mapping[str, Tensor]", blocks: int, path: Path) -> None:
    """Raise CheckpointError unless queries attend to all patches, as in released networks.

    EoMT is trained with attention masked by the masks of each block, and its probability annealed
    to 0 block by block (arXiv:2503.19108, section 3.3). A network that transformers has just made
    has ones there, and masks; so does one that it loads from a file without the tensor.

    Args:
        tensors: Of the file.
        blocks: Those that queries pass; 0 of a network without, which is passed over.
        path: Of the file, for messages.
    """
    from segpp.export.models._common.tensors import check_plain

    if not blocks:
        return
    if _MASKS not in tensors:
        raise CheckpointError(
            f"{path} does not hold {_MASKS}",
            "transformers takes ones then, and masks its attention, which is not exported",
            hint="of a network that was evaluated without masks, set it before saving: "
            f"model.{_MASKS}.zero_()",
        )
    check_plain(tensors, [_MASKS], path)
    masked = tensors[_MASKS]
    if tuple(masked.shape) != (blocks,):
        raise CheckpointError(
            f"{path} has 1 tensor of the wrong shape for an EoMT",
            f"{_MASKS}: expected ({blocks},), as num_blocks says, found {tuple(masked.shape)}",
        )
    if bool((masked != 0).any()):
        values = ", ".join(f"{value:g}" for value in masked.tolist())
        raise CheckpointError(
            f"{path} masks its attention: {_MASKS} is {values}",
            "expected: zeros, the end of the annealing; masked attention is not exported",
            hint="give the checkpoint from after the training; of one that was evaluated without "
            f"masks, set it before saving: model.{_MASKS}.zero_()",
        )


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


def _check_kind(config: Mapping[str, Any], expected: str) -> None:
    if (kind := config.get("model_type", expected)) != expected:
        raise _wrong("model_type", kind, expected)
    if (activation := config.get("hidden_act", "gelu")) not in _GELU:
        raise _wrong("hidden_act", activation, " or ".join(_GELU))


def _check_turning(config: Mapping[str, Any], dim: int, heads: int) -> None:
    """Raise CheckpointError unless the heads can turn, and nothing else is of another kind."""
    if (gated := config.get("use_gated_mlp", False)) is not False:
        raise _wrong("use_gated_mlp", gated, "false: gates are not read of networks over DINOv3")
    if dim % (heads * _TURNED_TOGETHER):
        raise _wrong("num_attention_heads", heads, f"heads of {dim} channels that turn by fours")


def _theta(config: Mapping[str, Any]) -> float:
    # As transformers reads them: either object, and what it lacks from beside it.
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        raise _wrong("rope_parameters", rope, "an object")
    for key in ("rope_type", "type"):
        if (kind := rope.get(key, "default")) != "default":
            raise _wrong(key, kind, "default")
    return _number(rope if "rope_theta" in rope else config, "rope_theta", _THETA)


def _unbiased(config: Mapping[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    for key, (layers, usual) in _BIASES.items():
        if type(value := config.get(key, usual)) is not bool:
            raise _wrong(key, value, "true or false")
        found += () if value else layers
    return tuple(found)


def _count(config: Mapping[str, Any], key: str, usual: int, *, least: int = 1) -> int:
    value = config.get(key, usual)
    if type(value) is int and value >= least:
        return value
    raise _wrong(key, value, f"a whole number from {least} on")


def _number(config: Mapping[str, Any], key: str, usual: float) -> float:
    value = config.get(key, usual)
    # Of what could overflow nothing is made.
    if type(value) in (int, float) and 0 < value < 1 << 20:
        return float(value)
    raise _wrong(key, value, "a positive number")


def _eps(config: Mapping[str, Any]) -> float:
    value = _number(config, "layer_norm_eps", 1e-6)
    if value < 1:
        return value
    raise _wrong("layer_norm_eps", value, "a small number")


def _ffn(config: Mapping[str, Any]) -> Ffn:
    value = config.get("use_swiglu_ffn", False)
    if type(value) is bool:
        return "swiglu" if value else "gelu"
    raise _wrong("use_swiglu_ffn", value, "true or false")


def _hidden(dim: int, ratio: float, ffn: Ffn) -> int:
    hidden = int(dim * ratio)
    if ffn == "gelu":
        return hidden
    return (int(hidden * 2 / 3) + _SWIGLU_STEP - 1) // _SWIGLU_STEP * _SWIGLU_STEP


def _classes(config: Mapping[str, Any]) -> int | None:
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) and labels else None


def _wrong(key: str, value: object, expected: str) -> CheckpointError:
    return CheckpointError(f"{CONFIG} gives {key} as {value!r:.80}", f"expected: {expected}")
