"""A file in which tokens leave is PyTorch's equal and keeps its targets' rules."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from segpp.export.onnx_graph.lint import lint
from segpp.manifest import read_manifest
from tests.export.models.vit.checkpoints import mmsegmentation, save_segmenter
from tests.export.models.vit.dovit.dynamic import auxiliaries, save_dovit
from tests.export.models.vit.references import reference
from tests.helpers.commands import Completed

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

Command = Callable[..., Completed]
SIZE = (96, 144)


def checkpoint(folder: Path) -> Path:
    network = mmsegmentation(depth=8, dim=64, heads=1, size=SIZE, head="setr")
    return save_dovit(folder / "dovit.pth", network, auxiliaries(network))


def pictures(folder: Path) -> Path:
    draw = np.random.default_rng(1)
    folder.mkdir()
    for number in range(2):
        coarse = Image.fromarray(draw.integers(0, 256, (4, 6, 3), dtype=np.uint8))
        coarse.resize(SIZE[::-1]).save(folder / f"{number}.png")
    return folder


def test_a_file_has_found_counts_and_brings_back_what_left(tmp_path: Path, segpp: Command) -> None:
    path, out = checkpoint(tmp_path), tmp_path / "dovit.onnx"
    frames = pictures(tmp_path / "frames")
    options = ("--preset", "dovit", "--calibrate", frames, "--threshold", "0.6")

    done = segpp("export", path, out, *options)

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(out)
    assert [(one.stage, one.method, one.settings["by"]) for one in manifest.reduction] == [
        (block, "pass", "confidence") for block in (2, 4, 6)
    ]
    assert all(int(one.settings["count"]) > 0 for one in manifest.reduction)
    assert manifest.architecture.vit is not None
    assert manifest.architecture.vit.exits == (2, 4, 6)
    assert any("counts were found on 2 image(s)" in note for note in manifest.notes)
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    graph = onnx.load(out)
    assert lint(graph) == []
    # What stays, what leaves, and the way back, at each of three places.
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("SegppTokenUnmerge") == 9
    assert "BatchNormalization" not in operators
    told = segpp("inspect", out)
    assert told.returncode == 0, told.stderr
    for one in manifest.reduction:
        assert f"{one.tokens_in} -> {one.tokens_out}" in " ".join(told.stdout.split())


def test_in_halves_what_leaves_is_decided_in_fp32(tmp_path: Path, segpp: Command) -> None:
    path = save_segmenter(tmp_path, reference(dim=64, heads=1, size=(64, 64), head="linear"))
    out = tmp_path / "half.onnx"
    options = ("--precision", "fp16", "--no-check", "--reduce", "2.tokens=pass:count=4")

    done = segpp("export", path, out, *options)

    assert done.returncode == 0, done.stderr
    graph = onnx.shape_inference.infer_shapes(onnx.load(out)).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    compared = [n for n in graph.node if n.op_type == "Greater"]
    assert {kinds[name] for node in compared for name in node.input if name in kinds} == {
        onnx.TensorProto.FLOAT
    }
