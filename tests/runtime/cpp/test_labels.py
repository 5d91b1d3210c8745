"""Labels equal those of the Python session in every pixel: networks, pictures, fits, types."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

import segpp
from segpp.images.postprocess import labels_from
from segpp.images.preprocess import load_image
from segpp.manifest import Classes, Manifest, OutputSpec, read_manifest, render_manifest
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import manifest_path, sha256_of
from tests.conftest import _once
from tests.helpers.commands import in_process
from tests.helpers.tiny_networks import Network, manifest_of, write_graph
from tests.runtime.cpp.conftest import Built
from tests.runtime.cpp.probing import Probe, Refused

SCENES = Path(__file__).resolve().parents[3] / "examples" / "street_scenes"
# Trained, so that masks have every class and many edges.
CHECKPOINT = SCENES / "segformer_b0_scenes.pth"
PICTURES = (segpp.sample_image(), SCENES / "images" / "900000.jpg")
SHARED = ("images/*", "camvid/val/images/*")
FITS = ("stretch", "letterbox", "crop")

EXPORTS = {
    "none": ("--preset", "none"),
    "hq-uint8-labels": ("--preset", "hq", "--input-dtype", "uint8", "--outputs", "labels"),
    "fast-pixels": ("--preset", "fast", "--input-dtype", "float32-pixels", "--outputs", "both"),
    "hq-fp16": ("--preset", "hq", "--precision", "fp16", "--input-dtype", "float16",
                "--output-dtype", "float16"),
    "hq-batch": ("--preset", "hq", "--batch", "3"),
}  # fmt: skip
QUICK = ("none", "hq-uint8-labels")

Labels = NDArray[Any]


def exported(folder: Path, name: str) -> Path:
    def make(path: Path) -> None:
        options = (*EXPORTS[name], "--size", "128x192", "--no-check")
        done = in_process("export", CHECKPOINT, path, *options)
        assert done.returncode == 0, done.stderr

    return _once(folder / f"scenes-{name}.onnx", make)


def calibration_pictures(folder: Path) -> Path:
    """Write the six scenes as they are and mirrored; eight are the fewest to calibrate on."""
    folder.mkdir(exist_ok=True)
    for path in (SCENES / "images").glob("*.jpg"):
        with Image.open(path) as picture:
            picture.save(folder / f"{path.stem}.png")
            ImageOps.mirror(picture).save(folder / f"{path.stem}-mirrored.png")
    return folder


def int8(folder: Path) -> Path:
    float_file = exported(folder, "none")

    def make(path: Path) -> None:
        options = ("--target", "onnxruntime", "--no-timing", "--min-agreement", "0")
        pictures = calibration_pictures(folder / "scenes-mirrored")
        done = in_process("calibrate", float_file, pictures, "-o", path, *options)
        assert done.returncode == 0, done.stderr

    return _once(folder / "scenes-int8.onnx", make)


def mask(built: Built, model: Path, picture: Path, out: Path, *options: object) -> Labels:
    done = built.run("--out", out, *options, model, picture)
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(out / f"{picture.stem}.mask.png"))


def expected(model: Path, picture: Path, **options: Any) -> Labels:
    with open_session(model, **options) as session:
        return session(load_image(picture)).masks[0]


def same(one: Labels, other: Labels) -> bool:
    """Return whether labels agree; a mask holds -1 as 65535."""
    return one.shape == other.shape and bool((one == other.astype(one.dtype)).all())


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EXPORTS],
)
def test_an_exported_file_gives_the_labels_of_python(
    released: Built, session_folder: Path, tmp_path: Path, name: str, fit: str
) -> None:
    model = exported(session_folder, name)
    for picture in PICTURES:
        found = mask(released, model, picture, tmp_path, "--fit", fit)

        assert len(np.unique(found)) > 2, "masks of one class could hardly differ"
        assert same(found, expected(model, picture, fit=fit))


@pytest.mark.slow
def test_an_int8_file_gives_the_labels_of_python(
    released: Built, session_folder: Path, tmp_path: Path
) -> None:
    model = int8(session_folder)

    for picture in PICTURES:
        found = mask(released, model, picture, tmp_path)

        assert len(np.unique(found)) > 2
        assert same(found, expected(model, picture))


@pytest.mark.slow
@pytest.mark.shared
def test_photographs_get_the_labels_of_python(
    released: Built, session_folder: Path, shared: Path, tmp_path: Path
) -> None:
    model = exported(session_folder, "none")
    pictures = [path for glob in SHARED for path in sorted(shared.glob(glob))[:8]]

    differing = [
        (path.name, fit)
        for path in pictures
        for fit in FITS
        if not same(
            mask(released, model, path, tmp_path, "--fit", fit), expected(model, path, fit=fit)
        )
    ]

    assert len(pictures) > 10
    assert differing == []


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_tiles_give_the_labels_of_python(
    released: Built, session_folder: Path, tmp_path: Path, overlap: float
) -> None:
    model = exported(session_folder, "none")
    street = Image.open(segpp.sample_image())
    # Wider and lower than a tile, and two tiles high.
    for size in ((317, 100), (200, 250)):
        picture = tmp_path / f"{size[0]}.png"
        street.resize(size).save(picture)
        found = mask(released, model, picture, tmp_path, "--tile", "--overlap", overlap)

        assert same(found, expected(model, picture, tile=True, overlap=overlap))


def rewritten(path: Path, change: Callable[[Manifest], Manifest]) -> Path:
    """Change a manifest by hand, as that of a file that another tool wrote."""
    manifest_path(path).write_text(render_manifest(change(read_manifest(path))))
    return path


RESIZES = ("pillow-bilinear", "pillow-bicubic", "pillow-nearest")


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8"])
@pytest.mark.parametrize("look", list(product(["RGB", "BGR"], RESIZES, FITS)), ids="-".join)
def test_every_way_to_fill_an_input_gives_the_labels_of_python(
    runtime: Built, network: Network, tmp_path: Path, kind: str, look: tuple[str, str, str]
) -> None:
    colours, resize, fit = look

    def change(manifest: Manifest) -> Manifest:
        spec = replace(
            manifest.input, colours=colours, resize=resize, fit=fit, padding=(9, 80, 200)
        )
        return replace(manifest, input=spec)

    model = rewritten(network(kind), change)
    picture = tmp_path / "picture.png"
    noise = np.random.default_rng(1).integers(0, 256, (9, 31, 3), np.uint8)
    Image.fromarray(noise).resize((77, 101)).save(picture)

    found = mask(runtime, model, picture, tmp_path)

    assert len(np.unique(found)) > 2
    assert same(found, expected(model, picture))


def placed(folder: Path, output: OutputSpec, fit: str, classes: int, batch: int) -> Path:
    """Write a manifest about nothing much, for outputs that are made up."""
    path = folder / "made.onnx"
    path.write_bytes(b"a file")
    base = manifest_of(path, "logits", batch)
    names = tuple(f"class {number}" for number in range(classes))
    spec = replace(base.input, fit=fit, shape=(batch, 3, 64, 96))
    manifest = replace(
        base,
        classes=Classes(names, ((1, 2, 3),) * classes),
        architecture=replace(base.architecture, classes=classes),
        input=spec,
        outputs=(output,),
    )
    manifest_path(path).write_text(render_manifest(manifest))
    return path


SIZES = ((64, 96), (1, 1), (33, 200), (200, 33), (128, 192), (7, 11))
OUTPUTS = {
    "float32": ("logits", "float32", 5),
    "float16": ("logits", "float16", 5),
    "one channel": ("logits", "float32", 1),
    "many classes": ("logits", "float32", 300),
    "int8": ("labels", "int8", 200),
    "uint8": ("labels", "uint8", 200),
    "int32": ("labels", "int32", 300),
    "int64": ("labels", "int64", 20),
}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("how", list(product(FITS, [False, True], ["NCHW", "NHWC"])))
def test_made_up_outputs_become_the_labels_of_python(
    probe: Probe, tmp_path: Path, name: str, how: tuple[str, bool, str]
) -> None:
    fit, align_corners, layout = how
    kind, dtype, channels = OUTPUTS[name]
    random = np.random.default_rng(3)
    if kind == "labels":
        raw = random.integers(0, min(channels, 128), (2, 64, 96)).astype(dtype)
    else:
        # Coarse values make ties, also between the interpolated ones.
        raw = (random.integers(-6, 7, (2, channels, 16, 24)) / 2).astype(dtype)
        raw = np.ascontiguousarray(raw.transpose(0, 2, 3, 1)) if layout == "NHWC" else raw
    output = OutputSpec("out", kind, raw.shape, dtype, align_corners, layout)  # type: ignore[arg-type]  # cases
    classes = max(2, channels)
    model = placed(tmp_path, output, fit, classes, 2)
    spec = read_manifest(model).input
    for height, width in SIZES:
        wanted = labels_from(raw, output, [(height, width)] * 2, classes, spec)

        answer = probe("labels", model, height, width, raw.nbytes, given=raw.tobytes())

        found = np.frombuffer(answer, np.int32).reshape(2, 1 + height * width)
        assert (found[:, 1:].reshape(2, height, width) == np.stack(wanted)).all(), (height, width)
        assert (found[:, 0] == [labels.itemsize for labels in wanted]).all()


@pytest.mark.parametrize(("value", "share"), [(np.nan, "0.03%"), (np.inf, "0.03%")])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_logits_that_are_no_numbers_are_refused(
    probe: Probe, tmp_path: Path, value: float, share: str, dtype: str
) -> None:
    raw = np.zeros((1, 8, 16, 24), dtype)
    raw[0, 3, 5, 7] = value
    output = OutputSpec("out", "logits", raw.shape, dtype)
    model = placed(tmp_path, output, "stretch", 8, 1)

    with pytest.raises(Refused, match=f"^{share} of the network's logits are infinite") as refused:
        probe("labels", model, 8, 8, raw.nbytes, given=raw.tobytes())

    assert refused.value.code == 1


@pytest.mark.parametrize("value", [-2, 65535, 1 << 31])
def test_labels_that_are_no_classes_are_refused(probe: Probe, tmp_path: Path, value: int) -> None:
    raw = np.zeros((1, 64, 96), np.int64)
    raw[0, 1, 2] = value
    output = OutputSpec("out", "labels", raw.shape, "int64")
    model = placed(tmp_path, output, "stretch", 8, 1)

    with pytest.raises(Refused, match=f"the network gives the class {value}"):
        probe("labels", model, 8, 8, raw.nbytes, given=raw.tobytes())


def test_a_network_of_not_a_numbers_ends_with_a_failed_check(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    done = runtime.run("--out", tmp_path, network("nan"), PICTURES[1])

    assert done.returncode == 1
    assert done.stderr.startswith("error: 100.00% of the network's logits are infinite or not a")
    assert list(tmp_path.glob("*.png")) == []


def test_a_file_with_weights_elsewhere_is_refused_before_it_is_opened(
    runtime: Built, tmp_path: Path
) -> None:
    model = tmp_path / "outside.onnx"
    write_graph(model, """(float[1,3,32,64] image) => (float[1,3,32,64] out) {
        out = Identity(image)
    }""")  # fmt: skip
    proto = onnx.load(model)
    tensor = onnx.TensorProto(name="w", dims=[4], data_type=1, data_location=1)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    proto.graph.initializer.append(tensor)
    model.write_bytes(proto.SerializeToString())
    manifest_path(model).write_text(render_manifest(manifest_of(model, "logits", 1)))

    done = runtime.run("--out", tmp_path, model, PICTURES[1])

    assert done.returncode == 2
    assert "takes weights from another file" in done.stderr


def test_what_the_tool_reports_is_what_the_mask_holds(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model = network("logits")

    done = runtime.run("--json", "--repeat", 3, "--out", tmp_path, model, PICTURES[1])

    report = json.loads(done.stdout)
    labels = np.asarray(Image.open(report["written"][0]))
    shares = {entry["label"]: entry["share"] for entry in report["classes"]}
    assert shares == {int(k): float((labels == k).mean()) for k in np.unique(labels)}
    assert report["frames"] == 3
    assert {"read", "preprocess", "inference", "postprocess", "write"} == set(
        report["milliseconds"]
    )
    assert sha256_of(model) == read_manifest(model).file.sha256
