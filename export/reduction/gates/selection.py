"""Which channels to cut, and how the layer behind them makes up for it.

A linear layer y = W h + b loses some of its inputs h. Of images only two moments of h are needed,
the mean m and the covariance C, and of the layer M = W^T W: every loss below is a sum over entries
of these matrices. Queries and keys are such a layer too: a query is a row of W for its keys.

Cut only, a set D costs E|W_D h_D|^2. With a correction every lost channel is replaced by its best
linear prediction from those that stay (K), h_D ~ m_D + B (h_K - m_K) with B = C_DK C_KK^-1, which
is exactly a change of W_K and b, and costs what no change of them could avoid:
E|W_D (h_D - prediction)|^2. Channels go in rounds, each time the few that then cost least.

Source: Hassibi & Stork, Optimal Brain Surgeon, 1993, equations 5 to 7, with the covariance in the
place of the Hessian, which it is for a linear layer and squared error.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Moments", "channels_to_keep", "prediction"]

# Of the mean variance: what is added to each, so that channels which are always off divide nothing.
_RIDGE = 1e-6
# Of a layer's channels the hundredth part or so goes at once: one by one takes minutes.
_ROUNDS = 128


@dataclass(frozen=True)
class Moments:
    """Of the channels (D,) of one layer's input, in double precision, over all tokens and images.

    Attributes:
        mean: (D,)
        covariance: (D, D)
    """

    mean: Tensor
    covariance: Tensor


def channels_to_keep(
    moments: Moments, product: Tensor, kept: int, groups: int, *, correct: bool
) -> Tensor:
    """Return the indices of the channels to keep, ascending, equally many in every group.

    Args:
        moments: Of the channels.
        product: M = W^T W (D, D) of the layer that they go into.
        kept: How many stay.
        groups: Neighbouring channels in so many groups of one size.
        correct: Whether the layer is going to make up for what is cut.
    """
    costs = _Corrected(moments, product) if correct else _Cut(moments, product)
    count = len(product)
    group = torch.arange(count) // (count // groups)
    left = torch.full((groups,), (count - kept) // groups)
    stays = torch.ones(count, dtype=torch.bool)
    while left.any():
        order = costs.now().masked_fill(~(stays & (left > 0)[group]), torch.inf).argsort()
        cut = _within(order[: max(1, count // _ROUNDS)], group, left, stays)
        costs.cut(cut)
        stays[cut] = False
        left -= torch.bincount(group[cut], minlength=groups)
    return stays.nonzero()[:, 0]


def _within(order: Tensor, group: Tensor, left: Tensor, stays: Tensor) -> Tensor:
    """Return the first channels of an order of which no group has to lose too many."""
    room, taken = left.tolist(), []
    for channel in order.tolist():
        if stays[channel] and room[int(group[channel])] > 0:
            room[int(group[channel])] -= 1
            taken.append(channel)
    return torch.tensor(taken)


def prediction(moments: Moments, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return every channel as a linear function of those kept: (D, K), and what is added, (D,)."""
    covariance = _ridged(moments.covariance)
    within = covariance[kept][:, kept]
    weights = torch.linalg.solve(within, covariance[kept]).T
    # What stays is itself, to the last bit.
    weights[kept] = torch.eye(len(kept), dtype=weights.dtype)
    added = moments.mean - weights @ moments.mean[kept]
    added[kept] = 0
    return weights, added


class _Cut:
    """What cutting one more channel costs if nothing makes up for it."""

    def __init__(self, moments: Moments, product: Tensor) -> None:
        second = moments.covariance + torch.outer(moments.mean, moments.mean)
        self.pairs = second * product
        self.costs = self.pairs.diagonal().clone()

    def now(self) -> Tensor:
        """Return the cost of each channel, given those that are cut."""
        return self.costs

    def cut(self, channels: Tensor) -> None:
        """Cut some."""
        self.costs += 2 * self.pairs[channels].sum(0)


class _Corrected:
    """What cutting one more channel costs after the best correction.

    ``inverse`` is that of the covariance of those that stay, ``product`` M of the corrected layer.
    """

    def __init__(self, moments: Moments, product: Tensor) -> None:
        self.inverse = torch.linalg.inv(_ridged(moments.covariance))
        self.product = product.clone()

    def now(self) -> Tensor:
        """Return the cost of each channel, given those that are cut."""
        # Those that are cut have nothing left in either; they are not asked for again.
        costs: Tensor = self.product.diagonal() / self.inverse.diagonal().clamp(min=1e-300)
        return costs

    def cut(self, channels: Tensor) -> None:
        """Cut some."""
        rows = self.inverse[channels]
        shares = torch.linalg.solve(rows[:, channels], rows)
        # 1. The others' weights get what these leave: W - W_c shares, and so M on both sides.
        moved = self.product[:, channels] @ shares
        self.product -= moved + moved.T - shares.T @ self.product[channels][:, channels] @ shares
        # 2. The inverse of the covariance without these.
        self.inverse -= rows.T @ shares


def _ridged(covariance: Tensor) -> Tensor:
    ridge = _RIDGE * covariance.diagonal().mean()
    # A layer whose input is the same for every token leaves nothing to predict.
    ridge = ridge if ridge > 0 else torch.ones_like(ridge)
    return covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype)
