"""What mmsegmentation computes with a SegFormer's state dict, by torch's own functions alone.

Written from the paper (arXiv:2105.15203) and the names in such files; no code of the package.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["mmseg_logits"]

_STAGES = ((8, 7, 4), (4, 3, 2), (2, 3, 2), (1, 3, 2))  # reduction, kernel and stride


def mmseg_logits(
    state: dict[str, Tensor],
    image: Tensor,
    heads: tuple[int, ...] = (1, 2, 5, 8),
    *,
    align_corners: bool = False,
) -> Tensor:
    """Return logits (B, K, H/4, W/4) of a normalised image (B, C, H, W)."""
    levels, x = [], image
    for i, (reduction, kernel, stride) in enumerate(_STAGES):
        at = f"backbone.layers.{i}"
        x = _conv(state, x, f"{at}.0.projection", stride=stride, padding=kernel // 2)
        size = x.shape[2:]
        tokens = _norm(state, x.flatten(2).transpose(1, 2), f"{at}.0.norm")
        j = 0
        while f"{at}.1.{j}.norm1.weight" in state:
            block = f"{at}.1.{j}"
            tokens = _block(state, tokens, block, size, heads=heads[i], reduction=reduction)
            j += 1
        x = _norm(state, tokens, f"{at}.2").transpose(1, 2).unflatten(2, size)
        levels.append(x)
    return _head(state, levels, align_corners=align_corners)


def _block(
    state: dict[str, Tensor], x: Tensor, at: str, size: torch.Size, *, heads: int, reduction: int
) -> Tensor:
    query = _norm(state, x, f"{at}.norm1")
    key = query
    if reduction > 1:
        image = query.transpose(1, 2).unflatten(2, size)
        key = _conv(state, image, f"{at}.attn.sr", stride=reduction).flatten(2).transpose(1, 2)
        key = _norm(state, key, f"{at}.attn.norm")
    q, k = query.transpose(0, 1), key.transpose(0, 1)
    weights = (state[f"{at}.attn.attn.in_proj_weight"], state[f"{at}.attn.attn.in_proj_bias"])
    out = (state[f"{at}.attn.attn.out_proj.weight"], state[f"{at}.attn.attn.out_proj.bias"])
    attended, _ = F.multi_head_attention_forward(
        q, k, k, x.shape[2], heads, *weights, None, None, False, 0.0, *out, training=False
    )
    x = x + attended.transpose(0, 1)
    hidden = _norm(state, x, f"{at}.norm2").transpose(1, 2).unflatten(2, size)
    hidden = _conv(state, hidden, f"{at}.ffn.layers.0")
    hidden = _conv(state, hidden, f"{at}.ffn.layers.1", padding=1, groups=hidden.shape[1])
    return x + _conv(state, F.gelu(hidden), f"{at}.ffn.layers.4").flatten(2).transpose(1, 2)


def _head(state: dict[str, Tensor], levels: list[Tensor], *, align_corners: bool) -> Tensor:
    parts = []
    for i, level in enumerate(levels):
        at = f"decode_head.convs.{i}"
        part = _batch_norm(state, _conv(state, level, f"{at}.conv"), f"{at}.bn").relu()
        size = levels[0].shape[2:]
        parts.append(F.interpolate(part, size, mode="bilinear", align_corners=align_corners))
    fused = _conv(state, torch.cat(parts, 1), "decode_head.fusion_conv.conv")
    fused = _batch_norm(state, fused, "decode_head.fusion_conv.bn").relu()
    return _conv(state, fused, "decode_head.conv_seg")


def _conv(state: dict[str, Tensor], x: Tensor, at: str, **how: int) -> Tensor:
    return F.conv2d(x, state[f"{at}.weight"], state.get(f"{at}.bias"), **how)  # type: ignore[arg-type]  # forwarded numbers


def _norm(state: dict[str, Tensor], x: Tensor, at: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{at}.weight"], state[f"{at}.bias"], 1e-6)


def _batch_norm(state: dict[str, Tensor], x: Tensor, at: str) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{at}.{name}"] for name in names)
    return F.batch_norm(x, mean, variance, weight, bias, eps=1e-5)
