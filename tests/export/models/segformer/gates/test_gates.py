"""Networks with fewer channels, against the dense network with zeros in their place.

Tests models/segformer/gates/*.py, reduction/gates/projections.py and
reduction/gates/running_moments.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp.export.models.rewriting import apply_rewrites, select_rewrites
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.gates import apply_gates, dynamic_gates
from segpp.export.models.segformer.model import Block, SegFormer, Stage
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.reduction.gates.base import ChannelGate
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import PARTS, Place
from segpp.export.targets import TARGETS
from segpp.ops.grid import Size
from tests.conftest import corners
from tests.helpers.checkpoints import MINIATURE

SIZE, LARGE = Size(68, 100), Size(352, 480)
STAGES = (1, 2, 3, 4)
PLACES = [Place(stage, part) for stage in STAGES for part in PARTS]
EVERYWHERE = {"all": PLACES, **{str(place): [place] for place in PLACES}}
# What every run trains with: all of them, and one place of each kind.
PLACES_OF_EVERY_RUN = corners(
    EVERYWHERE.values(), lambda at: len(at) > 1 or str(at[0]) in {"2.qkv", "4.hidden"}
)

# Sums of a few hundred products in double precision, of values below a hundred.
TOLERANCE = 1e-10

Gates = dict[Place, ChannelGate]


def network(*reduce: str, preset: str = "none") -> SegFormer:
    torch.manual_seed(0)
    # Two blocks in each stage, and heads of eight channels: a half of them can go.
    architecture = replace(MINIATURE, dims=(16, 32, 80, 128), depths=(2, 1, 2, 1))
    model = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6))
    config = reduction_config(preset=preset, reduce=reduce)
    return model.double().eval().requires_grad_(requires_grad=False).apply_reductions(config)


def images(size: Size = SIZE, batch: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(size.height)
    return torch.randn(batch, 3, *size, generator=draw, dtype=torch.float64)


def draws(count: int = 3) -> Sequence[Callable[[], NDArray[np.float32]]]:
    made = [images(SIZE) * (1 + index) for index in range(count)]
    return [lambda image=image: image.numpy() for image in made]


def gates(places: Sequence[Place], gate: ChannelGate) -> Gates:
    return dict.fromkeys(places, gate)


def blocks_of(model: SegFormer, stage: int) -> list[Block]:
    return [cast("Block", block) for block in cast("Stage", model.stages[stage - 1]).blocks]


def silence(model: SegFormer, place: Place, kept: dict[str, Tensor]) -> None:
    """Zero, in a dense network, what the channels that are not kept give to the next layer."""
    for index, block in enumerate(blocks_of(model, place.stage), start=1):
        layers = {"hidden": block.ffn.fc2, "v": block.attention.out}
        for name, layer in layers.items():
            if (stays := kept.get(f"{index}.{name}")) is not None:
                gone = torch.ones(layer.in_features, dtype=torch.bool)
                gone[stays] = False
                layer.weight[:, gone] = 0
        if (stays := kept.get(f"{index}.qk")) is not None:
            gone = torch.ones(block.attention.q.out_features, dtype=torch.bool)
            gone[stays] = False
            block.attention.q.weight[gone] = 0
            block.attention.q.bias[gone] = 0


def difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).detach().abs().max())


@pytest.mark.parametrize("places", EVERYWHERE.values(), ids=EVERYWHERE)
def test_fixed_channels_are_the_dense_network_with_zeros(places: list[Place]) -> None:
    cut, dense, x = network(), network(), images(batch=2)
    untouched = network()(x)

    kept = apply_gates(cut, gates(places, FixedGate(0.5, correct=0)), draws())
    for place in places:
        silence(dense, place, kept[place])

    assert difference(cut(x), dense(x)) <= TOLERANCE
    assert difference(cut(x), untouched) > 1e-4


@pytest.mark.parametrize("places", EVERYWHERE.values(), ids=EVERYWHERE)
def test_half_of_the_channels_are_gone_equally_from_every_head(places: list[Place]) -> None:
    model = network()

    kept = apply_gates(model, gates(places, FixedGate(0.5)), draws())

    for place in places:
        for block in blocks_of(model, place.stage):
            dim = model.architecture.dims[place.stage - 1]
            if place.part == "hidden":
                half = 2 * dim
                assert block.ffn.fc1.weight.shape == (half, dim)
                assert block.ffn.dwconv.weight.shape == (half, 1, 3, 3)
                assert block.ffn.fc2.weight.shape == (dim, half)
            else:
                q, k, v, out = (getattr(block.attention, n).weight for n in ("q", "k", "v", "out"))
                assert q.shape == k.shape == v.shape == (dim // 2, dim)
                assert out.shape == (dim, dim // 2)
        if place.part == "qkv":
            heads = model.architecture.heads[place.stage - 1]
            for stays in kept[place].values():
                by_head = torch.bincount(stays // (dim // heads), minlength=heads)
                assert by_head.tolist() == [dim // heads // 2] * heads


def loss(place: Place, correct: int) -> float:
    """Return what cutting one place changes at the end of its stage, on images that chose."""
    cut, dense = network(), network()
    apply_gates(cut, {place: FixedGate(0.5, correct)}, draws())
    total = 0.0
    for draw in draws():
        x = y = torch.from_numpy(draw())
        for a, b in zip(cut.stages[: place.stage], dense.stages[: place.stage], strict=True):
            x, y = a(x), b(y)
        total += float((x - y).square().sum())
    return total


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_correction_loses_less(place: Place) -> None:
    assert loss(place, correct=1) < loss(place, correct=0)


def test_a_correction_restores_channels_that_others_tell() -> None:
    model, dense = network(), network()
    for one in (model, dense):
        ffn = blocks_of(one, 3)[0].ffn
        half = ffn.fc1.out_features // 2
        # The second half of the channels is twice the first, before the GELU and so not after it;
        # the same scale for both makes it the same channel.
        for layer in (ffn.fc1, ffn.dwconv):
            layer.weight[half:], layer.bias[half:] = layer.weight[:half], layer.bias[:half]
    for block in blocks_of(model, 3)[1:]:
        block.ffn.fc2.weight.zero_()
    for block in blocks_of(dense, 3)[1:]:
        block.ffn.fc2.weight.zero_()
    x = images()

    apply_gates(model, {Place(3, "hidden"): FixedGate(0.5)}, draws())

    # Not to the last bit: a ridge of a millionth of the variance keeps the solution finite.
    assert difference(model(x), dense(x)) < 1e-4 * float(dense(x).abs().max())


def masked(model: SegFormer) -> SegFormer:
    """Return the network as it trains: dense, and multiplied by masks."""
    for stage in STAGES:
        for block in blocks_of(model, stage):
            block.ffn.train()
            if block.attention.gate is not None:
                block.attention.gate.train()
    return model


@pytest.mark.parametrize("trained", [False, True], ids=["untrained", "trained"])
@pytest.mark.parametrize("places", EVERYWHERE.values(), ids=EVERYWHERE)
def test_gathered_channels_are_the_dense_network_with_a_mask(
    places: list[Place],
    trained: bool,  # noqa: FBT001 - a case
) -> None:
    model, x = network(), images(batch=3)
    untouched = model(x)
    apply_gates(model, gates(places, DynamicGate(0.5)))
    if trained:
        for gate in dynamic_gates(model).values():
            gate.add_predictor()
            gate.double()

    assert not any(module.training for module in model.modules())
    gathered, by_image = model(x), torch.cat([model(one[None]) for one in x])
    in_training = masked(model)(x)

    assert difference(gathered, in_training) <= TOLERANCE
    assert difference(gathered, by_image) <= TOLERANCE
    assert difference(gathered, untouched) > 1e-4


def test_a_mask_makes_zeros_of_what_the_gate_does_not_choose() -> None:
    """The oracle of the test above, against a formula of its own."""
    model, x = network(), images()
    apply_gates(model, {Place(3, "hidden"): DynamicGate(0.5)})
    ffn = blocks_of(model, 3)[0].ffn
    tokens = torch.randn(1, 63, 80, dtype=torch.float64)
    mean = tokens.mean(1)
    normed = (mean - mean.mean(1)) / (mean.var(1, unbiased=False) + 1e-6).sqrt()
    response = (normed @ ffn.fc1.weight.T + ffn.fc1.bias).abs() * ffn.fc2.weight.norm(dim=0)
    chosen = response[0].argsort(descending=True)[:160]

    silenced = network()
    silence(silenced, Place(3, "hidden"), {"1.hidden": chosen})
    grid = cast("Stage", model.stages[2]).patch_embed(torch.zeros(1, 32, 13, 17).double())[1]

    expected = blocks_of(silenced, 3)[0].ffn(tokens, grid)
    assert difference(ffn(tokens, grid), expected) <= TOLERANCE
    assert x.shape[0] == 1


@pytest.mark.parametrize("gate", [FixedGate(1.0), FixedGate(1.0, 0), DynamicGate(1.0)], ids=str)
def test_all_channels_are_the_dense_network(gate: ChannelGate) -> None:
    model, x = network(), images(batch=2)
    expected = model(x)

    apply_gates(model, gates(PLACES, gate), draws())

    assert difference(model(x), expected) <= TOLERANCE


@pytest.mark.parametrize("gate", [FixedGate(0.5), DynamicGate(0.5)], ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_rewrites_keep_what_gates_give(gate: ChannelGate, target: str) -> None:
    model, x = network(), images(batch=2)
    apply_gates(model, gates(PLACES, gate), draws())
    for one in dynamic_gates(model).values():
        one.add_predictor()
        one.double()

    rewritten = apply_rewrites(model, select_rewrites(REWRITES, target).on.values())

    assert difference(rewritten(x), model(x)) <= TOLERANCE


@pytest.mark.parametrize("gate", [FixedGate(0.5, 0), DynamicGate(0.5)], ids=str)
def test_channels_and_tokens_become_fewer_together(gate: ChannelGate) -> None:
    reduce = ("3.grid=area:share=0.5", "4.grid=area:share=0.75", "head.grid=area")
    model, x = network(*reduce, preset="hq"), images(LARGE)
    dense = network(*reduce, preset="hq")

    kept = apply_gates(model, gates(PLACES, gate), [lambda: images(LARGE).numpy()])

    if isinstance(gate, FixedGate):
        for place in PLACES:
            silence(dense, place, kept[place])
        assert difference(model(x), dense(x)) <= TOLERANCE
    else:
        assert difference(model(x), masked(model)(x)) <= TOLERANCE
    untouched = network(*reduce, preset="hq")(x)
    assert difference(model(x), untouched) > 1e-4


def test_a_network_that_shares_its_weights_is_not_written_to() -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    shared = network()
    shared.load_state_dict(model.state_dict(), assign=True)

    apply_gates(shared, gates(PLACES, FixedGate(0.5)), draws())

    after = model.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
