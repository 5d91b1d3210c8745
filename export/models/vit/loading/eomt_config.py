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
from segpp.export.models.vit.loading.dino_config import (
    check_turning,
    ffn_in,
    hidden_in,
    theta_in,
    unbiased_in,
)
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "EomtConfig",
    "check_classes",
    "check_eomt_config",
    "check_unmasked",
    "read_eomt_config",
]


_LEARNED, _ROTARY = "eomt", "eomt_dinov3"
_MASKS = "attn_mask_probs"


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
    depth, blocks = count_in(config, "num_hidden_layers", 24), count_in(config, "num_blocks", 4)
    if blocks > depth:
        raise wrong("num_blocks", blocks, f"at most {depth}, as num_hidden_layers says")
    side, patch = count_in(config, "image_size", 640), count_in(config, "patch_size", 16)
    if side % patch:
        raise wrong("image_size", side, f"a multiple of the {patch} pixels of a patch")
    dim, heads = count_in(config, "hidden_size", 1024), count_in(config, "num_attention_heads", 16)
    ffn: Ffn = "gelu" if rotary else ffn_in(config)
    if rotary:
        check_turning(dim, heads)
        if (gated := config.get("use_gated_mlp", False)) is not False:
            raise wrong("use_gated_mlp", gated, "false: gates are not read of EoMTs over DINOv3")
    return EomtConfig(
        dim=dim,
        depth=depth,
        heads=heads,
        query_blocks=blocks,
        queries=count_in(config, "num_queries", 200),
        registers=count_in(config, "num_register_tokens", 4, least=0),
        upscalings=count_in(config, "num_upscale_blocks", 2, least=0),
        side=side,
        patch=patch,
        channels=count_in(config, "num_channels", 3),
        hidden=(
            count_in(config, "intermediate_size", 4096)
            if rotary
            else hidden_in(dim, number_in(config, "mlp_ratio", 4), ffn)
        ),
        ffn=ffn,
        norm_eps=eps_in(config),
        classes=classes_in(config),
        rope_theta=theta_in(config) if rotary else 0.0,
        unbiased=unbiased_in(config) if rotary else (),
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


def check_classes(architecture: Architecture, path: Path) -> None:
    """Raise CheckpointError if queries have one class: the largest of one sum is everywhere it."""
    if shape_of(architecture).queries and architecture.classes == 1:
        raise CheckpointError(
            f"{path} is an EoMT of 1 class, which would be the label of every pixel",
            "what is none of its classes has no sum to be compared with",
            hint="train it with a class for the background",
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


def _check_kind(config: Mapping[str, Any], expected: str) -> None:
    if (kind := config.get("model_type", expected)) != expected:
        raise wrong("model_type", kind, expected)
    if (activation := config.get("hidden_act", "gelu")) not in GELU:
        raise wrong("hidden_act", activation, " or ".join(GELU))
