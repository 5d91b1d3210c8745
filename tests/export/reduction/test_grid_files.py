"""Files whose blocks or head run on a smaller grid: what they give, and what is told of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import segpp
from segpp.errors import ReductionError
from segpp.export.config import ExportConfig
from segpp.export.images import normalized_image
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.onnx_graph.lint import lint
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.sites import Site
from segpp.images import sample_image
from segpp.images.postprocess import resize_argmax
from segpp.ops.grid import Size
from tests.helpers.commands import Completed

Command = Callable[..., Completed]

# The tiny network's second stage has two blocks. At the odd size no cell divides its grid.
STAGES = ("1.grid=area:share=0.75", "2.grid=area:every=2", "3.grid=bilinear", "4.grid=sample")
MERGING = ("1.kv=bsm:sy=1,sx=2", "2.q=bsm", "3.q=bsm:ratio=0.6,sy=2,sx=2")
HEAD = ("head.grid=area",)
CASES = [
    pytest.param(Size(352, 480), ("3.grid=area", *HEAD), id="camera"),
    pytest.param(Size(132, 196), (*STAGES, *HEAD), id="odd"),
    pytest.param(Size(132, 196), (*STAGES, *MERGING), id="odd, merging"),
]


def exported(
    checkpoint: Path, out: Path, size: Size, *reduce: str, **more: object
) -> segpp.Manifest:
    config = ExportConfig(
        checkpoint,
        out,
        size=size,
        reduction=reduction_config(reduce=reduce),
        **more,  # type: ignore[arg-type]  # as the test says
    )
    return export_onnx(config).manifest


@pytest.mark.parametrize(("size", "reduce"), CASES)
def test_a_file_labels_as_torch_in_both_engines(
    tiny_checkpoint: Path, tmp_path: Path, size: Size, reduce: tuple[str, ...]
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")
    out = tmp_path / "x.onnx"

    manifest = exported(tiny_checkpoint, out, size, *reduce)

    assert lint(onnx.load(out)) == []
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    loaded = load_checkpoint(tiny_checkpoint)
    image = normalized_image(sample_image(), manifest.input)
    with torch.inference_mode():
        model = loaded.build().apply_reductions(reduction_config(reduce=reduce))
        logits = model(torch.from_numpy(image)).numpy()
    wanted = resize_argmax(logits, tuple(size), align_corners=loaded.align_corners)
    for backend in ("onnxruntime", "openvino"):
        with segpp.load(out, backend=backend) as session:
            [found] = session.run_raw(image).values()
        assert found.shape == logits.shape
        labels = resize_argmax(found, tuple(size), align_corners=loaded.align_corners)
        assert np.mean(labels == wanted) >= 0.999


def test_labels_and_pictures_come_from_the_smaller_logits(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    size = Size(128, 256)
    manifest = exported(tiny_checkpoint, tmp_path / "x.onnx", size, *HEAD, outputs="both")

    logits, labels = manifest.outputs
    assert logits.shape[2:] == (16, 32)
    assert labels.shape[1:] == size
    with segpp.load(tmp_path / "x.onnx", backend="onnxruntime") as session:
        [mask] = session(segpp.load_image(sample_image())).masks
    assert mask.shape == segpp.load_image(sample_image()).shape[:2]
    assert len(np.unique(mask)) > 1


def test_a_server_is_told_how_large_its_masks_are(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    flags = ("--size", "128x256", "--no-check", "--input-dtype", "float32-pixels")

    done = segpp(
        "export", tiny_checkpoint, tmp_path / "x.onnx", *flags, "--reduce", *HEAD,
        "--for", "deepstream",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    [config] = tmp_path.rglob("config_infer.txt")
    assert "Masks are 16x32, as the logits are." in config.read_text()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_halves_pass_their_gate(tiny_checkpoint: Path, tmp_path: Path, precision: str) -> None:
    out, reduce = tmp_path / "x.onnx", (*STAGES, *HEAD)

    manifest = exported(tiny_checkpoint, out, Size(132, 196), *reduce, precision=precision)

    assert lint(onnx.load(out)) == []
    assert manifest.parity is not None
    assert manifest.parity.pixel_agreement >= 0.98


def test_a_search_for_matches_knows_which_blocks_share_a_grid(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    def searched(*reduce: str) -> list[tuple[int, int]]:
        out = tmp_path / f"{len(reduce)}.onnx"
        manifest = exported(tiny_checkpoint, out, Size(128, 160), *reduce, match_interval="auto")
        assert manifest.match_search is not None
        return [(trial.stage, trial.match_every) for trial in manifest.match_search.trials]

    assert searched("2.q=bsm") == [(2, 2)]
    assert searched("2.q=bsm", "2.grid=area:first=2") == []


def test_reductions_given_as_objects_are_held_to_their_sites(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    wrong = {Site(3, "grid"): PRESETS["hq"][Site(3, "q")]}
    config = ExportConfig(tiny_checkpoint, tmp_path / "x.onnx", reduction=wrong)

    with pytest.raises(ReductionError, match=r"bsm cannot merge at 3\.grid"):
        export_onnx(config)


def test_the_report_and_the_inspection_tell_the_tokens_and_what_is_left_to_do(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.onnx"
    reduce = (
        "--reduce",
        "2.grid=area:every=2",
        "--reduce",
        "2.q=bsm",
        "--reduce",
        "head.grid=area",
    )

    done = segpp("export", tiny_checkpoint, out, "--size", "128x160", "--no-check", *reduce)

    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["tokens", "stage", "2", "grid", "area:", "320", "->", "80"] in lines
    assert ["stage", "2", "q", "bsm:", "80", "->", "40"] in lines
    assert ["head", "grid", "area:", "1,280", "->", "320"] in lines
    inspected = segpp("inspect", out)
    rows = [line.split() for line in inspected.stdout.splitlines()]
    assert ["2.grid", "area:share=0.5,first=1,every=2", "16x20", "320", "80", "1"] in rows
    assert ["head.grid", "area:share=0.5,first=1,every=0", "32x40", "1,280", "320", "1"] in rows
    assert "of a grid in those that first and every choose" in inspected.stdout
    [total] = [row for row in rows if row[:1] == ["total"]]
    assert float(total[2].removesuffix("%")) < 90


def test_the_inspection_of_a_checkpoint_tells_what_a_grid_would_leave(
    segpp: Command, tiny_checkpoint: Path
) -> None:
    where = (tiny_checkpoint, "--size", "128x160")

    fits = segpp("inspect", *where, "--reduce", "3.grid=area", "--reduce", "head.grid=area")
    short = segpp("inspect", *where, "--reduce", "3.grid=area:first=2")

    rows = [line.split() for line in fits.stdout.splitlines()]
    assert any(row[:1] == ["3.grid"] and row[-1] == "20" for row in rows)
    assert any(row[:1] == ["head.grid"] and row[-1] == "320" for row in rows)
    assert "stage 3, grid: area cannot begin at block 2 of 1" in short.stdout


def test_the_methods_are_listed_with_where_they_work(segpp: Command) -> None:
    listed = segpp("export", "--list-reductions").stdout

    methods = listed.partition("channel gates")[0].splitlines()[1:]
    named = [line for line in methods if not line.startswith("    ")]
    assert "share=0.5, first=1, every=0  (at grid)" in listed.split("bilinear")[1]
    # Their settings stand below each other, whatever they are called.
    [column] = {
        len(line) - len(line[2:].lstrip("abcdefghijklmnopqrstuvwxyz0123456789").lstrip())
        for line in named
    }
    assert column > len("  similarity")
    [queries] = [line for line in named if line.split()[0] == "q"]
    assert queries.endswith("(at ffn)")


def test_more_blocks_than_a_stage_has_are_refused_before_anything_is_written(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.onnx"

    done = segpp("export", tiny_checkpoint, out, "--reduce", "3.grid=area:first=2")

    assert (done.returncode, out.exists()) == (2, False)
    assert "error: stage 3, grid: area cannot begin at block 2 of 1" in done.stderr
