"""Segmenter, and mmsegmentation's ViT heads, over timm's VisionTransformer: oracles in plain torch.

The encoder is timm's, block by block; the decoders are written from the papers (Segmenter,
arXiv:2105.05633, section 3.2; SETR, arXiv:2012.15840, section 3.3). No code of the package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Reference", "ReferenceConfig", "mmsegmentation_state", "reference", "segmenter_state"]


@dataclass(frozen=True)
class ReferenceConfig:
    """What to build; the numerics are Segmenter's own unless said otherwise."""

    dim: int = 128
    depth: int = 2
    heads: int = 2
    patch: int = 16
    size: tuple[int, int] = (64, 96)
    classes: int = 5
    head: str = "mask"
    distilled: bool = False
    eps: float = 1e-5
    head_eps: float = 1e-5
    positions: str = "bilinear"
    crops: bool = True


class Reference(nn.Module):
    """An image (B, 3, H, W) to what the codebase resizes to the image: (B, K, h, w)."""

    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.config = config
        kind = VisionTransformerDistilled if config.distilled else VisionTransformer
        self.encoder = kind(
            img_size=config.size,
            patch_size=config.patch,
            embed_dim=config.dim,
            depth=config.depth,
            num_heads=config.heads,
            num_classes=7,
            norm_layer=partial(nn.LayerNorm, eps=config.eps),
        )
        heads: dict[str, Any] = {"mask": _Mask, "linear": _Linear, "setr": _Setr, "pup": _Pup}
        self.decoder = heads[config.head](config)

    def forward(self, image: Tensor) -> Tensor:
        config, encoder = self.config, self.encoder
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % config.patch, 0, -height % config.patch))
        x = encoder.patch_embed.proj(image)
        grid = x.shape[2:]
        x = x.flatten(2).transpose(1, 2)
        first = [encoder.cls_token, *([encoder.dist_token] if config.distilled else [])]
        x = torch.cat([*(token.expand(len(x), -1, -1) for token in first), x], 1)
        x = x + self._positions(len(first), grid)
        for block in encoder.blocks:
            x = block(x)
        logits: Tensor = self.decoder(encoder.norm(x)[:, len(first) :], grid)
        if config.crops and image.shape[2:] != (height, width):
            logits = F.interpolate(logits, image.shape[2:], mode="bilinear")
            logits = logits[:, :, :height, :width]
        return logits

    def _positions(self, first: int, grid: torch.Size) -> Tensor:
        stored: Tensor = self.encoder.pos_embed
        trained = tuple(side // self.config.patch for side in self.config.size)
        patches = _as_map(stored[:, first:], trained)
        if trained != tuple(grid):
            patches = F.interpolate(patches, grid, mode=self.config.positions)
        return torch.cat([stored[:, :first], patches.flatten(2).transpose(1, 2)], 1)


def _as_map(x: Tensor, grid: Sequence[int]) -> Tensor:
    return x.transpose(1, 2).reshape(len(x), x.shape[2], *grid)


class _Mask(nn.Module):
    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        dim, eps = config.dim, config.head_eps
        self.proj_dec = nn.Linear(dim, dim)
        self.cls_emb = nn.Parameter(torch.randn(1, config.classes, dim))
        norm = partial(nn.LayerNorm, eps=eps)
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, qkv_bias=True, norm_layer=norm) for _ in range(2)
        )
        self.decoder_norm = norm(dim)
        self.proj_patch = nn.Parameter(torch.randn(dim, dim))
        self.proj_classes = nn.Parameter(torch.randn(dim, dim))
        self.mask_norm = norm(config.classes)

    def forward(self, x: Tensor, grid: torch.Size) -> Tensor:
        patches = x.shape[1]
        x = torch.cat([self.proj_dec(x), self.cls_emb.expand(len(x), -1, -1)], 1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_norm(x)
        masks = F.normalize(x[:, :patches] @ self.proj_patch, dim=2)
        classes = F.normalize(x[:, patches:] @ self.proj_classes, dim=2)
        logits: Tensor = self.mask_norm(masks @ classes.transpose(1, 2))
        return _as_map(logits, grid)


class _Linear(nn.Module):
    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.head = nn.Linear(config.dim, config.classes)

    def forward(self, x: Tensor, grid: torch.Size) -> Tensor:
        logits: Tensor = self.head(x)
        return _as_map(logits, grid)


class _Setr(nn.Module):
    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, eps=config.head_eps)
        self.conv = nn.Conv2d(config.dim, 24, 1, bias=False)
        self.bn = nn.BatchNorm2d(24)
        self.conv_seg = nn.Conv2d(24, config.classes, 1)

    def forward(self, x: Tensor, grid: torch.Size) -> Tensor:
        image = _as_map(self.norm(x), grid)
        hidden = F.relu(self.bn(self.conv(image)))
        hidden = F.interpolate(hidden, scale_factor=4, mode="bilinear")
        logits: Tensor = self.conv_seg(hidden)
        return logits


class _Pup(nn.Module):
    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, eps=config.head_eps)
        self.up_convs = nn.ModuleList(
            nn.ModuleList([
                nn.ModuleDict({
                    "conv": nn.Conv2d(8 if number else config.dim, 8, 3, padding=1, bias=False),
                    "bn": nn.BatchNorm2d(8),
                })
            ])
            for number in range(4)
        )  # fmt: skip
        self.conv_seg = nn.Conv2d(8, config.classes, 1)

    def forward(self, x: Tensor, grid: torch.Size) -> Tensor:
        hidden = _as_map(self.norm(x), grid)
        for up_conv in self.up_convs:
            layers: Any = up_conv[0]  # type: ignore[index]  # a list of one
            hidden = F.relu(layers["bn"](layers["conv"](hidden)))
            hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear")
        logits: Tensor = self.conv_seg(hidden)
        return logits


def reference(seed: int = 0, **choices: Any) -> Reference:
    """Return a network in which no weight, bias, scale or statistic is trivial."""
    generator = torch.Generator().manual_seed(seed)
    network = Reference(ReferenceConfig(**choices)).eval().requires_grad_(requires_grad=False)
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        drawn = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim == 1:
            positive = name.endswith(("weight", "running_var"))
            tensor.copy_(drawn.abs() * 0.2 + 0.8 if positive else drawn * 0.2)
        elif tensor.ndim == 3:  # tokens and positions
            tensor.copy_(drawn * 0.5)
        else:
            tensor.copy_(drawn * (1.5 / tensor[0].numel()) ** 0.5)
    return network


def segmenter_state(network: Reference) -> dict[str, Tensor]:
    """Return the state dict as Segmenter's code names it, which follows timm."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


_NAMES = (
    ("encoder.patch_embed.proj.", "backbone.patch_embed.projection."),
    ("encoder.blocks.", "backbone.layers."),
    ("encoder.norm.", "backbone.ln1."),
    ("encoder.", "backbone."),
    ("decoder.blocks.", "decode_head.layers."),
    ("decoder.proj_dec.", "decode_head.dec_proj."),
    ("decoder.proj_patch", "decode_head.patch_proj.weight"),
    ("decoder.proj_classes", "decode_head.classes_proj.weight"),
    ("decoder.head.", "decode_head.conv_seg."),
    ("decoder.conv.", "decode_head.up_convs.0.0.conv."),
    ("decoder.bn.", "decode_head.up_convs.0.0.bn."),
    ("decoder.", "decode_head."),
)
_IN_BLOCKS = (
    (".norm1.", ".ln1."),
    (".norm2.", ".ln2."),
    (".attn.qkv.", ".attn.attn.in_proj_"),
    (".attn.proj.", ".attn.attn.out_proj."),
    (".mlp.fc1.", ".ffn.layers.0.0."),
    (".mlp.fc2.", ".ffn.layers.1."),
)


def mmsegmentation_state(network: Reference) -> dict[str, Tensor]:
    """Return the state dict as mmsegmentation names it, without the classification's layer."""
    renamed = {}
    for name, tensor in segmenter_state(network).items():
        if name.startswith("encoder.head"):
            continue
        old, new = next(pair for pair in _NAMES if name.startswith(pair[0]))
        own = new + name.removeprefix(old)
        if ".blocks." in name:
            for inner, other in _IN_BLOCKS:
                own = own.replace(inner, other)
        if name in {"decoder.proj_patch", "decoder.proj_classes"}:
            tensor = tensor.T.contiguous()  # noqa: PLW2901 - a linear layer there
        if name == "decoder.head.weight":
            tensor = tensor[:, :, None, None]  # noqa: PLW2901 - a convolution there
        renamed[own] = tensor
    return renamed
