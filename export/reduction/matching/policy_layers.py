"""The layers of the policy network: EfficientNet-Lite0 as timm has it, up to its last map.

Source: Tan & Le, EfficientNet, 2019 (arXiv:1905.11946), table 1; Lite leaves out squeeze and
excitation, has ReLU6, and neither stem nor last stage grow with it. Importable without torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from segpp.ops.grid import Size

__all__ = ["CELL", "CHANNELS", "STEM", "PolicyLayer", "policy_blocks", "policy_macs"]

# Pixels along a cell of the last map, and channels of that.
CELL, CHANNELS = 32, 320

_STEM_CHANNELS = 32
# Kernel, stride of the first block, hidden channels as a multiple, channels, blocks.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, CHANNELS, 1),
)


@dataclass(frozen=True)
class PolicyLayer:
    """A convolution without bias and the BatchNorm behind it.

    Attributes:
        conv: What timm calls the convolution.
        norm: What timm calls the norm.
        inputs: Channels.
        outputs: Channels.
        kernel: Side of the kernel; zeros at the edges keep the size.
        stride: From one pixel to the next.
        is_depthwise: Whether each channel is alone.
        is_clamped: Whether ReLU6 follows.
    """

    conv: str
    norm: str
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    is_depthwise: bool = False
    is_clamped: bool = True

    def macs(self, size: Size) -> int:
        """Count the multiply-accumulates that make a map of ``size``."""
        seen = 1 if self.is_depthwise else self.inputs
        return size.height * size.width * self.outputs * seen * self.kernel**2


# Inputs are the channels of the image.
STEM = PolicyLayer("conv_stem", "bn1", 3, _STEM_CHANNELS, kernel=3, stride=2)


def policy_blocks() -> tuple[tuple[PolicyLayer, ...], ...]:
    """Return the layers of every block behind the stem."""
    return tuple(_blocks())


def policy_macs(size: Size) -> int:
    """Count the multiply-accumulates of the network for an RGB image of ``size``."""
    total = 0
    for layer in (STEM, *(layer for block in policy_blocks() for layer in block)):
        size = Size(*(ceil(side / layer.stride) for side in size))
        total += layer.macs(size)
    return total + size.height * size.width * CHANNELS * 2


def _blocks() -> Iterator[tuple[PolicyLayer, ...]]:
    inputs = _STEM_CHANNELS
    for stage, (kernel, first_stride, times, outputs, blocks) in enumerate(_STAGES):
        for block in range(blocks):
            depthwise = PolicyLayer(
                "conv_dw",
                "bn1" if times == 1 else "bn2",
                inputs * times,
                inputs * times,
                kernel,
                1 if block else first_stride,
                is_depthwise=True,
            )
            layers = _around(depthwise, inputs, outputs)
            name = f"blocks.{stage}.{block}."
            yield tuple(replace(one, conv=name + one.conv, norm=name + one.norm) for one in layers)
            inputs = outputs


def _around(depthwise: PolicyLayer, inputs: int, outputs: int) -> tuple[PolicyLayer, ...]:
    """Return the layers of a block with its depthwise one, which may be its first."""
    hidden = depthwise.outputs
    if hidden == inputs:
        return depthwise, PolicyLayer("conv_pw", "bn2", hidden, outputs, is_clamped=False)
    first = PolicyLayer("conv_pw", "bn1", inputs, hidden)
    return first, depthwise, PolicyLayer("conv_pwl", "bn3", hidden, outputs, is_clamped=False)
