"""OpenVINO on CPUs: int8 activations and weights on the inputs of weighted products.

OpenVINO joins the pairs with the products itself, and decides what it hands on in 8 bits. Numbers
are symmetric: of asymmetric ones 2026.4 refuses products behind merged tokens ("cannot be
broadcasted").
"""

import onnx

from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.calib.writers._qdq import Style, insert
from segpp.calib.writers._weight_bits import cpu_weight_limit, cpu_weight_options
from segpp.calib.writers.base import Writer

__all__ = ["write_for_openvino"]


def write_for_openvino(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """Return the model with the plan's sites in 8 bits, for the CPU at hand."""
    return insert(model, plan, Style(True, cpu_weight_limit()))


WRITERS.register("openvino")(
    Writer(
        title="OpenVINO",
        backend="openvino",
        floats=frozenset({"classifier"}),
        precisions=frozenset({"fp32"}),
        write=write_for_openvino,
        faults=lambda _model: [],
        options=cpu_weight_options,
        weight_limit=cpu_weight_limit,
    )
)
