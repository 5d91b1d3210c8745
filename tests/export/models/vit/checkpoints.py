"""Files as Segmenter and mmsegmentation save them, of the references' networks."""

from pathlib import Path
from typing import Any

import torch
import yaml

from tests.export.models.vit.references import (
    Reference,
    mmsegmentation_state,
    reference,
    segmenter_state,
)

__all__ = ["MM_CONFIG", "mmsegmentation", "save_mmsegmentation", "save_segmenter", "variant_of"]

# The parts of mmsegmentation's settings that tell more than the weights.
MM_CONFIG = """
crop_size = ({height}, {width})
data_preprocessor = dict(
    type='SegDataPreProcessor', mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True, size=crop_size)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='VisionTransformer', img_size=({height}, {width}), patch_size=16, embed_dims={dim},
        num_layers={depth}, num_heads={heads}, norm_cfg=dict(type='LN', eps=1e-6),
        {backbone}),
    decode_head=dict(type='{head}', num_classes={classes}, align_corners=False, {settings}))
"""
_HEADS = {
    "mask": ("SegmenterMaskTransformerHead", "num_layers=2, num_heads={heads}"),
    "linear": ("FCNHead", "num_convs=0, concat_input=False"),
    "setr": ("SETRUPHead", "in_index=1, num_convs=1, up_scale=4, kernel_size=1"),
    "pup": ("SETRUPHead", "in_index=1, num_convs=4, up_scale=2, kernel_size=3"),
}


def variant_of(network: Reference, **changes: Any) -> dict[str, Any]:
    """What Segmenter writes into ``variant.yml``; changes are of ``net_kwargs``."""
    config = network.config
    decoder: dict[str, Any] = {"name": "linear"}
    if config.head == "mask":
        decoder = {"name": "mask_transformer", "n_layers": 2, "dropout": 0.1}
    net = {
        "backbone": "vit_tiny_patch16_384",
        "d_model": config.dim,
        "decoder": decoder,
        "distilled": config.distilled,
        "image_size": config.size,
        "n_cls": config.classes,
        "n_heads": config.heads,
        "n_layers": config.depth,
        "normalization": "deit" if config.distilled else "vit",
        "patch_size": config.patch,
    }
    return {
        "dataset_kwargs": {"dataset": "cityscapes", "crop_size": config.size[0]},
        "inference_kwargs": {"window_size": config.size[0]},
        "net_kwargs": {**net, **changes},
    }


def save_segmenter(folder: Path, network: Reference, variant: Any = None) -> Path:
    """Write ``checkpoint.pth``, and ``variant.yml`` beside it unless that is empty."""
    path = folder / "checkpoint.pth"
    torch.save({"model": segmenter_state(network), "n_cls": network.config.classes}, path)
    variant = variant_of(network) if variant is None else variant
    if variant:
        # As Segmenter writes it: tuples are !!python/tuple.
        (folder / "variant.yml").write_text(yaml.dump(variant), encoding="utf-8")
    return path


def mmsegmentation(**choices: Any) -> Reference:
    """A network with the numerics of mmsegmentation."""
    eps = 1e-6 if choices.get("head") in {"setr", "pup"} else 1e-5
    return reference(eps=1e-6, head_eps=eps, positions="bicubic", crops=False, **choices)


def save_mmsegmentation(
    path: Path,
    network: Reference,
    *,
    backbone: str = "",
    settings: str = "",
    state: dict[str, torch.Tensor] | None = None,
    **changes: str,
) -> Path:
    """Write a checkpoint with its training configuration inside, of another state dict if given."""
    config = network.config
    head, usual = _HEADS[config.head]
    several = "out_indices=(0, 1), " if config.head in {"setr", "pup"} else ""
    kept = f"final_norm=True, {several}"
    text = MM_CONFIG.format(
        height=config.size[0], width=config.size[1], dim=config.dim, depth=config.depth,
        heads=config.heads, classes=config.classes, head=head,
        backbone=kept + backbone, settings=usual.format(heads=config.heads) + settings,
    )  # fmt: skip
    for old, new in changes.items():
        text = text.replace(old, new)
    meta = {"cfg": text, "dataset_meta": {"classes": [f"c{i}" for i in range(config.classes)]}}
    torch.save({"state_dict": state or mmsegmentation_state(network), "meta": meta}, path)
    return path
