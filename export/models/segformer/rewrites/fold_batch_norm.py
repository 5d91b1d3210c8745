"""BatchNorm after a convolution is a scale of its weights and a bias."""

import torch
from torch import nn

from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import conv_1x1

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model: SegFormer) -> None:
    """Fold the head's norms into the convolutions before them."""
    for module in [*model.head.projections, model.head.fuse]:
        if isinstance(module.norm, nn.BatchNorm2d):
            module.conv = _folded(module.conv, module.norm)
            module.norm = nn.Identity()


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise RuntimeError("the norm has no statistics: it was never made for inference")
    # In double precision: the folded weights are rounded once.
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    bias = norm.bias.double() - mean.double() * scale
    if conv.bias is not None:
        bias = bias + conv.bias.double() * scale
    weight = conv.weight[:, :, 0, 0].double() * scale[:, None]
    return conv_1x1(weight.to(conv.weight.dtype), bias.to(conv.weight.dtype))


REWRITES.register("fold-batch-norm")(
    Rewrite(fold_batch_norm, "BatchNorm of the head as weights and bias of its convolutions")
)
