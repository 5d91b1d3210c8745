"""A checkpoint with what it is trained to have, and does not have yet.

Fresh layers behind a BatchNorm whose statistics stay as they are would get signals of any size. So
each norm begins with what some pictures give it: its outputs have a mean of 0 and a deviation of 1
there. That is put into its scale and shift, which are trained, and no statistic is.

Source: Krähenbühl et al., Data-dependent Initializations of Convolutional Neural Networks, 2016
(arXiv:1511.06856), section 3, there of weights.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from segpp.export.config import reduction_of
from segpp.export.models.base import Checkpoint, family_of
from segpp.train.config import PolicyConfig, TrainingConfig
from segpp.train.learning.tapped import Tapped
from segpp.train.parts.learner import PolicyLearner
from segpp.train.parts.weights import with_backbone
from segpp.train.pictures.reading import Reader, readable

__all__ = ["equipped", "settled", "some_of"]

_HEADS, _POLICY = "exits.", "policy."
# Pictures that norms begin with.
_MOST = 8

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def equipped(checkpoint: Checkpoint, config: TrainingConfig) -> tuple[Checkpoint, Collection[str]]:
    """Return a checkpoint with a policy or auxiliary heads, where it is to learn one of these.

    Returns:
        The checkpoint, and the names of those of its weights that nobody trained.

    Raises:
        InputError: It cannot have them, or the weights of a backbone are of none.
    """
    if isinstance(config, PolicyConfig):
        given = checkpoint.with_policy(config.seed)
        if config.weights is not None:
            return with_backbone(given, config.weights), ()
    elif config.auxiliary_weight is not None or _leaves_by_heads(checkpoint, config):
        given = checkpoint.with_auxiliary_heads(config.seed)
    else:
        given = checkpoint
    return given, given.state.keys() - checkpoint.state.keys()


def settled(checkpoint: Checkpoint, fresh: Collection[str], images: Tensor) -> Checkpoint:
    """Return a checkpoint whose fresh norms begin with what images give them.

    Args:
        checkpoint: Read, and equipped.
        fresh: Names of its weights that nobody trained.
        images: Normalised pixels (B, C, H, W).
    """
    network = checkpoint.build()
    for root, run in ((_HEADS, Tapped(network)), (_POLICY, None)):
        norms = [
            module
            for name, module in network.named_modules()
            if isinstance(module, Norm) and name.startswith(root) and f"{name}.weight" in fresh
        ]
        if norms:
            _settle(norms, run or PolicyLearner(network), images)
    state = network.state_dict()
    return replace(checkpoint, state={name: state[name] for name in checkpoint.state})


def some_of(pictures: Sequence[Path], reader: Reader) -> Tensor:
    """Return a few pictures as a network takes them (B, C, H, W), evenly spaced."""
    chosen = [pictures[i * len(pictures) // _MOST] for i in range(_MOST)]
    found = readable(tuple(dict.fromkeys(chosen)), reader.spec)
    return torch.from_numpy(np.concatenate([reader.whole(path) for path in found]))


def _leaves_by_heads(checkpoint: Checkpoint, config: TrainingConfig) -> bool:
    # Of no network yet: one without heads would refuse.
    methods = reduction_of(config.export, family_of(checkpoint.architecture)).values()
    return any(method.leaves_by == "confidence" for method in methods)


def _settle(norms: Sequence[Norm], run: Callable[[Tensor], object], images: Tensor) -> None:
    """Give norms the scales and shifts by which what images give them has mean 0, deviation 1."""
    # All of them in one pass: each sees what those before it make of it.
    handles = [norm.register_forward_pre_hook(_fold) for norm in norms]
    with torch.no_grad():
        run(images)
    for handle in handles:
        handle.remove()


def _fold(norm: nn.Module, given: tuple[Tensor]) -> None:
    own, x = cast("Norm", norm), given[0].transpose(0, 1).flatten(1)
    mean, variance = x.mean(1), x.var(1, correction=0)
    # Its statistics are 0 and 1, and stay.
    scale = ((1 + own.eps) / (variance + own.eps)).sqrt()
    own.bias.sub_(own.weight * mean * scale / (1 + own.eps) ** 0.5)
    own.weight.mul_(scale)
