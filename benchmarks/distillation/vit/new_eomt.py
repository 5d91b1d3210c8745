"""An EoMT with random weights, as transformers saves it; and one that begins as another ViT.

Source: Kerssies et al., Your ViT is Secretly an Image Segmentation Model, 2025 (arXiv:2503.19108).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.distillation.crops import MEAN, STD

__all__ = ["EomtSize", "begin_as", "new_eomt", "write_eomt"]

_POSITIONS, _PREFIX = "patch_embed.positions", "patch_embed.prefix"


@dataclass(frozen=True)
class EomtSize:
    """What a network of the kind is made of, by the names that transformers has for it.

    Attributes:
        hidden_size: Channels of a token.
        num_hidden_layers: Blocks.
        num_blocks: The last ones, which queries pass.
        num_attention_heads: Of every attention.
        image_size: Side of its pictures in pixels, which are squares.
        num_queries: Masks that it finds.
        num_register_tokens: Beside the class token.
    """

    hidden_size: int
    num_hidden_layers: int
    num_blocks: int
    num_attention_heads: int
    image_size: int
    num_queries: int
    num_register_tokens: int = 4


def new_eomt(size: EomtSize, classes: Sequence[str], folder: Path) -> Path:
    """Write a network with random weights as ``save_pretrained`` does, and return its folder."""
    from transformers import EomtConfig, EomtForUniversalSegmentation  # noqa: PLC0415 - slow
    from transformers.models.eomt import modeling_eomt  # noqa: PLC0415 - as above

    config: Any = EomtConfig(**asdict(size), id2label=dict(enumerate(classes)))
    # What it asks for is for the loss of its training alone.
    with patch.object(modeling_eomt, "requires_backends", lambda *_: None):
        network = EomtForUniversalSegmentation(config)
    # As trained ones have it: no attention is masked any more.
    network.attn_mask_probs.zero_()
    network.save_pretrained(folder)
    processor = {"image_mean": [v / 255 for v in MEAN], "image_std": [v / 255 for v in STD]}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return folder


def write_eomt(folder: Path, state: Mapping[str, Tensor], size: EomtSize) -> None:
    """Write other weights of a network beside what describes it, in half precision."""
    masks = {"attn_mask_probs": torch.zeros(size.num_blocks)}
    half = {name: value.half().contiguous() for name, value in {**state, **masks}.items()}
    save_file(half, folder / "model.safetensors", {"format": "pt"})


def begin_as(network: nn.Module, other: nn.Module) -> None:
    """Give a plain ViT the embedding, blocks and final norm of another one of its width.

    Positions are resized to its own grid. Tokens before the patches that the other one does not
    have, and all that belongs to its head, stay as they are.
    """
    own, given = network.state_dict(), other.state_dict()
    body = ("patch_embed.conv.", "stages.", "norm.")
    own |= {name: given[name] for name in own if name.startswith(body) and name in given}
    resized = F.interpolate(
        given[_POSITIONS].permute(0, 3, 1, 2), own[_POSITIONS].shape[1:3], mode="bicubic"
    )
    own[_POSITIONS] = resized.permute(0, 2, 3, 1)
    own[_PREFIX][:, : given[_PREFIX].shape[1]] = given[_PREFIX]
    network.load_state_dict(own)
