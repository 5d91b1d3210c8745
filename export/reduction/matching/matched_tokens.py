"""What bsm gives to the match in place of the tokens, where its settings ask for it."""

from torch import Tensor

from segpp.export.reduction.matching.destination_exchange import (
    DestinationExchange,
    center_exchange,
    chosen_exchange,
)
from segpp.export.reduction.matching.protected_tokens import protected_tokens
from segpp.export.reduction.matching.saliency import saliency, unit
from segpp.ops.partition import BipartitePartition

__all__ = ["matched_tokens"]

# Of the saliency by which a destination is chosen.
_SIGNS = {"typical": -1.0, "salient": 1.0}


def matched_tokens(
    x: Tensor, partition: BipartitePartition, *, protect: float, destination: str
) -> tuple[Tensor, DestinationExchange | None]:
    """Return what to match, and how its order differs from the grid's, if it does.

    Args:
        x: Tokens (B, N, C).
        partition: Which of them are destinations, if it is the corners.
        protect: How much the saliency of a source weighs against its cosine.
        destination: ``corner``, ``center``, ``typical`` or ``salient``.
    """
    exchange = center_exchange(partition, x.device) if destination == "center" else None
    if not protect and destination not in _SIGNS:
        return (x if exchange is None else exchange.of_tokens(x)), exchange
    tokens = unit(x)
    standing_out = saliency(tokens, partition)
    if destination in _SIGNS:
        exchange = chosen_exchange(_SIGNS[destination] * standing_out, partition)
    if exchange is not None:
        tokens, standing_out = exchange.of_tokens(tokens), exchange.of_numbers(standing_out)
    if protect:
        tokens = protected_tokens(tokens, standing_out, protect, partition)
    return tokens, exchange
