"""What every equalization keeps to, on small networks of every form and on the real one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from segpp.calib.equalization import EQUALIZATIONS
from segpp.calib.equalization.base import Change, Network, balanced, network_of
from segpp.calib.graph.edit import Edit, edited
from segpp.calib.graph.sites import sites_of
from segpp.calib.graph.wiring import Wiring
from segpp.calib.pictures.find import Picture, find_pictures
from segpp.calib.pictures.runs import batch_of, open_model
from segpp.calib.pipeline import observed
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.ranges.file import Ranges
from segpp.manifest import Manifest, read_manifest
from tests.helpers.commands import in_process

FORMS = [(preset, target) for preset in ("none", "hq") for target in ("portable", "onnxruntime")]


@dataclass(frozen=True)
class Prepared:
    """A network, what equalizations look at, and pictures of it."""

    model: onnx.ModelProto
    manifest: Manifest
    network: Network
    ranges: Ranges
    pictures: tuple[Picture, ...]

    def changes(self, name: str) -> tuple[Change, ...]:
        return EQUALIZATIONS[name](self.network, self.ranges)

    def inputs(self) -> list[NDArray[np.float32]]:
        """A picture, and numbers that no picture has."""
        picture = batch_of(self.pictures[:1], self.manifest.input)
        return [picture, np.random.default_rng(1).normal(size=picture.shape).astype(np.float32)]


def prepared(
    path: Path, pictures: tuple[Picture, ...], model: onnx.ModelProto | None = None
) -> Prepared:
    model, manifest = model or onnx.load(path), read_manifest(path)
    sites = sites_of(model)
    ranges = collect_ranges(model, manifest, observed(sites), pictures)
    return Prepared(model, manifest, network_of(model, sites), ranges, pictures)


@pytest.fixture(scope="module", params=FORMS, ids="-".join)
def tiny(
    request: pytest.FixtureRequest,
    tiny_file: Callable[..., Path],
    make_pictures: Callable[..., tuple[Picture, ...]],
) -> Prepared:
    preset, target = request.param
    path = tiny_file("conv-bn", 3, "--preset", preset, "--target", target)
    return prepared(path, make_pictures(3))


def run(
    model: onnx.ModelProto, names: list[str], batch: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    seeing = onnx.ModelProto()
    seeing.CopyFrom(model)
    known = {output.name for output in model.graph.output}
    for name in names:
        if name not in known:
            seeing.graph.output.add().name = name
    found: list[NDArray[np.float32]] = open_model(seeing, 1).run(
        names, {model.graph.input[0].name: batch}
    )
    return found


def assert_exact(case: Prepared, name: str) -> None:
    changes = case.changes(name)
    model = edited(case.model, [edit for change in changes for edit in change.edits])
    outputs = [output.name for output in case.model.graph.output]
    for batch in case.inputs():
        for before, after in zip(
            run(case.model, outputs, batch), run(model, outputs, batch), strict=True
        ):
            assert np.array_equal(after, before)
    assert changes


@pytest.mark.parametrize("name", EQUALIZATIONS)
def test_the_network_computes_what_it_did(tiny: Prepared, name: str) -> None:
    assert_exact(tiny, name)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "target"), FORMS)
def test_the_real_network_computes_what_it_did(
    shared: Path, tmp_path: Path, preset: str, target: str
) -> None:
    [checkpoint] = (shared / "checkpoints").glob("*.pth")
    path = tmp_path / "b0.onnx"
    flags = ("--size", "352x480", "--preset", preset, "--target", target, "--no-check")
    assert in_process("export", checkpoint, path, *flags).returncode == 0
    pictures = find_pictures([shared / "camvid" / "val" / "images"])
    case = prepared(path, pictures[:2])

    for name in EQUALIZATIONS:
        assert_exact(case, name)


@pytest.mark.parametrize("name", EQUALIZATIONS)
def test_its_factors_say_what_becomes_of_tensors(tiny: Prepared, name: str) -> None:
    changes = tiny.changes(name)
    model = edited(tiny.model, [edit for change in changes for edit in change.edits])
    factors = {tensor: f for change in changes for tensor, f in change.factors.items()}
    axes, batch = observed(tuple(tiny.network.sites.values())), tiny.inputs()[0]
    names = sorted(factors)

    befores, afters = run(tiny.model, names, batch), run(model, names, batch)

    for tensor, before, after in zip(names, befores, afters, strict=True):
        channels = np.moveaxis(before, axes[tensor], -1) * factors[tensor]
        assert np.array_equal(np.moveaxis(after, axes[tensor], -1), channels)


@pytest.mark.parametrize("name", EQUALIZATIONS)
def test_scales_are_powers_of_two_and_differ(tiny: Prepared, name: str) -> None:
    for change in tiny.changes(name):
        for factor in change.factors.values():
            mantissas, _ = np.frexp(factor)
            assert set(mantissas) == {0.5}
            assert len(set(factor)) > 1


@pytest.mark.parametrize("name", EQUALIZATIONS)
def test_a_change_stays_in_its_block(tiny: Prepared, name: str) -> None:
    sites = tiny.network.sites
    for change in tiny.changes(name):
        products = {edit.node for edit in change.edits if edit.node in sites}
        assert {sites[node].block for node in products} == {change.block}


def test_channels_come_to_fill_the_range_of_a_depthwise_convolution(tiny: Prepared) -> None:
    for change in tiny.changes("fc1-through-depthwise"):
        for tensor, factor in change.factors.items():
            seen = tiny.ranges.tensors[tensor]
            before = np.maximum(np.abs(seen.low), np.abs(seen.high))
            after = before * factor
            # A power of two lies within a half of a step of the scale that is asked for.
            assert after.max() / after.min() <= 2
            assert before.max() / before.min() > after.max() / after.min()


def test_a_layer_norm_that_is_matched_on_is_left_alone(
    tiny_file: Callable[..., Path], make_pictures: Callable[..., tuple[Picture, ...]]
) -> None:
    case = prepared(tiny_file("conv-bn", 3, "--preset", "hq"), make_pictures(1))
    matched = {n.input[0] for n in case.network.nodes if n.op_type == "SegppTokenMatch"}
    makers = {case.network.wiring.makers[tensor].name for tensor in matched}

    touched = {edit.node for change in case.changes("layer-norm") for edit in change.edits}

    assert makers
    assert not makers & touched


def test_queries_and_the_reduction_of_keys_take_one_scale(
    tiny_file: Callable[..., Path], make_pictures: Callable[..., tuple[Picture, ...]]
) -> None:
    path, pictures = tiny_file("conv-bn", 3, "--preset", "none"), make_pictures(1)
    model = onnx.load(path)
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    # The first channel of every LayerNorm stands out.
    outlier = [Edit(n.name, 1, spike(model, n.input[1])) for n in norms]
    case = prepared(path, pictures, edited(model, outlier))

    shared = [change for change in case.changes("layer-norm") if len(change.factors) > 1]

    sites = case.network.sites
    kinds = [{sites[e.node].kind for e in change.edits if e.node in sites} for change in shared]
    assert kinds
    assert all(kind == {"q", "reduce"} for kind in kinds)
    for change in shared:
        assert all(
            factor[0] == min(factor) < np.median(factor) for factor in change.factors.values()
        )


def test_a_norm_that_feeds_two_blocks_or_the_residual_sum_is_left_alone(tiny: Prepared) -> None:
    """Behind a patch embedding, and at the end of a stage."""
    sites, wiring = tiny.network.sites.values(), tiny.network.wiring
    patches = [site for site in sites if site.kind == "patch"]
    behind = {_next_norm(site.output, tiny) for site in patches}
    before = {_norm_before(site.input, wiring) for site in patches[1:]}

    touched = {
        edit.node for name in EQUALIZATIONS for one in tiny.changes(name) for edit in one.edits
    }

    assert len(behind) == len(patches)
    assert len(before) == len(patches) - 1
    assert not (behind | before) & touched
    assert not {site.node for site in patches} & touched


def _next_norm(tensor: str, case: Prepared) -> str:
    [node] = case.network.wiring.users(tensor)
    return node.name if node.op_type == "LayerNormalization" else _next_norm(node.output[0], case)


def _norm_before(tensor: str, wiring: Wiring) -> str:
    node = wiring.makers[tensor]
    return (
        node.name if node.op_type == "LayerNormalization" else _norm_before(node.input[0], wiring)
    )


def spike(model: onnx.ModelProto, name: str) -> NDArray[np.float32]:
    size = next(tensor.dims[0] for tensor in model.graph.initializer if tensor.name == name)
    return np.where(np.arange(size) == 0, 64, 1).astype(np.float32)


def test_both_sides_take_half_of_the_difficulty() -> None:
    activations = np.array([1.0, 16.0, 1.0], np.float32)

    scales = balanced(activations, np.ones(3, np.float32), 0.5)

    assert scales.tolist() == [1, 4, 1]


def test_channels_of_zeros_keep_their_scale() -> None:
    activations = np.array([0.0, 64.0, 1.0, 1.0], np.float32)
    weights = np.array([1.0, 1.0, 1.0, 0.0], np.float32)

    scales = balanced(activations, weights, 1.0)

    assert scales[0] == scales[3] == 1
    assert scales[1] / scales[2] == activations[1] / activations[2]
