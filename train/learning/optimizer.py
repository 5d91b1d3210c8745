"""AdamW, and its averages as tensors by the names of the weights."""

import torch
from torch import Tensor, nn

from segpp.export.models.network import Network

__all__ = ["moments_of", "optimizer_for", "restore", "trained"]

_BETAS = (0.9, 0.999)
# Weights start where they are meant to stay near: nothing pulls them to zero.
_DECAY = 0.0


def trained(network: Network) -> dict[str, nn.Parameter]:
    """Return what is trained, by name: all weights but fixed ones; statistics of norms are none."""
    own = network.named_parameters()
    return {name: weight for name, weight in own if not name.startswith(network.fixed)}


def optimizer_for(network: Network, rate: float) -> torch.optim.AdamW:
    """Return AdamW for a network.

    Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019 (arXiv:1711.05101).
    """
    weights = list(trained(network).values())
    return torch.optim.AdamW(weights, lr=rate, betas=_BETAS, weight_decay=_DECAY, foreach=False)


def moments_of(optimizer: torch.optim.Optimizer, network: Network) -> dict[str, dict[str, Tensor]]:
    """Return both averages of every weight, by its name; nothing before the first step."""
    return {
        name: {key: optimizer.state[weight][key] for key in ("exp_avg", "exp_avg_sq")}
        for name, weight in trained(network).items()
        if weight in optimizer.state
    }


def restore(
    optimizer: torch.optim.Optimizer,
    network: Network,
    moments: dict[str, dict[str, Tensor]],
    updates: int,
) -> None:
    """Give an optimizer the averages that another had after so many updates."""
    for name, weight in trained(network).items():
        if name in moments:
            own = {key: value.to(weight.device) for key, value in moments[name].items()}
            optimizer.state[weight] = {"step": torch.tensor(float(updates)), **own}
