"""DINOs with a linear head and random weights: the oracles of what is loaded.

Encoders are those of transformers. What Meta's own code computes otherwise, names, positions of
another size and what fills the last patches, is written around the same encoder from what DINOv2's
paper and code (Apache-2.0) say.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "KINDS",
    "Joined",
    "Meta",
    "joined",
    "meta",
    "meta_state",
    "save_folder",
    "save_pretrained",
]

_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "image_size": 56,
    "patch_size": 14,
}
KINDS = {
    "dinov2": ("Dinov2", {"mlp_ratio": 2}),
    "registers": ("Dinov2WithRegisters", {"mlp_ratio": 2, "num_register_tokens": 2}),
    "dinov3": ("DINOv3ViT", {"intermediate_size": 96, "num_register_tokens": 2}),
}


class Joined(nn.Module):
    """An encoder and a classifier of its patches, as people join them."""

    def __init__(self, kind: str, classifier: nn.Module, **changes: Any) -> None:
        super().__init__()
        transformers = pytest.importorskip("transformers", reason="the oracle's encoder is of it")
        name, own = KINDS[kind]
        config = getattr(transformers, f"{name}Config")(**{**_SMALL, **own, **changes})
        self.config = config
        self.backbone = getattr(transformers, f"{name}Model")(config)
        self.classifier = classifier

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (B, K, h, w) of images."""
        tokens = self.backbone(image).last_hidden_state
        grid = [side // self.config.patch_size for side in image.shape[2:]]
        patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :]
        image = patches.transpose(1, 2).unflatten(2, grid)
        layers = [m for m in self.classifier.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        if isinstance(layers[0], nn.Conv2d):
            logits: Tensor = self.classifier(image)
            return logits
        return self.classifier(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _drawn(network: nn.Module, seed: int) -> None:
    """Leave no weight, bias, scale or statistic trivial."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if not tensor.is_floating_point() or "inv_freq" in name:
            continue
        drawn = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim == 1:
            positive = name.endswith(("weight", "running_var", "lambda1"))
            tensor.data.copy_(drawn.abs() * 0.2 + 0.8 if positive else drawn * 0.2)
        elif tensor.ndim == 3:
            tensor.data.copy_(drawn * 0.5)
        else:
            tensor.data.copy_(drawn * (1.5 / max(1, tensor[0].numel())) ** 0.5)


def joined(kind: str, classifier: nn.Module | None = None, seed: int = 3, **changes: Any) -> Joined:
    """Return a network with random weights, a 1x1 convolution for its classifier."""
    with torch.random.fork_rng(devices=[]):
        network = Joined(kind, classifier or nn.Conv2d(64, 5, 1), **changes)
    _drawn(network, seed)
    return network.eval().requires_grad_(requires_grad=False)


def save_folder(
    folder: Path,
    network: Joined,
    state: dict[str, Tensor] | None = None,
    *,
    config: dict[str, Any] | None = None,
) -> Path:
    """Write a folder as ``save_pretrained`` does, with the encoder's ``config.json``."""
    folder.mkdir(exist_ok=True)
    said = json.loads(network.config.to_json_string()) | (config or {})
    (folder / "config.json").write_text(json.dumps(said))
    tensors = network.state_dict() if state is None else state
    save_file({k: t.contiguous() for k, t in tensors.items()}, folder / "model.safetensors")
    return folder


def save_pretrained(folder: Path, network: Joined) -> Path:
    """Let transformers write a ``joined("dinov2")``, as a class of one's own over theirs."""
    transformers = pytest.importorskip("transformers")

    class Dinov2ForSemanticSegmentation(transformers.Dinov2PreTrainedModel):  # type: ignore[misc, name-defined]  # of no type here
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.dinov2 = network.backbone
            self.classifier = nn.ModuleDict({"classifier": network.classifier})

    Dinov2ForSemanticSegmentation(network.config).save_pretrained(folder)
    return folder


class Meta(nn.Module):
    """DINOv2 as its own code has it, under BatchNorm and a 1x1 convolution, or the latter alone."""

    def __init__(self, kind: str, *, normed: bool, **changes: Any) -> None:
        super().__init__()
        self.encoder = joined(kind, **changes)
        self.bn = nn.BatchNorm2d(64) if normed else nn.Identity()
        self.conv_seg = nn.Conv2d(64, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (B, K, h, w), also of the zeros around the image."""
        missing = [-side % 14 for side in image.shape[2:]]
        left, top = missing[1] // 2, missing[0] // 2
        image = F.pad(image, (left, missing[1] - left, top, missing[0] - top))
        grid = [side // 14 for side in image.shape[2:]]
        embeddings = self.encoder.backbone.embeddings
        stored = embeddings.position_embeddings
        row = self._resized(stored[:, 1:], grid)
        # What transformers resizes is this already.
        embeddings.interpolate_pos_encoding = lambda *_: torch.cat((stored[:, :1], row), 1)
        tokens = self.encoder.backbone(image).last_hidden_state
        patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :].transpose(1, 2)
        logits: Tensor = self.conv_seg(self.bn(patches.unflatten(2, grid)))
        return logits

    def _resized(self, row: Tensor, grid: list[int]) -> Tensor:
        side = round(row.shape[1] ** 0.5)
        if grid == [side, side]:
            return row
        image = row.transpose(1, 2).unflatten(2, (side, side))
        if hasattr(self.encoder.backbone.embeddings, "register_tokens"):
            resized = F.interpolate(image, grid, mode="bicubic", antialias=True)
        else:
            factors = [(new + 0.1) / side for new in grid]
            resized = F.interpolate(image, scale_factor=factors, mode="bicubic")
        return resized.flatten(2).transpose(1, 2)


def meta(kind: str = "dinov2", *, normed: bool = True, **changes: Any) -> Meta:
    """Return such a network with random weights."""
    with torch.random.fork_rng(devices=[]):
        network = Meta(kind, normed=normed, **changes)
    for part in (network.bn, network.conv_seg):
        _drawn(part, 5)
    return network.eval().requires_grad_(requires_grad=False)


_NAMES = (
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
    ("embeddings.", ""),
    ("encoder.layer.", "blocks."),
    ("layernorm.", "norm."),
    (".attention.o_proj.", ".attn.proj."),
    (".layer_scale1.lambda1", ".ls1.gamma"),
    (".layer_scale2.lambda1", ".ls2.gamma"),
    (".mlp.down_proj.", ".mlp.w3."),
)


def meta_state(network: Meta, prefix: str = "backbone.") -> dict[str, Tensor]:
    """Return the state dict as Meta's code names it."""
    theirs, ours = network.encoder.backbone.state_dict(), dict[str, Tensor]()
    for name, tensor in theirs.items():
        own = name
        for old, new in _NAMES:
            own = own.replace(old, new)
        for first, others, joint in (
            (".attention.q_proj.", (".attention.k_proj.", ".attention.v_proj."), ".attn.qkv."),
            (".mlp.gate_proj.", (".mlp.up_proj.",), ".mlp.w12."),
        ):
            if first in name:
                rest = (theirs[name.replace(first, other)] for other in others)
                ours[prefix + own.replace(first, joint)] = torch.cat((tensor, *rest))
        if not any(part in name for part in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")):
            ours[prefix + own] = tensor
    heads = {"decode_head.bn.": network.bn, "decode_head.conv_seg.": network.conv_seg}
    return ours | {
        f"{start}{leaf}": tensor
        for start, part in heads.items()
        for leaf, tensor in part.state_dict().items()
    }
