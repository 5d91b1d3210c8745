"""The calibration as a whole: what was switched off is not done, and the manifest tells the rest.

Masks are compared by a stub that finds no difference: whole files are the runtime's, and nothing
here is about what they lose.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

import segpp
from segpp.calib.config import CalibrationConfig
from segpp.calib.pictures.find import Picture
from segpp.calib.pipeline import CalibrationResult, calibrate
from segpp.calib.selection.measure import Comparison, Measures
from segpp.manifest import read_manifest
from tests.calib.conftest import MakePictures, TinyFile


def alike(_int8: Path, pictures: Sequence[Picture]) -> Comparison:
    return Comparison(np.ones(len(pictures)))


def calibrated(
    path: Path, pictures: Sequence[Picture], out: Path, **switches: bool
) -> CalibrationResult:
    sources = tuple(str(picture.path) for picture in pictures)
    config = CalibrationConfig(
        path, out, sources, target="openvino", ranges=out.with_suffix(".ranges.json"), **switches
    )
    return calibrate(config, Measures(alike))


@pytest.mark.parametrize("equalize", [True, False])
@pytest.mark.parametrize("correct_biases", [True, False])
def test_each_switch_is_for_itself_and_the_manifest_names_the_blocks(
    tiny_file: TinyFile,
    make_pictures: MakePictures,
    tmp_path: Path,
    *,
    equalize: bool,
    correct_biases: bool,
) -> None:
    path, out = tiny_file("conv-bn", 3, "--preset", "none"), tmp_path / "int8.onnx"

    calibrated(path, make_pictures(8), out, equalize=equalize, correct_biases=correct_biases)

    about = read_manifest(out).calibration
    assert ("biases corrected" in segpp.inspect(out).text()) is correct_biases
    assert bool(about.equalized) is equalize
    assert bool(about.corrected) is correct_biases
    assert {*about.equalized, *about.corrected} <= about.int8.keys()


def test_biases_are_shifted_in_the_blocks_that_the_manifest_names_and_in_no_others(
    tiny_file: TinyFile, make_pictures: MakePictures, tmp_path: Path
) -> None:
    path, pictures = tiny_file("conv-bn", 3, "--preset", "none"), make_pictures(8)
    off, on = tmp_path / "off.onnx", tmp_path / "on.onnx"

    calibrated(path, pictures, off, equalize=False, correct_biases=False)
    calibrated(path, pictures, on, equalize=False, correct_biases=True)

    before, after = _constants(off), _constants(on)
    changed = {name for name in before if before[name] != after.get(name)}
    stages = {int(re.search(r"stages\.(\d)\.blocks", name)[1]) for name in changed}
    named = {int(block.split()[1]) - 1 for block in read_manifest(on).calibration.corrected}
    assert changed
    assert stages == named


def _constants(path: Path) -> dict[str, bytes]:
    return {one.name: one.SerializeToString() for one in onnx.load(path).graph.initializer}
