"""Tiny networks as users save them, and what their owners' code computes with them.

State dicts of mmsegmentation's names are drawn here and computed by ``mmseg_logits``; those of
Hugging Face come from transformers. Nothing of the package takes part.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from PIL import Image
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from segmentation_models_pytorch.encoders.mix_transformer import MixVisionTransformerEncoder
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from tests.helpers.mmseg_reference import mmseg_logits

__all__ = [
    "HEADS",
    "IMAGENET",
    "NAMES",
    "PALETTE",
    "SIDE",
    "Owner",
    "hf_network",
    "hf_state",
    "labels_of",
    "mmseg_config",
    "mmseg_meta",
    "mmseg_owner",
    "mmseg_state",
    "normalized",
    "picture",
    "smp_network",
]

State = dict[str, Tensor]
Labels = NDArray[np.uint8]

SIDE = 64
WIDTHS = (8, 16, 40, 64)
HEADS = (1, 2, 5, 8)
NAMES = ("road", "car", "tree", "sky")
PALETTE = ((128, 64, 128), (0, 0, 142), (107, 142, 35), (70, 130, 180))
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))

_DECODER = 16
_FINEST = 4
_BILINEAR = Image.Resampling.BILINEAR
_LAST = "decode_head.conv_seg.bias"
_PATCHES, _REDUCTIONS = (7, 3, 3, 3), (8, 4, 2, 1)
_MMSEG = """img_norm_cfg = dict(mean={stale}, std=[58.395, 57.12, 57.375], to_rgb=True)
data_preprocessor = dict(type='SegDataPreProcessor', mean={mean}, std={std}, bgr_to_rgb={rgb})
model = dict(type='EncoderDecoder', data_preprocessor=data_preprocessor,
    backbone=dict(type='MixVisionTransformer', num_heads={heads}),
    decode_head=dict(type='SegformerHead', num_classes=4),
    test_cfg=dict(mode='{mode}', crop_size=(64, 64), stride=(48, 48)))
"""


class Owner:
    """Somebody's inference code: a network, and how a picture becomes its input."""

    def __init__(
        self,
        network: Any,
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        *,
        bgr: bool = False,
    ) -> None:
        self._network, self._mean, self._std, self._bgr = network, mean, std, bgr

    def logits(self, image: NDArray[np.uint8]) -> Tensor:
        """What the network gives for a picture (H, W, C) of any size, (1, K, h, w)."""
        pixels = image[..., ::-1].copy() if self._bgr else image
        with torch.inference_mode():
            given = self._network(normalized(pixels, self._mean, self._std))
            out: Tensor = getattr(given, "logits", given)
        return out

    def mask(self, image: NDArray[np.uint8], size: tuple[int, int] | None = None) -> Labels:
        """The labels of a picture at its own size, or at another."""
        return labels_of(self.logits(image), size or image.shape[:2])

    def letterboxed(self, image: NDArray[np.uint8]) -> Labels:
        """The labels of a picture (S, 2 S, C) that fills the upper half of the network's input."""
        height, width = image.shape[0] // 2, image.shape[1] // 2
        content = np.asarray(Image.fromarray(image).resize((width, height), _BILINEAR))
        field = np.round(self._mean).astype(np.uint8)[None, None].repeat(height, 0).repeat(width, 1)
        logits = self.logits(np.concatenate([content, field]))
        # What was computed of the field is in no mask.
        return labels_of(logits[:, :, : logits.shape[2] // 2], image.shape[:2])


def labels_of(logits: Tensor, size: Sequence[int]) -> Labels:
    """Labels (H, W) of logits (1, K, h, w): resized, then the best; above 0 of a single class."""
    resized = F.interpolate(logits, tuple(size), mode="bilinear", align_corners=False)[0]
    best = resized[0] > 0 if len(resized) == 1 else resized.argmax(0)
    return best.numpy().astype(np.uint8)


def normalized(image: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """A picture (H, W, C) as (1, C, H, W)."""
    pixels = (image.astype(np.float32) - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))


def picture(path: Path | None = None, *, size: tuple[int, int] = (SIDE, SIDE), channels: int = 3,
            seed: int = 5) -> NDArray[np.uint8]:  # fmt: skip
    """A picture (H, W, C) of patches and grain, written to ``path`` if there is one."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (-(-size[0] // 8), -(-size[1] // 8), channels))
    patches = coarse.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]
    grain = draw.integers(-20, 21, patches.shape)
    image: NDArray[np.uint8] = np.clip(patches + grain, 0, 255).astype(np.uint8)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if channels == 1 else image).save(path)
    return image


def mmseg_owner(state: State, heads: tuple[int, ...] = HEADS, **how: Any) -> Owner:
    """What mmsegmentation computes with a state dict of its names."""
    return Owner(lambda x: mmseg_logits(state, x, heads), **how)


def mmseg_state(
    seed: int = 0, *, widths: Sequence[int] = WIDTHS, classes: int = 4, channels: int = 3
) -> State:
    """A state dict as mmsegmentation saves it, whose masks have several classes."""
    draw = _Draw(seed)
    state: State = {}
    before = channels
    for i, width in enumerate(widths):
        state |= _stage(draw, f"backbone.layers.{i}", i, before, width)
        before = width
    for i, width in enumerate(widths):
        state |= draw.conv_norm(f"decode_head.convs.{i}", _DECODER, width)
    state |= draw.conv_norm("decode_head.fusion_conv", _DECODER, 4 * _DECODER)
    # The finest level counts most: the others see little more than the whole of a small picture.
    state["decode_head.convs.0.conv.weight"] *= _FINEST
    state |= draw.layer("decode_head.conv_seg", classes, _DECODER, 1, 1)
    return {**state, _LAST: state[_LAST] - _means(mmseg_logits(state, _usual(channels)))}


def _usual(channels: int) -> Tensor:
    return normalized(picture(channels=channels), [116.0], [57.0])


def _means(logits: Tensor) -> Tensor:
    """The mean of each class: without it no class has nearly all of a picture."""
    return logits.mean((0, 2, 3))


def _stage(draw: "_Draw", at: str, i: int, before: int, width: int) -> State:
    block, patch, reduction = f"{at}.1.0", _PATCHES[i], _REDUCTIONS[i]
    attention = f"{block}.attn"
    state = draw.layer(f"{at}.0.projection", width, before, patch, patch)
    for name in (f"{at}.0.norm", f"{block}.norm1", f"{block}.norm2", f"{at}.2"):
        state |= draw.norm(name, width)
    state[f"{attention}.attn.in_proj_weight"] = 1.5 * draw.weight(3 * width, width)
    state[f"{attention}.attn.in_proj_bias"] = draw.small(3 * width)
    state |= draw.layer(f"{attention}.attn.out_proj", width, width)
    if reduction > 1:
        state |= draw.layer(f"{attention}.sr", width, width, reduction, reduction)
        state |= draw.norm(f"{attention}.norm", width)
    state |= draw.layer(f"{block}.ffn.layers.0", 4 * width, width, 1, 1)
    state |= draw.layer(f"{block}.ffn.layers.1", 4 * width, 1, 3, 3)
    return state | draw.layer(f"{block}.ffn.layers.4", width, 4 * width, 1, 1)


class _Draw:
    """Random tensors in sizes at which signals neither vanish nor explode."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def weight(self, *shape: int) -> Tensor:
        fan_in = int(np.prod(shape[1:]))
        return torch.randn(shape, generator=self._generator) * (1.6 / fan_in) ** 0.5

    def small(self, count: int) -> Tensor:
        return 0.1 * torch.randn(count, generator=self._generator)

    def layer(self, at: str, *shape: int) -> State:
        return {f"{at}.weight": self.weight(*shape), f"{at}.bias": self.small(shape[0])}

    def norm(self, at: str, count: int) -> State:
        return {f"{at}.weight": 1 + self.small(count), f"{at}.bias": self.small(count)}

    def conv_norm(self, at: str, out: int, width: int) -> State:
        return {
            f"{at}.conv.weight": self.weight(out, width, 1, 1),
            **self.norm(f"{at}.bn", out),
            f"{at}.bn.running_mean": self.small(out),
            f"{at}.bn.running_var": 1 + self.small(out).abs(),
        }


def mmseg_config(
    mean: Sequence[float] = IMAGENET[0],
    std: Sequence[float] = IMAGENET[1],
    *,
    heads: Sequence[int] = HEADS,
    stale: Sequence[float] = IMAGENET[0],
    bgr: bool = False,
    mode: str = "whole",
) -> dict[str, Any]:
    """The ``meta`` of mmsegmentation 1.x with a training configuration inside."""
    text = _MMSEG.format(
        mean=list(mean), std=list(std), heads=list(heads), stale=list(stale), rgb=not bgr, mode=mode
    )
    return {**mmseg_meta(), "cfg": text}


def mmseg_meta() -> dict[str, Any]:
    """The ``meta`` with names and colours alone."""
    return {"dataset_meta": {"classes": NAMES, "palette": [list(color) for color in PALETTE]}}


def hf_network(seed: int = 0, **changes: Any) -> SegformerForSemanticSegmentation:
    """A tiny SegFormer of transformers, whose masks have several classes."""
    given: dict[str, Any] = {
        "hidden_sizes": list(WIDTHS),
        "depths": [1, 1, 1, 1],
        "num_attention_heads": list(HEADS),
        "decoder_hidden_size": _DECODER,
        "id2label": dict(enumerate(NAMES)),
    }
    network = SegformerForSemanticSegmentation(SegformerConfig(**(given | changes))).eval()
    _enliven(network, _Draw(seed))
    with torch.no_grad():
        network.decode_head.classifier.bias -= _means(network(_usual(3)).logits)
    return network


def smp_network(seed: int = 0) -> nn.Module:
    """A tiny SegFormer of segmentation_models.pytorch, which aligns the corners of its logits."""
    network = smp.Segformer(
        "mit_b0", encoder_weights=None, decoder_segmentation_channels=_DECODER, classes=len(NAMES)
    )
    channels = [3, 0, *WIDTHS]
    network.encoder = MixVisionTransformerEncoder(
        out_channels=channels,
        patch_size=4,
        embed_dims=list(WIDTHS),
        num_heads=list(HEADS),
        qkv_bias=True,
        depths=[1, 1, 1, 1],
    )
    network.decoder = SegformerDecoder(channels, segmentation_channels=_DECODER)
    _enliven(network.eval(), _Draw(seed))
    with torch.no_grad():
        network.segmentation_head[0].bias -= _means(network(_usual(3)))
    return network


def _enliven(network: nn.Module, draw: _Draw) -> None:
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if tensor.ndim > 1:
                tensor.copy_(draw.weight(*tensor.shape))
            elif name.endswith("bias"):
                tensor.copy_(draw.small(len(tensor)))


def hf_state(network: SegformerForSemanticSegmentation, folder: Path) -> State:
    """The tensors under the names that ``save_pretrained`` writes."""
    from safetensors.torch import load_file  # noqa: PLC0415

    network.save_pretrained(folder)
    return load_file(folder / "model.safetensors")
