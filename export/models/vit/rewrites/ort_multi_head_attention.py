"""Attention as ONNX Runtime's own operator, which keeps the scores in the cache."""

from segpp.export.models._common.attention_rewrites import ort_multi_head_attention
from segpp.export.models.vit.rewrites import REWRITES, Rewrite
from segpp.export.targets import ONNXRUNTIME

__all__ = ["ort_multi_head_attention"]

REWRITES.register("ort-multi-head-attention")(
    Rewrite(
        ort_multi_head_attention,
        "attention as one operator of ONNX Runtime",
        targets=(ONNXRUNTIME,),
    )
)
