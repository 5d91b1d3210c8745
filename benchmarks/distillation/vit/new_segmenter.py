"""A Segmenter with random weights, ready to be trained, as mmsegmentation would save it.

Source: Strudel et al., Segmenter, 2021 (arXiv:2105.05633); weights are drawn as DeiT's are
(Touvron et al., 2021, arXiv:2012.12877), positions start as sines and cosines of the row and the
column (He et al., MAE, 2021, arXiv:2111.06377, appendix A.1), so that a short training need not
find them, and attention as ``mimetic`` has it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.distillation.crops import MEAN, STD
from benchmarks.distillation.vit.mimetic import mimetic
from segpp.ops.grid import Grid
from segpp.utils.files import atomic_write

__all__ = ["new_segmenter", "write_segmenter"]

_DECODER_BLOCKS, HEAD_CHANNELS = 2, 64
_CONFIG = """
crop_size = ({height}, {width})
data_preprocessor = dict(
    type='SegDataPreProcessor', mean={mean}, std={std}, bgr_to_rgb=True, size=crop_size)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='VisionTransformer', img_size=({height}, {width}), patch_size={patch},
        embed_dims={dim}, num_layers={depth}, num_heads={heads},
        norm_cfg=dict(type='LN', eps=1e-6), final_norm=True),
    decode_head=dict(
        type='SegmenterMaskTransformerHead', num_classes={classes}, num_layers={decoder},
        num_heads={heads}, align_corners=False))
"""


def new_segmenter(dim: int, depth: int, patch: int, grid: Grid, classes: int) -> dict[str, Tensor]:
    """Return random weights by mmsegmentation's names.

    Args:
        dim: Channels of a token.
        depth: Blocks of the encoder.
        patch: Side of a patch in pixels.
        grid: Patches of the pictures that it is for.
        classes: K.
    """
    state = {
        "backbone.cls_token": _drawn(1, 1, dim),
        "backbone.pos_embed": torch.cat((torch.zeros(1, 1, dim), sines(grid, dim)), 1),
        "backbone.patch_embed.projection.weight": _drawn(dim, 3, patch, patch),
        "backbone.patch_embed.projection.bias": torch.zeros(dim),
        "decode_head.cls_emb": _drawn(1, classes, dim),
        "decode_head.patch_proj.weight": _drawn(dim, dim),
        "decode_head.classes_proj.weight": _drawn(dim, dim),
        **_linear("decode_head.dec_proj", dim, dim),
    }
    for name, size in (("backbone.ln1", dim), ("decode_head.decoder_norm", dim)):
        state |= _norm(name, size)
    state |= _norm("decode_head.mask_norm", classes)
    for number in range(depth):
        state |= _block(f"backbone.layers.{number}", dim)
    for number in range(_DECODER_BLOCKS):
        state |= _block(f"decode_head.layers.{number}", dim)
    return state


def write_segmenter(
    path: Path, state: Mapping[str, Tensor], grid: Grid, meta: Mapping[str, Any]
) -> None:
    """Write a state dict with the settings that tell what its shapes do not.

    Args:
        path: To write.
        state: As of ``new_segmenter``.
        grid: As there.
        meta: Of the data set: ``classes`` and ``palette``.
    """
    weight = state["backbone.patch_embed.projection.weight"]
    dim, patch = weight.shape[0], weight.shape[2]
    depth = sum(name.endswith("in_proj_bias") for name in state) - _DECODER_BLOCKS
    text = _CONFIG.format(
        height=patch * grid.height, width=patch * grid.width, dim=dim, patch=patch, depth=depth,
        heads=dim // HEAD_CHANNELS, classes=state["decode_head.cls_emb"].shape[1],
        decoder=_DECODER_BLOCKS, mean=list(MEAN), std=list(STD),
    )  # fmt: skip
    with atomic_write(path) as (part,):
        torch.save({"meta": {"cfg": text, "dataset_meta": dict(meta)}, "state_dict": state}, part)


def sines(grid: Grid, dim: int) -> Tensor:
    """Return positions (1, N, dim) of rows and columns, a quarter of the channels each part."""
    waves = 10_000 ** -(torch.arange(dim // 4) / (dim // 4))
    rows, columns = torch.meshgrid(
        torch.arange(grid.height), torch.arange(grid.width), indexing="ij"
    )
    parts = [side.flatten()[:, None] * waves for side in (rows, columns)]
    return torch.cat([f(part) for part in parts for f in (torch.sin, torch.cos)], 1)[None]


def _drawn(*shape: int) -> Tensor:
    return nn.init.trunc_normal_(torch.empty(shape), std=0.02)


def _linear(name: str, given: int, made: int) -> dict[str, Tensor]:
    return {f"{name}.weight": _drawn(made, given), f"{name}.bias": torch.zeros(made)}


def _norm(name: str, size: int) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.ones(size), f"{name}.bias": torch.zeros(size)}


def _block(name: str, dim: int) -> dict[str, Tensor]:
    parts: Sequence[tuple[str, int, int]] = (
        ("ffn.layers.0.0", dim, 4 * dim),
        ("ffn.layers.1", 4 * dim, dim),
    )
    joint, projection = mimetic(dim, dim // HEAD_CHANNELS)
    state = {
        f"{name}.attn.attn.in_proj_weight": joint,
        f"{name}.attn.attn.in_proj_bias": torch.zeros(3 * dim),
        f"{name}.attn.attn.out_proj.weight": projection,
        f"{name}.attn.attn.out_proj.bias": torch.zeros(dim),
        **_norm(f"{name}.ln1", dim),
        **_norm(f"{name}.ln2", dim),
    }
    for part, given, made in parts:
        state |= _linear(f"{name}.{part}", given, made)
    return state
