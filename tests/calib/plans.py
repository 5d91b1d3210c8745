"""What a dialect makes of a network with the ranges that it has on a few pictures."""

from dataclasses import dataclass
from pathlib import Path

import onnx

from segpp.calib.graph.sites import Site, sites_of
from segpp.calib.observers import OBSERVERS
from segpp.calib.pictures.find import Picture
from segpp.calib.pipeline import observed
from segpp.calib.plan import Plan
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.writers import WRITERS
from segpp.manifest import Manifest, read_manifest

__all__ = ["Quantized", "first_convolution", "quantize"]


@dataclass(frozen=True)
class Quantized:
    """A network before and after.

    Attributes:
        model: In floats.
        int8: As the dialect writes it.
        plan: What it was told.
        sites: All that the network has.
        manifest: Of the float file.
    """

    model: onnx.ModelProto
    int8: onnx.ModelProto
    plan: Plan
    sites: tuple[Site, ...]
    manifest: Manifest


def quantize(path: Path, target: str, pictures: tuple[Picture, ...]) -> Quantized:
    """Write all that a dialect takes in INT8, from everything that was seen."""
    model, manifest, writer = onnx.load(path), read_manifest(path), WRITERS[target]
    sites = sites_of(model)
    first = first_convolution(model)
    taken = tuple(one for one in sites if one.kind not in writer.floats and one.node != first)
    ranges = collect_ranges(model, manifest, observed(sites), pictures)
    plan = Plan(taken, {name: OBSERVERS["max"](one) for name, one in ranges.tensors.items()})
    return Quantized(model, writer.write(model, plan), plan, sites, manifest)


def first_convolution(model: onnx.ModelProto) -> str:
    """Return the node that sees the picture."""
    return next(node.name for node in model.graph.node if node.op_type == "Conv")
