"""Attention as ONNX Runtime's own operator, which keeps the scores in the cache.

At stage 1 of a 1024x2048 image there are 131,072 x 2,048 of them: a gigabyte that the plain form
writes, reads and writes again.
"""

import torch
from torch import Tensor

from segpp.export.models.segformer.model import Attend, SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import attentions
from segpp.export.targets import ONNXRUNTIME

__all__ = ["OnnxRuntimeAttend", "onnxruntime_attention"]


class OnnxRuntimeAttend(Attend):
    """The same arithmetic when called, one ``MultiHeadAttention`` node when exported."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from q (B, N, C), which comes scaled, to k and v (B, M, C)."""
        if not torch.compiler.is_exporting():
            return super().forward(q, k, v)
        return torch.onnx.ops.symbolic(
            "com.microsoft::MultiHeadAttention",
            (q, k, v),
            {"num_heads": self.heads, "scale": 1.0},
            dtype=q.dtype,
            shape=q.shape,
            version=1,
        )


def onnxruntime_attention(model: SegFormer) -> None:
    """Replace the products and the softmax of every block."""
    for attention in attentions(model):
        attention.attend = OnnxRuntimeAttend(attention.attend.heads)


REWRITES.register("onnxruntime-attention")(
    Rewrite(
        onnxruntime_attention,
        "attention as one operator of ONNX Runtime",
        targets=(ONNXRUNTIME,),
    )
)
