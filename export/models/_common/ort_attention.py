"""The module that ``ort_multi_head_attention`` puts in place of products and softmax."""

import torch
from torch import Tensor

from segpp.export.models.layers import AttentionCore

__all__ = ["OrtMultiHeadAttention"]


class OrtMultiHeadAttention(AttentionCore):
    """The same arithmetic when called, one ``MultiHeadAttention`` node when exported."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """AttentionCore from q (B, N, C), which comes scaled, to k and v (B, M, C)."""
        if not torch.compiler.is_exporting():
            return super().forward(q, k, v)
        return torch.onnx.ops.symbolic(
            "com.microsoft::MultiHeadAttention",
            (q, k, v),
            # Its own default scale is that of attention, which the queries have already.
            {"num_heads": self.heads, "scale": 1.0},
            dtype=q.dtype,
            shape=q.shape,
            version=1,
        )
