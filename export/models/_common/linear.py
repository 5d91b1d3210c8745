"""Layers made of given weights."""

from torch import Tensor, nn

__all__ = ["conv_1x1", "linear"]


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a linear layer with the weight (out, in) and that bias (out)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = _parameter(weight)
    layer.register_parameter("bias", None if bias is None else _parameter(bias))
    return layer


def conv_1x1(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Return a 1x1 convolution with the weight (out, in) and that bias (out)."""
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False, device="meta")
    layer.weight = _parameter(weight[:, :, None, None])
    layer.register_parameter("bias", None if bias is None else _parameter(bias))
    return layer


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.contiguous(), requires_grad=False)
