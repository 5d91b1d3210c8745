"""The weighted products of a network, which INT8 is for: convolutions and matrix products.

A site is one node of the file's own graph that multiplies activations by weights. What lies inside
functions is never looked at: there matching and merging compute, whose decisions must stay exact;
nor is a network that decides which patches share a token.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx

from segpp.calib.graph.wiring import Wiring, wiring_of
from segpp.errors import GraphError

__all__ = ["KINDS", "Site", "renewed", "sites_of"]

# What a site is to a SegFormer, by the name of its module in the file.
KINDS = (
    "patch",  # overlapping patch embedding
    "reduce",  # spatial reduction of keys and values
    "q",
    "kv",
    "out",  # attention's output projection
    "fc1",
    "depthwise",
    "fc2",
    "head",
    "classifier",
    "other",
)

# The end of a module's name -> kind.
_ENDINGS = (
    (r"patch_embed\.conv", "patch"),
    (r"spatial_reduction(\.\w+)?", "reduce"),
    (r"attention\.q", "q"),
    (r"attention\.(kv|k|v)", "kv"),
    (r"attention\.out", "out"),
    (r"ffn\.fc1", "fc1"),
    (r"ffn\.dwconv", "depthwise"),
    (r"ffn\.fc2", "fc2"),
    (r"classifier", "classifier"),
    (r"head\..*", "head"),
)
# Modules of such a network.
_DECIDING = "policy."
# Constants within an operator of segpp are named after it.
_INLINED = "Segpp"
_BLOCK = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.")
_LEVEL = re.compile(r"head\.\w+\.(\d+)\.")
_STAGE = re.compile(r"stages\.(\d+)\.")
_PARTS = {
    **dict.fromkeys(("reduce", "q", "kv", "out"), "attention"),
    **dict.fromkeys(("fc1", "depthwise", "fc2"), "feed-forward"),
}
_OPERATORS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class Site:
    """One weighted product.

    Attributes:
        node: Name of the node, unique in the file.
        module: Of the network as it was trained (``stages.0.blocks.1.ffn.fc1``), or the node's name
            where the file does not tell.
        kind: One of ``KINDS``.
        block: What is quantized or left float together: ``stage 1 block 2``, ``stage 1 patch``,
            ``head``.
        operator: ``Conv``, ``Gemm`` or ``MatMul``.
        input: Name of the activations.
        output: Name of what it gives.
        weight: Name of the initializer.
        output_axis: Of the weight's dimensions, the one of output channels.
        groups: Of a convolution.
        channel_axis: Of the activations' dimensions, the one of channels; -1 is the last.
        channels: How many channels the activations have.
    """

    node: str
    module: str
    kind: str
    block: str
    operator: str
    input: str
    output: str
    weight: str
    output_axis: int
    groups: int
    channel_axis: int
    channels: int

    @property
    def part(self) -> str:
        """What is timed together: ``stage 1 attention``, ``stage 1 feed-forward``, ``head 1``."""
        what = _PARTS.get(self.kind)
        if found := _LEVEL.search(self.module):
            return f"head {int(found[1]) + 1}"
        return f"{self.block.partition(' block ')[0]} {what}" if what else self.block


def sites_of(model: onnx.ModelProto) -> tuple[Site, ...]:
    """Return the weighted products of a file in the order of its nodes.

    Raises:
        GraphError: The file is quantized already, or has no weighted products.
    """
    _check_float(model)
    wiring = wiring_of(model.graph)
    sites = tuple(
        _site(node, wiring)
        for node in model.graph.node
        if node.op_type in _OPERATORS
        and _weight_of(node, wiring) is not None
        # What an operator of segpp was inlined to, as for labels, has no weights of the network.
        and not node.input[1].startswith(_INLINED)
        and not _module_of(node, wiring).startswith(_DECIDING)
    )
    if not sites:
        raise GraphError("the file has no convolution or matrix product with weights to quantize")
    return sites


def renewed(sites: Sequence[Site], model: onnx.ModelProto) -> tuple[Site, ...]:
    """Return sites as a model has them in which nodes may take other weights than they did."""
    nodes = {node.name: node for node in model.graph.node}
    return tuple(replace(site, weight=nodes[site.node].input[1]) for site in sites)


def _check_float(model: onnx.ModelProto) -> None:
    quantized = Counter(
        node.op_type
        for node in model.graph.node
        if node.op_type.startswith(("Quantize", "Dequantize", "QLinear", "DynamicQuantize"))
        or node.op_type in ("ConvInteger", "MatMulInteger", "MatMulNBits")
    )
    if quantized:
        found = ", ".join(f"{count} {name}" for name, count in quantized.items())
        raise GraphError(
            "the file is quantized already", f"it has {found}", hint="give the float file"
        )


def _weight_of(node: onnx.NodeProto, wiring: Wiring) -> onnx.TensorProto | None:
    if not node.input[1:] or node.domain not in ("", "ai.onnx"):
        return None
    weight = wiring.initializers.get(node.input[1])
    return weight if weight is not None and node.input[0] not in wiring.initializers else None


def _site(node: onnx.NodeProto, wiring: Wiring) -> Site:
    weight = wiring.initializers[node.input[1]]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    module = _module_of(node, wiring)
    kind = _kind_of(module)
    is_conv = node.op_type == "Conv"
    transposed = node.op_type == "Gemm" and bool(attributes.get("transB"))
    output_axis = 0 if is_conv or transposed else len(weight.dims) - 1
    groups = int(attributes.get("group", 1)) if is_conv else 1
    inputs = weight.dims[1] * groups if is_conv else weight.dims[-2 if output_axis else -1]
    return Site(
        node=node.name,
        module=module,
        kind=kind,
        block=_block_of(module, kind),
        operator=node.op_type,
        input=node.input[0],
        output=node.output[0],
        weight=node.input[1],
        output_axis=output_axis,
        groups=groups,
        channel_axis=1 if is_conv else -1,
        channels=inputs,
    )


def _module_of(node: onnx.NodeProto, wiring: Wiring) -> str:
    """Return the module that a node came from: its weight's name tells, or its bias's."""
    names = list(node.input[1:])
    # A product's weights lose their name where they are turned round; its bias is added behind.
    for user in wiring.users(node.output[0]):
        if user.op_type == "Add":
            names.extend(user.input)
    for name in names:
        if name in wiring.initializers and name.endswith((".weight", ".bias")):
            module = str(name).rsplit(".", 1)[0]
            return module.removeprefix("network.").removeprefix("model.")
    return str(node.name)


def _kind_of(module: str) -> str:
    for ending, kind in _ENDINGS:
        if re.search(rf"(^|\.){ending}$", module):
            return kind
    return "other"


def _block_of(module: str, kind: str) -> str:
    if found := _BLOCK.search(module):
        return f"stage {int(found[1]) + 1} block {int(found[2]) + 1}"
    if found := _STAGE.search(module):
        return f"stage {int(found[1]) + 1} {kind}"
    return "head" if kind in ("head", "classifier") else module
