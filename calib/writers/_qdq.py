"""QuantizeLinear and DequantizeLinear around weighted products, as every engine reads them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from segpp.calib.graph.sites import Site
from segpp.calib.graph.wiring import Wiring, array_of, bias_behind, wiring_of
from segpp.calib.plan import Plan
from segpp.calib.writers.base import Grid, back_of, grid_of, quantize_weight

__all__ = ["Style", "insert"]

_MOST_INT32 = 2**31 - 1
# What stands for a tensor of 8 bits, in the order in which nodes take it.
_CONSTANTS = ("codes", "scale", "zero_point")
# The first whose pairs take float16.
_HALF_OPSET = 19


@dataclass(frozen=True)
class Style:
    """How a dialect quantizes.

    Args:
        signed: Activations as int8 with the zero point 0; else uint8.
        weight_limit: Largest magnitude of a weight: 127, or 63 where 16-bit sums could overflow.
        bias: Biases as int32; else they stay float.
        fused_products: Matrix products as ONNX Runtime's ``MatMulIntegerToFloat``.
        outputs: Whether what a site gives is quantized again, where the plan has its range.
    """

    signed: bool
    weight_limit: int = 127
    bias: bool = False
    fused_products: bool = False
    outputs: Callable[[Site], bool] = lambda _site: False


def insert(model: onnx.ModelProto, plan: Plan, style: Style) -> onnx.ModelProto:
    """Return a copy of a model in which the plan's sites take and hold 8-bit numbers.

    A tensor that several sites take is quantized once; an initializer that nothing takes any more
    is left out.
    """
    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    edit = _Edit(quantized.graph, plan, style)
    for site in plan.sites:
        edit.quantize(site)
    edit.finish()
    if edit.has_half:
        _raise_opset(quantized)
    if style.fused_products and "com.microsoft" not in {o.domain for o in quantized.opset_import}:
        quantized.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return quantized


class _Edit:
    """The graph while it is changed: what stands before and behind which node."""

    def __init__(self, graph: onnx.GraphProto, plan: Plan, style: Style) -> None:
        self._graph, self._plan, self._style = graph, plan, style
        self._wiring: Wiring = wiring_of(graph)
        self._nodes = {node.name: node for node in graph.node}
        self._before: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self._behind: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self._grids: dict[str, Grid] = {}
        self._dequantized: dict[str, str] = {}
        self._skipped: set[str] = set()
        self.has_half = False

    def quantize(self, site: Site) -> None:
        node = self._nodes[site.node]
        if self._style.fused_products and site.operator == "MatMul":
            self._product(site, node)
            return
        node.input[0] = self._activation(site)
        scales = self._weight(site, node)
        if self._style.bias and site.operator == "Conv":
            self._bias(site, node, scales)
        if self._style.outputs(site):
            self._output(node, self._kind_of(site))

    def finish(self) -> None:
        nodes = [
            one
            for node in self._graph.node
            for one in (*self._before[node.name], node, *self._behind[node.name])
            if one.name not in self._skipped
        ]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        _drop_unused(self._graph)

    def _product(self, site: Site, node: onnx.NodeProto) -> None:
        """Make a matrix product and the bias behind it one node of ONNX Runtime's own."""
        self._activation(site)
        codes, scales = self._rounded(site)
        of_activation = [f"{site.input}/int8/{what}" for what in _CONSTANTS]
        of_weight = self._stored(f"{site.weight}/{site.node}", codes, scales)
        pairs = zip(of_activation, of_weight, strict=True)
        inputs = [name for pair in pairs for name in pair]
        added = bias_behind(node.output[0], len(scales), self._wiring)
        if added is not None:
            sum_, index = added
            inputs.append(sum_.input[index])
            node.output[0] = sum_.output[0]
            self._skip(sum_)
        del node.input[:]
        node.input.extend(inputs)
        node.op_type, node.domain = "MatMulIntegerToFloat", "com.microsoft"

    def _activation(self, site: Site) -> str:
        """Return what a site takes as it comes back from 8 bits."""
        tensor = site.input
        if tensor not in self._dequantized:
            grid = self._grid(tensor, self._kind_of(site))
            pair, name = self._pair(tensor, f"{tensor}/int8", grid)
            self._before[site.node].extend(pair)
            self._dequantized[tensor] = name
        return self._dequantized[tensor]

    def _kind_of(self, site: Site) -> np.dtype[Any]:
        """Return the type that a site computes in: that of its weight."""
        kind = helper.tensor_dtype_to_np_dtype(self._wiring.initializers[site.weight].data_type)
        self.has_half |= kind == np.float16
        return kind

    def _grid(self, tensor: str, kind: np.dtype[Any]) -> Grid:
        low, high = self._plan.ranges[tensor]
        grid = grid_of(low, high, signed=self._style.signed, kind=kind)
        return self._grids.setdefault(tensor, grid)

    def _pair(self, tensor: str, prefix: str, grid: Grid) -> tuple[list[onnx.NodeProto], str]:
        constants = [
            self._constant(f"{prefix}/scale", np.asarray(grid.scale)),
            self._constant(f"{prefix}/zero_point", np.asarray(grid.zero_point)),
        ]
        codes, back = f"{prefix}/codes", back_of(tensor)
        return [
            helper.make_node("QuantizeLinear", [tensor, *constants], [codes], name=codes),
            helper.make_node("DequantizeLinear", [codes, *constants], [back], name=back),
        ], back

    def _weight(self, site: Site, node: onnx.NodeProto) -> NDArray[np.floating[Any]]:
        codes, scales = self._rounded(site)
        inputs = self._stored(f"{site.weight}/{site.node}", codes, scales)
        node.input[1] = self._back(site.node, inputs, site.output_axis)
        return scales

    def _rounded(self, site: Site) -> tuple[NDArray[np.int8], NDArray[np.floating[Any]]]:
        """Return a weight's integers and scales: the plan's integers, else the nearest."""
        weight = numpy_helper.to_array(self._wiring.initializers[site.weight])
        nearest, scales = quantize_weight(weight, site.output_axis, self._style.weight_limit)
        return self._plan.codes.get(site.node, nearest), scales

    def _bias(self, site: Site, node: onnx.NodeProto, scales: NDArray[np.floating[Any]]) -> None:
        """Quantize the bias of a convolution, if it has one."""
        if not node.input[2:3]:
            return
        bias = array_of(self._wiring.initializers[node.input[2]])
        scale = (self._grids[site.input].scale * scales).astype(np.float32)
        codes = np.clip(np.round(bias / scale), -_MOST_INT32, _MOST_INT32).astype(np.int32)
        inputs = self._stored(f"{node.input[2]}/{site.node}", codes, scale)
        node.input[2] = self._back(site.node, inputs, 0)

    def _stored(
        self, prefix: str, codes: NDArray[np.generic], scales: NDArray[np.generic]
    ) -> list[str]:
        """Return the names of a constant's numbers, scales and zero points, all 0."""
        values = (codes, scales, np.zeros(len(scales), codes.dtype))
        pairs = zip(_CONSTANTS, values, strict=True)
        return [self._constant(f"{prefix}/{what}", value) for what, value in pairs]

    def _back(self, node: str, inputs: list[str], axis: int) -> str:
        """Put before a node what makes a constant of 8 or 32 bits float again; return its name."""
        name = inputs[0].removesuffix(_CONSTANTS[0]) + "back"
        made = helper.make_node("DequantizeLinear", inputs, [name], axis=axis, name=name)
        self._before[node].append(made)
        return name

    def _output(self, node: onnx.NodeProto, kind: np.dtype[Any]) -> None:
        """Quantize what a node gives, behind the ReLU that follows it if one does."""
        users = self._wiring.users(node.output[0])
        last = users[0] if len(users) == 1 and users[0].op_type == "Relu" else node
        tensor = last.output[0]
        if tensor in {output.name for output in self._graph.output}:
            return
        if tensor not in self._plan.ranges or tensor in self._dequantized:
            return
        grid = self._grid(tensor, kind)
        pair, back = self._pair(tensor, f"{tensor}/int8", grid)
        if last is not node and not grid.zero_point and not self._style.signed:
            # What is below 0 is clipped there anyway; without the ReLU the product stands next to
            # the pair, and engines compute it in 8 bits.
            self._skip(last)
            pair[0].input[0] = node.output[0]
        for user in self._wiring.users(tensor):
            for index, name in enumerate(user.input):
                if name == tensor:
                    user.input[index] = back
        self._behind[last.name].extend(pair)
        self._dequantized[tensor] = back

    def _skip(self, node: onnx.NodeProto) -> None:
        self._skipped.add(node.name)

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        if name not in self._wiring.initializers:
            tensor = numpy_helper.from_array(value, name)
            self._graph.initializer.append(tensor)
            self._wiring.initializers[name] = tensor
        return name


def _raise_opset(model: onnx.ModelProto) -> None:
    """Let pairs take float16; nothing that these files hold means anything else in this opset."""
    for owner in (model, *model.functions):
        for one in owner.opset_import:
            if one.domain in ("", "ai.onnx"):
                one.version = max(one.version, _HALF_OPSET)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
