"""Attention as ONNX Runtime's own operator, which keeps the scores in the cache.

At stage 1 of a 1024x2048 image there are 131,072 x 2,048 of them: a gigabyte that the plain form
writes, reads and writes again.
"""

import torch
from torch import Tensor

from segpp.export.models.layers import AttentionCore
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import attentions
from segpp.export.targets import ONNXRUNTIME

__all__ = ["OrtMultiHeadAttention", "ort_multi_head_attention"]


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


def ort_multi_head_attention(model: SegFormer) -> None:
    """Replace the products and the softmax of every block."""
    for attention in attentions(model):
        attention.core = OrtMultiHeadAttention(attention.core.heads)


REWRITES.register("ort-multi-head-attention")(
    Rewrite(
        ort_multi_head_attention,
        "attention as one operator of ONNX Runtime",
        targets=(ONNXRUNTIME,),
    )
)
