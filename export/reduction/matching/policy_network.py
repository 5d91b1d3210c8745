"""The trained policy of token sharing in torch: how likely each superpatch is one class.

Source: Lu et al., Content-aware Token Sharing, 2023 (arXiv:2306.02095), section 3.2; inverted
residuals of Sandler et al., MobileNetV2, 2018 (arXiv:1801.04381), section 3.3.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.reduction.matching.policy_layers import (
    CHANNELS,
    STEM,
    PolicyLayer,
    policy_blocks,
)
from segpp.ops.grid import Grid

__all__ = ["PolicyConv", "PolicyNetwork"]

# torch's own, which timm's Lite networks have.
_EPS = 1e-5


class PolicyConv(nn.Module):
    """Convolution, BatchNorm, and ReLU6 where the layer has it."""

    def __init__(self, layer: PolicyLayer) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            layer.inputs,
            layer.outputs,
            layer.kernel,
            layer.stride,
            layer.kernel // 2,
            groups=layer.inputs if layer.is_depthwise else 1,
            bias=False,
        )
        self.norm: nn.Module = nn.BatchNorm2d(layer.outputs, eps=_EPS)
        self.is_clamped = layer.is_clamped

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map (B, C, h, w)."""
        x = self.norm(self.conv(x))
        return F.relu6(x) if self.is_clamped else x


class _Bottleneck(nn.Module):
    """Layers, and their input added where the shapes are the same."""

    def __init__(self, layers: Sequence[PolicyLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PolicyConv(layer) for layer in layers)
        strides = {layer.stride for layer in layers}
        self.is_residual = strides == {1} and layers[0].inputs == layers[-1].outputs

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map (B, C, h, w)."""
        y = x
        for layer in self.layers:
            y = layer(y)
        return x + y if self.is_residual else y


class PolicyNetwork(nn.Module):
    """An image (B, Cin, H, W) to logits (B, 2, H / 32, W / 32): several classes, or one.

    Args:
        channels: Of the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = PolicyConv(replace(STEM, inputs=channels))
        self.blocks = nn.ModuleList(_Bottleneck(layers) for layers in policy_blocks())
        self.head = nn.Conv2d(CHANNELS, 2, 1)

    def silence_residuals(self) -> "PolicyNetwork":
        """Let every residual block begin as what it adds to; returns ``self``.

        Source: Goyal et al., 2017 (arXiv:1706.02677), section 5.1. Without it a policy that begins
        with drawn weights, and norms whose statistics stay, hardly learns anything.
        """
        for block in self.blocks:
            if isinstance(block, _Bottleneck) and block.is_residual:
                last = cast("PolicyConv", block.layers[-1]).norm
                nn.init.zeros_(cast("Tensor", last.weight))
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of images."""
        x = self.stem(image)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x)
        return logits

    def scores(self, image: Tensor, superpatches: Grid) -> Tensor:
        """Return how much surer it is of one class than of several, (B, W), of complete cells."""
        # What it chooses has no gradient, so it is never trained together with the rest.
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            several, one = self(image).chunk(2, 1)
            surer: Tensor = (one - several)[:, 0]
            if surer.shape[1:] != (superpatches.height, superpatches.width):
                surer = surer[:, : superpatches.height, : superpatches.width]
            return surer.flatten(1)

    def train(self, mode: bool = True) -> "PolicyNetwork":  # noqa: ARG002, FBT001, FBT002 - torch's
        """Stay as for inference: statistics of its norms must not drift away from its weights."""
        super().train(mode=False)
        return self
