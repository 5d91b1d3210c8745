"""Channels chosen on images and cut out of the weights of a stage's blocks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from segpp.export.models.segformer.gates.zeros import kept_by_zeros
from segpp.export.models.segformer.model import Attention, Block, MixFfn, SegFormer, Stage
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Channels, Place
from segpp.export.reduction.gates.running_moments import Draw, RunningMoments
from segpp.export.reduction.gates.selection import channels_to_keep, prediction

__all__ = ["cut_place"]


def cut_place(
    model: SegFormer, place: Place, gate: FixedGate, channels: Channels, images: Sequence[Draw]
) -> dict[str, Tensor]:
    """Cut the channels of one place in every block, and return the indices of those kept.

    Where zeros tell which ones, no image is looked at, and what is left is to the last bit as it
    was.

    Args:
        model: Changed in place; parameters are replaced, never written to.
        place: Which channels of which stage.
        gate: How many stay, and whether the following layer makes up for the others.
        channels: How many there are.
        images: What the choice is made on.
    """
    kept = gate.channels_out(channels)
    blocks = [cast("Block", block) for block in cast("Stage", model.stages[place.stage - 1]).blocks]
    choices: list[_Hidden | _Values | _Scores] = []
    for index, block in enumerate(blocks, start=1):
        if place.part == "hidden":
            choices.append(_Hidden(f"{index}.hidden", block.ffn))
        else:
            choices.append(_Scores(f"{index}.qk", block.attention))
            choices.append(_Values(f"{index}.v", block.attention))
    if (told := kept_by_zeros(model, place, gate, channels)) is not None:
        for one in choices:
            one.keep(told[one.name])
        return told
    with _listening(choices):
        _run(model, place.stage, images)
    return {one.name: one.cut(gate, kept, channels.groups) for one in choices}


@contextmanager
def _listening(choices: "Sequence[_Hidden | _Values | _Scores]") -> Iterator[None]:
    handles = [handle for choice in choices for handle in choice.listen()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _run(model: SegFormer, stage: int, images: Sequence[Draw]) -> None:
    """Run the stages up to this one; nothing behind it is looked at."""
    with torch.inference_mode():
        for draw in images:
            x = torch.from_numpy(draw())
            for module in model.stages[:stage]:
                x = module(x)


class _InputOf:
    """The channels that go into one linear layer."""

    def __init__(self, name: str, layer: nn.Linear) -> None:
        self.name, self.layer, self.seen = name, layer, RunningMoments()

    def listen(self) -> list[Any]:
        return [self.layer.register_forward_pre_hook(lambda _, x: self.seen.add(x[0]))]

    def chosen(self, gate: FixedGate, kept: int, groups: int) -> tuple[Tensor, nn.Linear]:
        """Return the channels to keep and the layer for them."""
        weight, bias = self.layer.weight.double(), self.layer.bias.double()
        moments = self.seen.moments()
        correct = bool(gate.correct)
        stays = channels_to_keep(moments, weight.T @ weight, kept, groups, correct=correct)
        if not correct:
            return stays, _columns(self.layer, stays)
        mixed, added = prediction(moments, stays)
        kind = self.layer.weight.dtype
        return stays, _linear((weight @ mixed).to(kind), (bias + weight @ added).to(kind))


class _Hidden(_InputOf):
    def __init__(self, name: str, ffn: MixFfn) -> None:
        super().__init__(name, ffn.fc2)
        self.ffn = ffn

    def cut(self, gate: FixedGate, kept: int, groups: int) -> Tensor:
        stays, behind = self.chosen(gate, kept, groups)
        self.keep(stays, behind)
        return stays

    def keep(self, stays: Tensor, behind: nn.Linear | None = None) -> None:
        ffn, old, kept = self.ffn, self.ffn.dwconv, len(stays)
        ffn.fc2 = behind or _columns(ffn.fc2, stays)
        ffn.fc1 = _rows(ffn.fc1, stays)
        new = nn.Conv2d(kept, kept, 3, padding=1, groups=kept, device="meta")
        new.weight, new.bias = _parameter(old.weight[stays]), _parameter(_bias(old)[stays])
        ffn.dwconv = new


class _Values(_InputOf):
    def __init__(self, name: str, attention: Attention) -> None:
        super().__init__(name, attention.out)
        self.attention = attention

    def cut(self, gate: FixedGate, kept: int, groups: int) -> Tensor:
        stays, behind = self.chosen(gate, kept, groups)
        self.keep(stays, behind)
        return stays

    def keep(self, stays: Tensor, behind: nn.Linear | None = None) -> None:
        self.attention.out = behind or _columns(self.attention.out, stays)
        self.attention.v = _rows(self.attention.v, stays)


class _Scores:
    """The channels of queries and keys; a query is a row of what its keys go into."""

    def __init__(self, name: str, attention: Attention) -> None:
        self.name, self.attention = name, attention
        self.queries, self.keys = RunningMoments(), RunningMoments(centred=True)

    def listen(self) -> list[Any]:
        q, k = self.attention.q, self.attention.k
        return [
            q.register_forward_hook(lambda _, __, y: self.queries.add(y)),
            k.register_forward_hook(lambda _, __, y: self.keys.add(y)),
        ]

    def cut(self, gate: FixedGate, kept: int, groups: int) -> Tensor:
        q = self.attention.q
        moments, product = self.keys.moments(), self.queries.second
        # A head's scores are of its own channels alone.
        width = len(product) // groups
        heads = torch.eye(groups, dtype=product.dtype)
        own = heads.repeat_interleave(width, 0).repeat_interleave(width, 1)
        moments.covariance.mul_(own)
        correct = bool(gate.correct)
        stays = channels_to_keep(moments, product * own, kept, groups, correct=correct)
        if not correct:
            self.keep(stays)
            return stays
        mixed, _ = prediction(moments, stays)
        weight, bias = mixed.T @ q.weight.double(), mixed.T @ q.bias.double()
        self.keep(stays, _linear(weight.to(q.weight.dtype), bias.to(q.bias.dtype)))
        return stays

    def keep(self, stays: Tensor, queries: nn.Linear | None = None) -> None:
        self.attention.k = _rows(self.attention.k, stays)
        self.attention.q = queries or _rows(self.attention.q, stays)


def _rows(layer: nn.Linear, stays: Tensor) -> nn.Linear:
    return _linear(layer.weight[stays], layer.bias[stays])


def _columns(layer: nn.Linear, stays: Tensor) -> nn.Linear:
    return _linear(layer.weight[:, stays], layer.bias)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = _parameter(weight), _parameter(bias)
    return layer


def _bias(layer: nn.Conv2d) -> Tensor:
    if layer.bias is None:
        raise RuntimeError("the depthwise convolution has no bias")
    return layer.bias


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach().contiguous(), requires_grad=False)
