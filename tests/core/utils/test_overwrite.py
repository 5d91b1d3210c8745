"""Outputs replace only what segpp wrote itself, and never what is read."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from onnx import parser
from PIL import Image

from segpp.errors import OutputError
from segpp.runtime.benchmark.report import as_csv
from segpp.runtime.media.items import ImageName, ImageSource
from segpp.runtime.media.looks.base import RenderConfig, Segmented
from segpp.runtime.media.video import VideoWriter
from segpp.runtime.media.writers import OutputTarget, open_writer
from segpp.utils.files import manifest_path
from segpp.utils.overwrite import OutputKind, check_distinct, check_output_file, is_own
from tests.helpers.reports.benchmark_reports import BENCH

PIXELS = np.zeros((32, 48, 3), np.uint8)
LABELS = np.zeros((32, 48), np.uint8)
RELU = '<ir_version: 8, opset_import: ["": 18]> g (float[1] x) => (float[1] y) { y = Relu(x) }'


def onnx_file(path: Path, producer: str) -> Path:
    model = parser.parse_model(RELU)
    model.producer_name = producer
    path.write_bytes(model.SerializeToString())
    return path


def picture(path: Path, kind: str) -> Path:
    config = RenderConfig((kind,), ((0, 0, 0),), 0.5)
    source = ImageSource("image", "x.png", lambda: iter(()))
    with open_writer(OutputTarget(path, one_file=True), config, source) as write:
        write(ImageName("x", "x.png"), Segmented(PIXELS, LABELS))
    return path


def video(path: Path) -> Path:
    with VideoWriter(path, 25.0) as writer:
        for _ in range(300):
            writer.write(PIXELS)
    return path


def own_files(folder: Path) -> dict[Path, OutputKind]:
    """Return a file of every kind, each written as segpp writes it."""
    engine = folder / "a.engine"
    engine.write_bytes(b"ftrt" + bytes(100))
    about = {"sha256": hashlib.sha256(engine.read_bytes()).hexdigest()}
    manifest = {"kind": "engine", "segpp": "0.1.0", "schema": 1, "file": about}
    manifest_path(engine).write_text(json.dumps(manifest))
    calibration = {"kind": "calibration", "segpp": "0.1.0", "schema": 1}
    (folder / "a.int8.json").write_text(json.dumps(calibration))
    (folder / "a.csv").write_text(as_csv(BENCH))
    (folder / "a.html").write_text('<!doctype html><meta name="generator" content="segpp">')
    return {
        onnx_file(folder / "a.onnx", "segpp"): "onnx",
        engine: "engine",
        manifest_path(engine): "manifest",
        picture(folder / "a.png", "overlay"): "picture",
        picture(folder / "m.png", "mask"): "picture",
        picture(folder / "a.jpg", "overlay"): "picture",
        folder / "a.csv": "table",
        video(folder / "a.mp4"): "video",
        folder / "a.html": "report",
        folder / "a.int8.json": "calibration",
    }


def foreign_files(folder: Path) -> dict[Path, OutputKind]:
    """Return a file of every kind that somebody else wrote."""
    Image.fromarray(PIXELS).save(folder / "b.png")
    Image.fromarray(PIXELS).save(folder / "b.jpg")
    texts = {"b.engine": "ftrt", "b.onnx.json": "{}", "b.csv": "a,b\n", "b.html": "<html>"}
    texts["b.int8.json"] = '{"kind": "calibration"}'
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {
        onnx_file(folder / "b.onnx", "pytorch"): "onnx",
        folder / "b.engine": "engine",
        folder / "b.onnx.json": "manifest",
        folder / "b.png": "picture",
        folder / "b.jpg": "picture",
        folder / "b.csv": "table",
        folder / "b.html": "report",
        folder / "b.int8.json": "calibration",
    }


def test_what_segpp_wrote_is_known_and_only_as_what_it_is(tmp_path: Path) -> None:
    own = own_files(tmp_path)
    kinds = set(own.values())

    known = {(path, kind) for path in own for kind in kinds if is_own(path, kind)}

    assert known == set(own.items())


def test_what_somebody_else_wrote_is_not_replaced(tmp_path: Path) -> None:
    for path, kind in foreign_files(tmp_path).items():
        before = path.read_bytes()

        with pytest.raises(OutputError, match=r"exists, and is not an? .*\n  hint: .*--force"):
            check_output_file(path, kind)

        check_output_file(path, kind, force=True)
        assert path.read_bytes() == before


def test_an_engine_that_was_changed_since_is_not_its_manifests(tmp_path: Path) -> None:
    engine = next(path for path, kind in own_files(tmp_path).items() if kind == "engine")
    engine.write_bytes(b"ftrt, another")

    assert not is_own(engine, "engine")


def test_an_empty_file_and_none_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    check_output_file(tmp_path / "a", "onnx")
    check_output_file(tmp_path / "b", "onnx")


@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_replaced(tmp_path: Path, force: bool) -> None:  # noqa: FBT001 - a case
    path = onnx_file(tmp_path / "a.onnx", "segpp")
    (tmp_path / "link.onnx").symlink_to(path)

    for name in ("a.onnx", "link.onnx"):
        with pytest.raises(OutputError, match="is the input itself"):
            check_output_file(tmp_path / name, "onnx", inputs=[path], force=force)


@pytest.mark.parametrize("force", [False, True])
def test_the_manifest_of_an_input_is_an_input(tmp_path: Path, force: bool) -> None:  # noqa: FBT001 - a case
    path = onnx_file(tmp_path / "a.onnx", "segpp")
    manifest_path(path).write_text('{"segpp": "0.1.0", "schema": 1, "kind": "onnx"}')

    with pytest.raises(OutputError, match="is the input itself"):
        check_output_file(manifest_path(path), "manifest", inputs=[path], force=force)


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    path, other = tmp_path / "a.png", tmp_path / "b.png"

    check_distinct([path, other, None, None])
    for same in (path, tmp_path / "link" / "a.png", tmp_path / "x" / ".." / "a.png"):
        with pytest.raises(OutputError, match="are one file, and both would be written"):
            check_distinct([path, other, same])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"[1]", b"\x08"])
def test_any_bytes_are_foreign(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    kinds: tuple[OutputKind, ...] = ("onnx", "engine", "manifest", "picture", "table", "video")

    assert not any(is_own(tmp_path / "a", kind) for kind in kinds)
