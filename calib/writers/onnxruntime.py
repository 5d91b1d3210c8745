"""ONNX Runtime on CPUs: uint8 activations, int8 weights, convolutions that give 8 bits too.

It computes a convolution in 8 bits only where its output is quantized as well, and a matrix product
also where it is not.
"""

import onnx

from segpp.calib.graph.fuse_gelu import fuse_gelu
from segpp.calib.graph.sites import Site
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.calib.writers._qdq import Style, insert
from segpp.calib.writers._weight_bits import cpu_weight_limit, cpu_weight_options
from segpp.calib.writers.base import Writer

__all__ = ["write_for_onnxruntime"]


def write_for_onnxruntime(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """Return the model with the plan's sites in 8 bits, for the CPU at hand."""
    return insert(
        fuse_gelu(model),
        plan,
        Style(False, cpu_weight_limit(), bias=True, fused_products=True, outputs=_is_convolution),
    )


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
        options=cpu_weight_options,
        weight_limit=cpu_weight_limit,
    )
)
