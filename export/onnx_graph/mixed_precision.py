"""A graph of FP32 in half precision, with the parts left in FP32 that need it.

Precision is a property of the file: the types of weights and activations in it, with a Cast where
two types meet. TensorRT's strongly typed networks keep them, and its compilers fuse the casts away.
"""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from segpp.export.targets import BF16_IR_VERSION, BF16_OPSET

__all__ = ["HALF_KINDS", "float_names", "to_half"]

# What each precision stores its weights and activations as.
HALF_KINDS: dict[str, int] = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
_SUFFIX: dict[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
}

# Inputs that are FP32 whatever the others are: roi and scales of a Resize.
_ALWAYS_FLOAT = {"Resize": (1, 2)}


def to_half(
    model: ModelProto,
    kind: int,
    fp32_nodes: Collection[str],
    *,
    half_input: bool = False,
    half_output: bool = False,
) -> ModelProto:
    """Return the graph with its floats as ``kind``, but for those of some nodes.

    Args:
        model: Clean, in FP32, with the type of every value known.
        kind: ``TensorProto.FLOAT16`` or ``BFLOAT16``.
        fp32_nodes: Names of the nodes that go on computing in FP32.
        half_input: Take the input as ``kind``, where it is a float.
        half_output: Give the outputs that are floats as ``kind``.
    """
    half = ModelProto()
    half.CopyFrom(model)
    edit = _Conversion(half.graph, kind, fp32_nodes)
    edit.set_input(kind if half_input else TensorProto.FLOAT)
    edit.set_outputs(kind if half_output else TensorProto.FLOAT)
    edit.convert()
    if kind == TensorProto.BFLOAT16:
        _raise_versions(half)
    return half


def float_names(graph: GraphProto) -> set[str]:
    """Return the names of all FP32 values and constants of a graph."""
    values = [*graph.input, *graph.value_info, *graph.output]
    names = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return names | {t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT}


class _Conversion:
    """One graph on its way to another type.

    Attributes:
        types: The type that each computed value has by now.
        casts: The value that is another one in another type.
    """

    def __init__(self, graph: GraphProto, kind: int, fp32_nodes: Collection[str]) -> None:
        self.graph = graph
        self.floats = float_names(graph)
        self.kind_of = {
            node.name: TensorProto.FLOAT if node.name in fp32_nodes else kind for node in graph.node
        }
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.infos = {
            value.name: value for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.types: dict[str, int] = {}
        self.casts: dict[tuple[str, int], str] = {}
        self.nodes: list[NodeProto] = []
        self.kept: dict[str, TensorProto] = {}

    def set_input(self, kind: int) -> None:
        """Give the graph's float inputs their type."""
        for value in self.graph.input:
            if value.name in self.floats:
                value.type.tensor_type.elem_type = self.types[value.name] = kind

    def set_outputs(self, kind: int) -> None:
        """Give the graph's float outputs their type; a Cast has their name where it differs."""
        made = {name: self.kind_of[node.name] for node in self.graph.node for name in node.output}
        for value in self.graph.output:
            if value.name not in self.floats:
                continue
            value.type.tensor_type.elem_type = kind
            if made[value.name] != kind:
                self._rename(value, f"{value.name}_{_SUFFIX[made[value.name]]}", kind)

    def convert(self) -> None:
        """Convert every node, then what the graph says of its values."""
        for node in self.graph.node:
            self._convert_node(node)
        outputs = {value.name for value in self.graph.output}
        for (name, kind), cast in list(self.casts.items()):
            if cast in outputs:
                self._cast(name, kind)
        _replace(self.graph.node, self.nodes)
        _replace(self.graph.initializer, self.kept.values())
        _replace(self.graph.value_info, self._values(outputs))

    def _rename(self, output: ValueInfoProto, inner: str, kind: int) -> None:
        for node in self.graph.node:
            for names in (node.input, node.output):
                names[:] = [inner if name == output.name else name for name in names]
        self.infos[inner] = _value(output, inner, TensorProto.FLOAT)
        self.floats.add(inner)
        self.casts[inner, kind] = output.name

    def _convert_node(self, node: NodeProto) -> None:
        kind = self.kind_of[node.name]
        for place, name in enumerate(node.input):
            own = TensorProto.FLOAT if place in _ALWAYS_FLOAT.get(node.op_type, ()) else kind
            if name in self.constants:
                node.input[place] = self._constant(name, own)
            elif name in self.floats and self.types[name] != own:
                node.input[place] = self._cast(name, own)
        for name in node.output:
            if name in self.floats:
                self.types[name] = kind
        self.nodes.append(node)

    def _constant(self, name: str, kind: int) -> str:
        tensor = self.constants[name]
        if tensor.data_type != TensorProto.FLOAT:
            kind = tensor.data_type
        given = self.kept.setdefault(name, _as_kind(tensor, name, kind))
        if given.data_type == kind:
            return name
        # One user computes in FP32 and another does not.
        again = f"{name}_{_SUFFIX[kind]}"
        self.kept.setdefault(again, _as_kind(tensor, again, kind))
        return again

    def _cast(self, name: str, kind: int) -> str:
        cast = self.casts.setdefault((name, kind), f"{name}_{_SUFFIX[kind]}")
        if cast not in self.types:
            self.types[cast] = kind
            number = f"Cast_{_SUFFIX[kind]}_{len(self.types)}"
            self.nodes.append(onnx.helper.make_node("Cast", [name], [cast], number, to=kind))
        return cast

    def _values(self, outside: Collection[str]) -> list[ValueInfoProto]:
        sources = {cast: name for (name, _), cast in self.casts.items()}
        made = [name for node in self.nodes for name in node.output if name not in outside]
        return [
            _value(info, name, self.types.get(name))
            for name in made
            if (info := self.infos.get(sources.get(name, name)))
        ]


def _raise_versions(model: ModelProto) -> None:
    """Name the operator set that has BF16, in the functions too; nothing in them changes by it."""
    model.ir_version = BF16_IR_VERSION
    imports = [*model.opset_import, *(one for f in model.functions for one in f.opset_import)]
    for entry in imports:
        if entry.domain in {"", "ai.onnx"}:
            entry.version = BF16_OPSET


def _as_kind(tensor: TensorProto, name: str, kind: int) -> TensorProto:
    if tensor.data_type == kind:
        copy = TensorProto()
        copy.CopyFrom(tensor)
        copy.name = name
        return copy
    # Beyond the limits it is infinite, without a warning: whoever chose the nodes looked.
    with np.errstate(over="ignore"):
        return numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(kind)), name
        )


def _value(info: ValueInfoProto, name: str, kind: int | None) -> ValueInfoProto:
    value = ValueInfoProto()
    value.CopyFrom(info)
    value.name = name
    if kind is not None:
        value.type.tensor_type.elem_type = kind
    return value


def _replace(field: Any, items: Iterable[object]) -> None:
    """Fill a repeated field anew; protobuf's containers share no public type."""
    kept = list(items)
    del field[:]
    field.extend(kept)
