"""Rounded weights are kept where blocks come closer, while there is time, and are written."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import segpp
from segpp.calib.equalization import accept
from segpp.calib.equalization.accept import block_runs
from segpp.calib.equalization.bias_correction import bias_shifts
from segpp.calib.graph.sites import Site
from segpp.calib.pictures.find import Picture
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.calib.writers.rounding import ROUNDINGS
from segpp.calib.writers.rounding import blocks as module
from segpp.calib.writers.rounding.blocks import Rounded, round_weights
from tests.calib.conftest import MakePictures, TinyFile
from tests.calib.plans import Quantized, quantize
from tests.conftest import corners

pytest.importorskip("torch", reason="needs the exporter (extra export)")

PICTURES = 6
# Those that decide: the last third.
HELD = slice(4, None)
CASES = [
    (target, preset, precision)
    for target in sorted(WRITERS)
    for preset, precision in (("none", "fp32"), ("hq", "fp16"))
    if precision in WRITERS[target].precisions
]


@pytest.fixture(scope="module")
def pictures(make_pictures: MakePictures) -> tuple[Picture, ...]:
    return make_pictures(PICTURES)


# Half the forms: one target in floats, one in halves with merged tokens.
EVERY_RUN = {("onnxruntime", "none", "fp32"), ("tensorrt", "hq", "fp16")}


@pytest.fixture(params=corners(CASES, EVERY_RUN.__contains__), ids="-".join, scope="module")
def target(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    found: tuple[str, str, str] = request.param
    return found


@pytest.fixture(scope="module")
def made(
    target: tuple[str, str, str], tiny_file: TinyFile, pictures: tuple[Picture, ...]
) -> Quantized:
    name, preset, precision = target
    path = tiny_file("conv-bn", 3, "--preset", preset, "--precision", precision)
    return quantize(path, name, pictures)


RoundedBy = Callable[..., Rounded]


@pytest.fixture(scope="module")
def rounded_by(
    target: tuple[str, str, str], made: Quantized, pictures: tuple[Picture, ...]
) -> RoundedBy:
    def run(name: str = "adaround", seconds: float = 600, count: int = PICTURES) -> Rounded:
        return round_weights(
            made.model, made.manifest, made.plan, WRITERS[target[0]], ROUNDINGS[name],
            pictures=pictures[:count], seconds=seconds,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def rounded(rounded_by: RoundedBy) -> Rounded:
    return rounded_by()


def own_sites(made: Quantized, names: set[str]) -> tuple[Site, ...]:
    return tuple(site for site in made.plan.sites if site.node in names)


def errors_of(
    made: Quantized, plan: Plan, target: str, pictures: tuple[Picture, ...]
) -> Iterator[tuple[tuple[Site, ...], float]]:
    """Yield each block's products, and how far it is from the float one in INT8."""
    for run in block_runs(made.model, made.manifest, plan.sites, pictures):
        sites = own_sites(made, {node.name for node in run.segment.model.graph.node})
        written = WRITERS[target].write(run.segment.model, replace(plan, sites=sites))
        yield sites, run.error(written)


def test_blocks_come_closer_where_weights_were_kept_and_stay_elsewhere(
    target: tuple[str, str, str],
    made: Quantized,
    rounded: Rounded,
    pictures: tuple[Picture, ...],
) -> None:
    before = errors_of(made, made.plan, target[0], pictures[HELD])
    after = errors_of(made, rounded.plan, target[0], pictures[HELD])

    assert rounded.plan.codes
    for (sites, first), (_, second) in zip(before, after, strict=True):
        if any(site.node in rounded.plan.codes for site in sites):
            assert second < first
        else:
            assert second == first


def test_a_file_holds_the_integers_that_were_chosen(
    target: tuple[str, str, str], made: Quantized, rounded: Rounded
) -> None:
    written = WRITERS[target[0]].write(made.model, rounded.plan)

    def numbers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
        return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}

    before, after = numbers(made.int8), numbers(written)
    expected = {
        f"{site.weight}/{site.node}/codes": rounded.plan.codes[site.node]
        for site in made.plan.sites
        if site.node in rounded.plan.codes
    }
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert changed
    # A product may be kept that the nearest integers serve best.
    assert changed <= expected.keys()
    assert all(np.array_equal(after[name], codes) for name, codes in expected.items())


def test_the_float_network_and_the_plan_stay_what_they_are(
    made: Quantized, rounded_by: RoundedBy
) -> None:
    model = made.model.SerializeToString()

    again = rounded_by()

    assert made.model.SerializeToString() == model
    assert made.plan.codes == {}
    assert replace(again.plan, codes={}) == made.plan


def test_the_same_pictures_give_the_same_integers(rounded: Rounded, rounded_by: RoundedBy) -> None:
    again = rounded_by().plan.codes

    assert again.keys() == rounded.plan.codes.keys()
    assert all(np.array_equal(again[name], codes) for name, codes in rounded.plan.codes.items())


def test_biases_are_corrected_for_the_integers_that_were_chosen(
    target: tuple[str, str, str],
    made: Quantized,
    rounded: Rounded,
    pictures: tuple[Picture, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of few small pictures some files have no block that gains more.
    monkeypatch.setattr(accept, "LEAST_GAIN", 0.0)
    given = (made.model, made.manifest)
    writer = WRITERS[target[0]]

    before = bias_shifts(*given, made.plan, writer, pictures)
    after = bias_shifts(*given, rounded.plan, writer, pictures)

    assert before.keys() != after.keys() or any(
        not np.array_equal(before[name], after[name]) for name in after
    )


@pytest.mark.parametrize(
    ("name", "seconds", "count", "done"),
    [("nearest", 600, PICTURES, 5), ("adaround", 0, PICTURES, 0), ("adaround", 600, 1, 5)],
)
def test_all_weights_stay_nearest(
    rounded_by: RoundedBy, name: str, seconds: float, count: int, done: int
) -> None:
    """Without a fit, without time, and without a picture to decide on."""
    found = rounded_by(name, seconds, count)

    assert found.plan.codes == {}
    assert (found.done, found.blocks) == (done, 5)


def test_when_the_time_is_up_the_blocks_that_are_left_stay_nearest(
    made: Quantized, rounded: Rounded, rounded_by: RoundedBy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second between any two looks at it: one before the first block, one behind each.
    clock = iter(range(1000))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    found = rounded_by(seconds=2)

    first = list(dict.fromkeys(s.block for s in made.plan.sites if " block " in s.block))[:2]
    kept = {site.block for site in made.plan.sites if site.node in found.plan.codes}
    assert kept <= {*first, *(s.block for s in made.plan.sites if s.block.endswith("patch"))}
    assert all(
        np.array_equal(rounded.plan.codes[name], codes) for name, codes in found.plan.codes.items()
    )
    assert (found.done, found.blocks) == (2, 5)
    assert found.warnings == (
        "weights of the last 3 of 5 blocks stay rounded to the nearest: `rounding_time` was over",
    )


@pytest.mark.parametrize(("seconds", "warned"), [(600, False), (0, True)])
def test_manifest_report_and_inspection_tell_how_weights_were_rounded(
    tiny_file: TinyFile,
    make_pictures: MakePictures,
    tmp_path: Path,
    seconds: float,
    warned: bool,  # noqa: FBT001 - a case
) -> None:
    source, out = tiny_file("conv-bn", 3, "--preset", "none"), tmp_path / "int8.onnx"

    result = segpp.calibrate(
        source, [one.path for one in make_pictures(10)], out, target="onnxruntime",
        ranges=tmp_path / "a.json", rounding="adaround", rounding_time=seconds,
        min_agreement=0, only_what_pays=False,
    )  # fmt: skip

    told = segpp.read_manifest(out).calibration
    assert told is not None
    assert told.rounding == "adaround"
    assert bool(told.rounded) == (not warned)
    assert any("stay rounded to the nearest" in one for one in result.warnings) == warned
    assert '"rounding": "adaround"' in result.json()
    assert "weights rounded by" in segpp.inspect(out).text()
