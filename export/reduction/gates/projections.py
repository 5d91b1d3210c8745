"""The projections of an attention whose channels every image chooses."""

from torch import Tensor, nn

from segpp.export.models.layers import MergingAttention
from segpp.export.reduction.gates.gate import Gate, chosen_rows

__all__ = ["ProjectionGate"]


class ProjectionGate(nn.Module):
    """Chooses in every head channels of queries and keys, one set for both, and others of values.

    In training all are computed, and masks make zeros of the others: the same result, and a
    gradient for the gates.
    """

    def __init__(self, attention: MergingAttention, kept: int) -> None:
        super().__init__()
        count, dim = attention.q.weight.shape
        heads = attention.core.heads
        self.qk = Gate((dim, dim), count, heads, kept)
        self.v = Gate((dim,), count, heads, kept, attention.out.weight.detach().norm(dim=0))

    def forward(self, attention: MergingAttention, x: Tensor, context: Tensor) -> Tensor:
        """Return the attention (B, N, C) of queries from x over keys and values from context."""
        qk = self.qk([x, context], [attention.q, attention.k])
        v = self.v([context], [attention.v])
        if self.training:
            return self._masked(attention, x, context, self.qk.mask(qk), self.v.mask(v))
        return self._gathered(attention, x, context, self.qk.indices(qk), self.v.indices(v))

    def _masked(
        self, attention: MergingAttention, x: Tensor, context: Tensor, qk: Tensor, v: Tensor
    ) -> Tensor:
        q, k = attention.q(x) * attention.scale * qk, attention.k(context)
        y: Tensor = attention.out(attention.core(q, k, attention.v(context)) * v)
        return y

    def _gathered(
        self, attention: MergingAttention, x: Tensor, context: Tensor, qk: Tensor, v: Tensor
    ) -> Tensor:
        q = _rows(attention.q, x, qk) * attention.scale
        attended = attention.core(
            q, _rows(attention.k, context, qk), _rows(attention.v, context, v)
        )
        y: Tensor = attended @ chosen_rows(attention.out.weight.mT, v) + attention.out.bias
        return y


def _rows(layer: nn.Linear, x: Tensor, chosen: Tensor) -> Tensor:
    """Return the chosen channels of a layer for tokens (B, N, C): (B, N, K)."""
    return (
        x @ chosen_rows(layer.weight, chosen).transpose(1, 2)
        + chosen_rows(layer.bias, chosen)[:, None]
    )
