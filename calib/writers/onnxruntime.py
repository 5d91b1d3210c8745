"""ONNX Runtime on CPUs: uint8 activations, int8 weights, convolutions that give 8 bits too.

It computes a convolution in 8 bits only where its output is quantized as well, and a matrix product
also where it is not. Without VNNI the sums of two products of 8 bits are kept in 16, which full
weights overflow: they have 7 bits there.
"""

import onnx

from segpp.calib.graph.fuse_gelu import fuse_gelu
from segpp.calib.graph.sites import Site
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.calib.writers._qdq import Style, insert
from segpp.calib.writers.base import FULL_WEIGHTS, Writer
from segpp.manifest import WEIGHT_BITS
from segpp.utils.limits import has_vnni

__all__ = ["write_for_onnxruntime"]

_SEVEN_BITS = 63


def write_for_onnxruntime(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """Return the model with the plan's sites in 8 bits, for the CPU at hand."""
    return insert(
        fuse_gelu(model),
        plan,
        Style(False, _weight_limit(), bias=True, fused_products=True, outputs=_is_convolution),
    )


def _weight_limit() -> int:
    return FULL_WEIGHTS if has_vnni() else _SEVEN_BITS


def _is_convolution(site: Site) -> bool:
    return site.operator == "Conv"


WRITERS.register("onnxruntime")(
    Writer(
        title="ONNX Runtime",
        backend="onnxruntime",
        floats=frozenset({"classifier"}),
        precisions=frozenset({"fp32"}),
        write=write_for_onnxruntime,
        faults=lambda _model: [],
        options=lambda: {WEIGHT_BITS: "8" if has_vnni() else "7"},
        weight_limit=_weight_limit,
    )
)
