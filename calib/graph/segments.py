"""A network cut behind each of its blocks, so that one can be run without the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx import helper

from segpp.calib.graph.shapes import shapes_of, types_of
from segpp.calib.graph.sites import Site
from segpp.calib.graph.wiring import Wiring, wiring_of

__all__ = ["Segment", "segments_of"]

# A sum of tokens in files for TensorRT.
_UNMERGED_SUM = "SegppTokenUnmergeAdd"


@dataclass(frozen=True)
class Segment:
    """The nodes from the end of one block to the end of the next.

    Attributes:
        block: Which block's sum ends it.
        model: Its nodes as a network of their own; it has the weights that they take.
        output: The sum behind the block.
        handed_on: What it computes for later segments besides.
    """

    block: str
    model: onnx.ModelProto
    output: str
    handed_on: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it takes from earlier segments, or from outside."""
        return tuple(value.name for value in self.model.graph.input)


def segments_of(model: onnx.ModelProto, sites: Sequence[Site]) -> tuple[Segment, ...]:
    """Return the segments of a network's blocks, in the order of the graph."""
    wiring = wiring_of(model.graph)
    taken: set[str] = set()
    cuts: list[tuple[str, str, list[onnx.NodeProto]]] = []
    for block, output in _ends(sites, wiring):
        names = _before(output, wiring, taken)
        taken |= names
        cuts.append((block, output, [node for node in model.graph.node if node.name in names]))
    shapes, types = shapes_of(model), types_of(model)
    described = {name: (types[name], shapes[name]) for name in shapes}
    segments = []
    for number, (block, output, nodes) in enumerate(cuts):
        made = {name for node in nodes for name in node.output}
        later = {name for _, _, others in cuts[number + 1 :] for n in others for name in n.input}
        handed_on = tuple(sorted((made & later) - {output, ""}))
        alone = _alone(model, nodes, (output, *handed_on), described)
        segments.append(Segment(block, alone, output, handed_on))
    return tuple(segments)


def _ends(sites: Sequence[Site], wiring: Wiring) -> Iterator[tuple[str, str]]:
    """Yield every block whose last product ends in a residual sum, and that sum."""
    for site in sites:
        if site.kind == "fc2" and (end := _sum_behind(site.output, wiring)) is not None:
            yield site.block, end


def _sum_behind(name: str, wiring: Wiring) -> str | None:
    users = wiring.users(name)
    while len(users) == 1:
        [node] = users
        others = [other for other in node.input if other != name]
        is_sum = node.op_type == "Add" and not any(one in wiring.initializers for one in others)
        if is_sum or node.op_type == _UNMERGED_SUM:
            return str(node.output[0])
        name = node.output[0]
        users = wiring.users(name)
    return None


def _before(output: str, wiring: Wiring, taken: set[str]) -> set[str]:
    """Return the names of the nodes that a value needs, but for those of earlier segments."""
    found: set[str] = set()
    waiting = [output]
    while waiting:
        node = wiring.makers.get(waiting.pop())
        if node is not None and node.name not in taken and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found


def _alone(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[str],
    described: dict[str, tuple[int, tuple[int, ...]]],
) -> onnx.ModelProto:
    made = {name for node in nodes for name in node.output}
    needed = dict.fromkeys(name for node in nodes for name in node.input if name)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    given = [name for name in needed if name not in made and name not in {w.name for w in weights}]
    graph = helper.make_graph(
        list(nodes),
        "segment",
        [helper.make_tensor_value_info(name, *described[name]) for name in given],
        [helper.make_tensor_value_info(name, *described[name]) for name in outputs],
        weights,
        value_info=[v for v in model.graph.value_info if v.name in made and v.name not in outputs],
    )
    return helper.make_model(
        graph,
        opset_imports=list(model.opset_import),
        functions=list(model.functions),
        ir_version=model.ir_version,
    )
