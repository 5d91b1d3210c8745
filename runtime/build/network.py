"""What a parsed network holds, told by the process that parsed it to the one that waits.

The parsing process reads it off the library's network definition; it travels as one record of the
log, as JSON.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from segpp.runtime.build.attention import AttentionSite, attention_sites
from segpp.runtime.onnx_reader.own_nodes import OwnNodes

__all__ = ["NETWORK", "NetworkFacts", "Typing", "describe_network", "parse_facts", "render_facts"]

# The severity of the record.
NETWORK = "NETWORK"

Typing = Literal["strong", "weak"]

_PLUGINS = frozenset({"PLUGIN", "PLUGIN_V2", "PLUGIN_V3"})
_MAX_TOPK = 3840
_LOOPS = frozenset({"LOOP_OUTPUT", "TRIP_LIMIT", "RECURRENCE", "ITERATOR"})


@dataclass(frozen=True)
class NetworkFacts:
    """A network as the library's parser made it.

    Args:
        typing: Whether every tensor keeps the type that the file gives it, or the library chooses.
        layers: How many, before anything is fused.
        plugins: How many nodes of each of our operators became plugins.
        functions: How many were taken by their function instead.
        function_layers: How many standard operators those functions are.
        sites: Every attention.
        outputs: The type of each output, by name.
        problems: What will keep it from being built.
        warnings: What will make it slow, or its results change from run to run.
    """

    typing: Typing
    layers: int
    plugins: dict[str, int]
    functions: dict[str, int]
    function_layers: int
    sites: tuple[AttentionSite, ...]
    outputs: dict[str, str]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def describe_network(
    trt: Any, network: Any, own: OwnNodes, *, typing: Typing, warnings: Iterable[str] = ()
) -> NetworkFacts:
    """Return what a network holds.

    Args:
        trt: The module that it is of, ``tensorrt`` or ``tensorrt_rtx``.
        network: Its ``INetworkDefinition``, parsed.
        own: The nodes of our operators in the file.
        typing: How the network was created.
        warnings: What was done to it that changes it for whoever runs it.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    taken = {layer.name for layer in layers if layer.type.name in _PLUGINS}
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    functions = Counter(operator for name, operator in own.nodes if name not in taken)
    return NetworkFacts(
        typing=typing,
        layers=len(layers),
        plugins=dict(Counter(operator for name, operator in own.nodes if name in taken)),
        functions=dict(functions),
        function_layers=sum(own.functions.get(name, 0) * n for name, n in functions.items()),
        sites=tuple(attention_sites(network)),
        outputs={tensor.name: tensor.dtype.name for tensor in outputs},
        problems=(*_open_inputs(network), *_large_topk(trt, layers)),
        warnings=(*warnings, *_slow(layers), *_foreign_plugins(layers, own)),
    )


def _open_inputs(network: Any) -> Iterator[str]:
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if any(size < 0 for size in tensor.shape):
            yield f"input {tensor.name} has an open dimension: {tuple(tensor.shape)}"


def _large_topk(trt: Any, layers: Iterable[Any]) -> Iterator[str]:
    for layer in layers:
        if layer.type.name == "TOPK":
            # The library hands out every layer as its base.
            layer.__class__ = trt.ITopKLayer
            # Its own k is 1 where the number comes by an input.
            count = layer.get_output(0).shape[layer.axes.bit_length() - 1]
            if count > _MAX_TOPK:
                yield f"{layer.name} asks for the top {count:,}, and TensorRT ends at {_MAX_TOPK:,}"


def _slow(layers: Iterable[Any]) -> Iterator[str]:
    for layer in layers:
        if layer.type.name in _LOOPS:
            yield f"{layer.name} is a loop, which no CUDA graph can hold"
        elif layer.type.name == "NON_ZERO":
            yield f"{layer.name} has a shape that depends on the data"


def _foreign_plugins(layers: Iterable[Any], own: OwnNodes) -> Iterator[str]:
    ours = {name for name, _ in own.nodes}
    for layer in layers:
        if layer.type.name in _PLUGINS and layer.name not in ours:
            yield f"{layer.name} is a plugin of another library, which the engine then needs"


def render_facts(facts: NetworkFacts) -> str:
    """Return the facts as the text of their record."""
    return json.dumps(asdict(facts))


def parse_facts(text: str) -> NetworkFacts:
    """Return the facts that ``render_facts`` wrote."""
    values = json.loads(text)
    sites = (
        AttentionSite(
            site["softmax"],
            (site["products"][0], site["products"][1]),
            tuple(site["types"]),
            tuple(site["between"]),
        )
        for site in values.pop("sites")
    )
    problems, warnings = tuple(values.pop("problems")), tuple(values.pop("warnings"))
    return NetworkFacts(**values, sites=tuple(sites), problems=problems, warnings=warnings)
