"""Files with fewer channels compute what PyTorch does, in both engines, for every image of a batch.

Tests models/gating.py and config/search.py, through the export.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import segpp as library
from segpp.errors import InputError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.family import FAMILY
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.gates.config import build_gates
from segpp.export.reduction.gates.trained import gates_state
from segpp.images import sample_image
from segpp.manifest import read_manifest
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import Write, lively, theirs
from tests.helpers.commands import Completed

SIZE = "64x96"
PARTS = ("hidden", "qkv")
EVERYWHERE = [f"{stage}.{part}" for stage in (1, 2, 3, 4) for part in PARTS]


def gated(how: str) -> list[str]:
    return [f"{place}={how}" for place in EVERYWHERE]


@pytest.fixture
def checkpoint(write: Write) -> Path:
    return write(lively(theirs()))


Exported = Callable[..., Path]
Command = Callable[..., Completed]


@pytest.fixture
def exported(checkpoint: Path, tmp_path: Path) -> Exported:
    def export(*reduce: str, **options: object) -> Path:
        out = tmp_path / "gated.onnx"
        library.export_onnx(
            checkpoint,
            out,
            size=SIZE,
            reduce=reduce,
            force=True,
            **options,  # type: ignore[arg-type]
        )
        return out

    return export


@pytest.mark.parametrize("how", ["fixed:keep=0.5", "dynamic:keep=0.5"])
def test_both_engines_give_what_pytorch_gives(
    exported: Exported, checkpoint: Path, how: str
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")
    path = exported(*gated(how), "3.q=n2d:rows=2,cols=2", "4.grid=area:share=0.5", batch=2)

    assert read_manifest(path).parity is not None
    draw = np.random.default_rng(0).standard_normal((2, 3, 64, 96)).astype(np.float32)
    results = {backend: run(path, backend, draw) for backend in ("onnxruntime", "openvino")}
    largest = float(np.abs(results["onnxruntime"]).max())
    assert np.abs(results["onnxruntime"] - results["openvino"]).max() <= 1e-4 * largest
    if how.startswith("dynamic"):
        model = load_checkpoint(checkpoint).build()
        config = FAMILY.reduction_config(
            ReductionChoice(reduce=("3.q=n2d:rows=2,cols=2", "4.grid=area:share=0.5"))
        )
        model.apply_reductions(config)
        FAMILY.apply_gates(model, build_gates(gated(how), FAMILY.places), [])
        with torch.inference_mode():
            expected = model(torch.from_numpy(draw)).numpy()
        assert np.abs(results["onnxruntime"] - expected).max() <= 1e-4 * largest


def run(path: Path, backend: str, x: np.ndarray) -> np.ndarray:
    if backend == "onnxruntime":
        import onnxruntime  # noqa: PLC0415 - one engine a time

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        [logits] = session.run(None, {"image": x})
        return np.asarray(logits)
    import openvino  # noqa: PLC0415 - as above

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(x)[0])


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


def test_a_fixed_gate_leaves_an_ordinary_network(exported: Exported) -> None:
    plain = operators(exported(check=False))

    assert operators(exported(*gated("fixed:keep=0.5"), check=False)) == plain
    assert operators(exported(*gated("dynamic:keep=0.5"), check=False)) >= {"TopK", "Gather"}


def test_every_shape_of_a_dynamic_gate_is_a_number(exported: Exported) -> None:
    model = onnx.shape_inference.infer_shapes(
        onnx.load(exported(*gated("dynamic:keep=0.5"), check=False, batch=2))
    )

    shapes = [value.type.tensor_type.shape.dim for value in model.graph.value_info]
    assert shapes
    assert all(dim.HasField("dim_value") for shape in shapes for dim in shape)


def test_the_manifest_says_which_channels_stay_and_who_chose(
    exported: Exported, pictures: Path
) -> None:
    manifest = read_manifest(
        exported("3.hidden=fixed:keep=0.5", "4.qkv=dynamic:keep=0.5", search_images=pictures)
    )

    hidden, qkv = manifest.channels
    assert (hidden.stage, hidden.part, hidden.channels_in, hidden.channels_out) == (
        3, "hidden", 160, 80,
    )  # fmt: skip
    assert {name: int(mask, 16).bit_count() for name, mask in hidden.kept.items()} == {
        "1.hidden": 80
    }
    assert (qkv.method, qkv.groups, qkv.predictor, qkv.kept) == ("dynamic", 8, 0, {})
    assert manifest.channel_images == tuple(
        sha256_of(pictures / name) for name in ("a.png", "b.png")
    )
    assert any("no trained gates" in note and "4.qkv" in note for note in manifest.notes)
    assert not any("alone" in note for note in manifest.notes)


def test_without_images_the_bundled_picture_chooses_and_a_note_says_so(exported: Exported) -> None:
    manifest = read_manifest(exported("3.hidden=fixed:keep=0.5", check=False))

    assert manifest.channel_images == (sha256_of(sample_image()),)
    assert any("chosen on the bundled picture alone" in note for note in manifest.notes)


def test_images_for_nothing_are_refused(exported: Exported, pictures: Path) -> None:
    with pytest.raises(InputError, match="`search_images` goes with"):
        exported("3.hidden=dynamic", search_images=pictures)


def test_trained_gates_of_a_checkpoint_choose(
    checkpoint: Path, write: Write, exported: Exported
) -> None:
    model = load_checkpoint(checkpoint).build()
    FAMILY.apply_gates(model, build_gates(["3.hidden=dynamic:keep=0.5"], FAMILY.places), [])
    torch.manual_seed(0)
    gates = FAMILY.dynamic_gates(model)
    for gate in gates.values():
        gate.add_predictor(5)
    write(lively(theirs()) | gates_state(gates))

    manifest = read_manifest(exported("3.hidden=dynamic:keep=0.5"))
    unused = read_manifest(exported(check=False))

    assert [site.predictor for site in manifest.channels] == [5]
    assert not any("gates" in note for note in manifest.notes)
    assert any("trained gates" in note and "not used" in note for note in unused.notes)


def test_the_report_and_the_inspections_tell_the_channels(
    segpp: Command, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gated.onnx"
    reduce = ("--reduce", "3.hidden=fixed:keep=0.5", "--reduce", "4.qkv=dynamic:keep=0.5")

    done = segpp("export", checkpoint, out, "--size", SIZE, "--no-check", *reduce)
    file = segpp("inspect", out)
    before = segpp("inspect", checkpoint, "--size", SIZE, *reduce)

    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["channels", "stage", "3", "hidden", "fixed:", "160", "->", "80"] in lines
    rows = [line.split() for line in file.stdout.splitlines()]
    hidden = ["3.hidden", "fixed:keep=0.5,correct=1", "160", "80", "1"]
    assert [*hidden, "1", "image(s),", "at", "the", "export"] in rows
    [total] = [row for row in rows if row[:1] == ["total"]]
    assert float(total[2].removesuffix("%")) < 100
    rows = [line.split() for line in before.stdout.splitlines()]
    assert ["asked", "3.hidden", "fixed", "160", "80"] in rows


def test_gates_are_listed_with_where_they_work(segpp: Command) -> None:
    listed = segpp("export", "--list-reductions").stdout

    assert "keep=0.7, correct=1  (at hidden, qkv)" in listed
    assert (
        "        destination: corner, center, typical, salient\n        value: mean, max\n"
        in listed
    )
