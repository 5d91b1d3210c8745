"""Attention as ONNX Runtime's own operator, which keeps the scores in the cache.

At stage 1 of a 1024x2048 image there are 131,072 x 2,048 of them: a gigabyte that the plain form
writes, reads and writes again.
"""

from segpp.export.models._common.attention_rewrites import ort_multi_head_attention
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.targets import ONNXRUNTIME

__all__ = ["ort_multi_head_attention"]

REWRITES.register("ort-multi-head-attention")(
    Rewrite(
        ort_multi_head_attention,
        "attention as one operator of ONNX Runtime",
        targets=(ONNXRUNTIME,),
    )
)
