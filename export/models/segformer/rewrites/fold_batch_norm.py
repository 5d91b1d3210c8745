"""BatchNorm after a convolution is a scale of its weights and a bias.

With trained statistics, ``y = (W x + b - mean) / sqrt(var + eps) * gamma + beta`` (Ioffe & Szegedy,
2015, arXiv:1502.03167, algorithm 2), which is a convolution with the weights ``W * scale`` and the
bias ``b * scale + beta - mean * scale``, where ``scale = gamma / sqrt(var + eps)`` per channel.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from torch import nn

    from segpp.export.models.segformer.model import SegFormer

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model: "SegFormer") -> None:
    """Fold the head's norms into the convolutions before them."""
    from torch import nn

    for module in [*model.head.projections, model.head.fuse]:
        if isinstance(module.norm, nn.BatchNorm2d):
            module.conv = _folded(module.conv, module.norm)
            module.norm = nn.Identity()


def _folded(conv: "nn.Conv2d", norm: "nn.BatchNorm2d") -> "nn.Conv2d":
    import torch

    from segpp.export.models.segformer.rewrites._module_utils import conv_1x1

    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise RuntimeError("the norm has no statistics: it was never made for inference")
    # In double precision: the folded weights are rounded once.
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    bias = norm.bias.double() - mean.double() * scale
    if conv.bias is not None:
        bias = bias + conv.bias.double() * scale
    # (out, in) of a 1x1 convolution, times (out, 1)
    weight = conv.weight[:, :, 0, 0].double() * scale[:, None]
    return conv_1x1(weight.to(conv.weight.dtype), bias.to(conv.weight.dtype))


REWRITES.register("fold-batch-norm")(
    Rewrite(fold_batch_norm, "BatchNorm of the head as weights and bias of its convolutions")
)
