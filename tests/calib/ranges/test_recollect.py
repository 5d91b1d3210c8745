"""Ranges of scaled channels are those that the scaled network has."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from segpp.calib.graph.edit import Edit, edited
from segpp.calib.graph.sites import sites_of
from segpp.calib.pictures.find import Picture
from segpp.calib.pipeline import observed
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.ranges.recollect import recollect
from segpp.manifest import read_manifest


def test_a_scaled_tensor_is_seen_anew(
    tiny_file: Callable[..., Path], make_pictures: Callable[..., tuple[Picture, ...]]
) -> None:
    path, pictures = tiny_file("conv-bn", 3, "--preset", "none"), make_pictures(2)
    model, manifest = onnx.load(path), read_manifest(path)
    axes = observed(sites_of(model))
    site = next(site for site in sites_of(model) if site.kind == "fc1")
    factor = np.exp2(np.arange(len(site_channels(model, site.node))) % 4).astype(np.float32)
    scaled = edited(
        model, [Edit(site.node, 1, factor[:, None, None, None]), Edit(site.node, 2, factor)]
    )
    before = collect_ranges(model, manifest, axes, pictures)

    after = recollect(scaled, manifest, axes, pictures, before, factors={site.output: factor})

    expected = collect_ranges(scaled, manifest, {site.output: 1}, pictures)
    found, wanted = after.tensors[site.output], expected.tensors[site.output]
    assert np.array_equal(found.low, wanted.low)
    assert np.array_equal(found.high, wanted.high)
    assert np.array_equal(found.mean, wanted.mean)
    assert np.array_equal(found.histogram.counts, wanted.histogram.counts)
    others = {name: one for name, one in after.tensors.items() if name != site.output}
    assert all(one is before.tensors[name] for name, one in others.items())


def site_channels(model: onnx.ModelProto, node: str) -> range:
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    return range(next(weights[n.input[1]].dims[0] for n in model.graph.node if n.name == node))


def test_nothing_is_run_where_nothing_changed(
    tiny_file: Callable[..., Path], make_pictures: Callable[..., tuple[Picture, ...]]
) -> None:
    path, pictures = tiny_file("conv-bn", 3, "--preset", "none"), make_pictures(1)
    model, manifest = onnx.load(path), read_manifest(path)
    site = sites_of(model)[0]
    ranges = collect_ranges(model, manifest, {site.input: 1}, pictures)

    assert recollect(model, manifest, {}, pictures, ranges, factors={}) is ranges
