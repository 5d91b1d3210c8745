"""The names of what a network is given for fewer tokens: auxiliary heads, and a policy.

Source: Liu et al., DoViT, 2024 (arXiv:2308.01944), whose heads are mmsegmentation's FCN and SETR
heads; Lu et al., CTS, 2023 (arXiv:2306.02095), whose policy has timm's names.
"""

from collections.abc import Iterator

from segpp.export.models.vit.architecture import Head
from segpp.export.models.vit.loading.formats._base import Module
from segpp.export.reduction.matching.policy_layers import STEM, PolicyLayer, policy_blocks

__all__ = ["POLICY", "exits_at"]


def exits_at(root: str) -> dict[Head, tuple[Module, ...]]:
    """Return the modules of auxiliary heads that lie at ``root.{j}``, by the head of the network.

    Convolutions of 1x1, which are linear layers here.
    """
    fcn = _auxiliary(f"{root}.{{j}}", "convs.0")
    setr = _auxiliary(f"{root}.{{j}}", "up_convs.0.0")
    return {
        "mask-transformer": fcn,
        "setr-naive": (*setr, Module("exits.{j}.norm", f"{root}.{{j}}.norm")),
        "linear": fcn,
    }


def _auxiliary(head: str, convolution: str) -> tuple[Module, ...]:
    return (
        Module("exits.{j}.linear", f"{head}.{convolution}.conv", "conv"),
        Module("exits.{j}.batch_norm", f"{head}.{convolution}.bn"),
        Module("exits.{j}.classifier", f"{head}.conv_seg", "conv"),
    )


def _policy() -> Iterator[Module]:
    yield from _policy_layer("policy.stem", STEM)
    for number, layers in enumerate(policy_blocks()):
        for place, layer in enumerate(layers):
            yield from _policy_layer(f"policy.blocks.{number}.layers.{place}", layer)
    yield Module("policy.head", "policy_net.head")


def _policy_layer(ours: str, layer: PolicyLayer) -> Iterator[Module]:
    yield Module(f"{ours}.conv", f"policy_net.backbone.{layer.conv}")
    yield Module(f"{ours}.norm", f"policy_net.backbone.{layer.norm}")


POLICY = tuple(_policy())
