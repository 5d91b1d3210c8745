"""BatchNorm of a head, and of a policy, as weights and bias of the layer beside it.

With trained statistics it is ``y = x * s + t`` per channel (Ioffe & Szegedy, 2015,
arXiv:1502.03167, algorithm 2). Behind a convolution without bias, ``s * (W x) + t = (s W) x + t``;
before a linear layer, ``W (s x + t) + b = (W s) x + (W t + b)``.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING, cast

from segpp.export.models.vit.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from torch import Tensor, nn

    from segpp.export.models.vit.network import ViT
    from segpp.export.models.vit.network.heads import ConvUp
    from segpp.export.models.vit.network.passing import AuxiliaryHead
    from segpp.export.reduction.matching.policy_network import PolicyNetwork

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model: "ViT") -> None:
    """Fold the norms of a head that has some, of auxiliary heads and of a policy."""
    from torch import nn

    from segpp.export.models._common.linear import conv_1x1, linear
    from segpp.export.models.vit.network.heads import (
        BatchNormLinear,
        SetrNaive,
        SetrProgressive,
    )

    for auxiliary in model.exits:
        _fold_auxiliary(cast("AuxiliaryHead", auxiliary))
    head = model.head
    if isinstance(head, SetrNaive) and isinstance(head.batch_norm, nn.BatchNorm2d):
        scale, shift = _affine(head.batch_norm)
        weight = head.conv.weight[:, :, 0, 0].double() * scale[:, None]
        kind = head.conv.weight.dtype
        head.conv = conv_1x1(weight.to(kind), shift.to(kind))
        head.batch_norm = nn.Identity()
    for up in head.convs if isinstance(head, SetrProgressive) else ():
        _fold_behind(cast("ConvUp", up))
    if isinstance(head, BatchNormLinear) and isinstance(head.norm, nn.BatchNorm1d):
        scale, shift = _affine(head.norm)
        weight, kind = head.classifier.weight.double(), head.classifier.weight.dtype
        bias = weight @ shift + head.classifier.bias.double()
        head.classifier = linear((weight * scale).to(kind), bias.to(kind))
        head.norm = nn.Identity()
    if model.policy is not None:
        _fold_policy(model.policy)


def _fold_policy(policy: "PolicyNetwork") -> None:
    """Fold the norm behind every convolution of a policy."""
    from torch import nn

    from segpp.export.reduction.matching.policy_network import PolicyConv

    for layer in policy.modules():
        if isinstance(layer, PolicyConv) and isinstance(layer.norm, nn.BatchNorm2d):
            conv, (scale, shift) = layer.conv, _affine(layer.norm)
            kind = conv.weight.dtype
            weight = conv.weight.double() * scale[:, None, None, None]
            conv.weight = nn.Parameter(weight.to(kind), requires_grad=False)
            conv.bias = nn.Parameter(shift.to(kind), requires_grad=False)
            layer.norm = nn.Identity()


def _fold_behind(up: "ConvUp") -> None:
    """Fold the norm behind a 3x3 convolution."""
    from torch import nn

    if not isinstance(up.batch_norm, nn.BatchNorm2d):
        return
    scale, shift = _affine(up.batch_norm)
    old = up.conv.weight
    conv = nn.Conv2d(old.shape[1], old.shape[0], 3, padding=1)
    weight = old.double() * scale[:, None, None, None]
    conv.weight = nn.Parameter(weight.to(old.dtype), requires_grad=False)
    conv.bias = nn.Parameter(shift.to(old.dtype), requires_grad=False)
    up.conv, up.batch_norm = conv, nn.Identity()


def _fold_auxiliary(head: "AuxiliaryHead") -> None:
    """Fold the norm behind the first layer of an auxiliary head."""
    from torch import nn

    from segpp.export.models._common.linear import linear

    if isinstance(head.batch_norm, nn.BatchNorm1d):
        scale, shift = _affine(head.batch_norm)
        weight, kind = head.linear.weight.double(), head.linear.weight.dtype
        head.linear = linear((weight * scale[:, None]).to(kind), shift.to(kind))
        head.batch_norm = nn.Identity()


def _affine(norm: "nn.BatchNorm1d | nn.BatchNorm2d") -> "tuple[Tensor, Tensor]":
    """Return scale and shift per channel, in double precision: folded weights are rounded once."""
    import torch

    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise RuntimeError("the norm has no statistics: it was never made for inference")
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    return scale, norm.bias.double() - mean.double() * scale


REWRITES.register("fold-batch-norm")(
    Rewrite(fold_batch_norm, "BatchNorm as weights and bias of the layer beside it")
)
