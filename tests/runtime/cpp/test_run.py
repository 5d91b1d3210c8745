"""segpp_run from outside: what it writes, what it refuses, and its exit codes."""

import json
import re
import resource
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpp
from segpp.cli import parser_of
from segpp.images.palette import overlay
from segpp.images.preprocess import load_image
from segpp.manifest import EngineInfo, read_manifest, render_manifest
from segpp.utils.files import manifest_path, sha256_of
from segpp.utils.overwrite import is_own
from tests.helpers.tiny_networks import Network
from tests.runtime.cpp.conftest import Built
from tests.runtime.cpp.probing import Probe

PICTURE = Path(__file__).resolve().parents[3] / "examples/street_scenes/images/900000.jpg"


def test_a_mask_and_an_overlay_are_written_that_segpp_knows_as_its_own(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    done = runtime.run(network(), PICTURE, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert written == ["900000.mask.png", "900000.overlay.png"]
    assert all(is_own(tmp_path / name, "picture") for name in written)
    with Image.open(tmp_path / "900000.mask.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette()[:9] == [200, 0, 0, 0, 200, 0, 0, 0, 200]  # type: ignore[index]  # it has one


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_an_overlay_has_the_pixels_of_python(probe: Probe, network: Network, alpha: float) -> None:
    model, image = network(), load_image(PICTURE)
    # 3 and 255 are no classes: there the picture stays.
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 255], image.shape[:2]).astype(np.uint8)

    answer = probe("overlay", PICTURE, model, alpha, labels.size, given=labels.tobytes())

    expected = overlay(image, labels, read_manifest(model).classes.palette, alpha)
    assert answer == expected.tobytes()


def test_its_own_pictures_are_replaced_and_others_only_by_force(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model, mask = network(), tmp_path / "900000.mask.png"
    assert runtime.run("--out", tmp_path, model, PICTURE).returncode == 0
    assert runtime.run("--out", tmp_path, model, PICTURE).returncode == 0
    mask.write_bytes(b"somebody's")

    refused = runtime.run("--out", tmp_path, model, PICTURE)

    assert refused.returncode == 2
    assert "exists, and is not a picture that segpp wrote" in refused.stderr
    assert mask.read_bytes() == b"somebody's"
    assert runtime.run("--force", "--out", tmp_path, model, PICTURE).returncode == 0
    assert is_own(mask, "picture")


def test_the_input_is_never_replaced(runtime: Built, network: Network, tmp_path: Path) -> None:
    mask = tmp_path / "900000.mask.png"
    mask.symlink_to(PICTURE)
    before = PICTURE.read_bytes()

    done = runtime.run("--force", "--out", tmp_path, network(), PICTURE)

    assert done.returncode == 2
    assert "is the input itself" in done.stderr
    assert PICTURE.read_bytes() == before


def test_nothing_half_written_is_left_where_the_disk_is_full(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    def limited() -> None:
        # A write beyond this fails like one on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = subprocess.run(
        [str(runtime.tool), "--out", str(tmp_path), str(network()), str(PICTURE)],
        capture_output=True, text=True, check=False,
        # Python ignores the signal that goes with the limit, and so do its children then.
        preexec_fn=limited, restore_signals=False,
    )  # fmt: skip

    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: cannot write {tmp_path}/900000.mask.png\n  File too")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


WRONG = {
    "no arguments": ((), "takes a model and a picture or camera, and 0 were given"),
    "an unknown option": (("--colour", "MODEL", "PICTURE"), "unknown option '--colour'"),
    "no value": (("MODEL", "PICTURE", "--threads"), "--threads needs a value"),
    "a word as number": (("--threads", "many", "MODEL", "PICTURE"), "--threads is 'many'"),
    "too many threads": (
        ("--threads", "40000", "MODEL", "PICTURE"),
        "40,000 threads are too many for",
    ),
    "no thread": (("--threads", "0", "MODEL", "PICTURE"), "--threads is '0'"),
    "too much overlap": (
        ("--tile", "--overlap", "0.95", "MODEL", "PICTURE"),
        "an overlap of 0.95",
    ),
    "an overlap of no tiles": (("--overlap", "0.2", "MODEL", "PICTURE"), "an overlap goes with"),
    "tiles and a fit": (("--tile", "--fit", "crop", "MODEL", "PICTURE"), "not fitted"),
    "an unknown kind": (("--save", "masks", "MODEL", "PICTURE"), "--save is 'masks'"),
    "two kinds in a file": (
        ("--save", "both", "--out", "a.png", "MODEL", "PICTURE"),
        "overlay and mask do not fit into a.png",
    ),
    "a film": (("--out", "a.mp4", "MODEL", "PICTURE"), "cannot write a.mp4"),
    "an unknown fit": (("--fit", "squeeze", "MODEL", "PICTURE"), "--fit is 'squeeze'"),
    "no folder to make": (("--out", "/dev/null/a", "MODEL", "PICTURE"), "cannot make the folder"),
    "no such model": (("none.onnx", "PICTURE"), "model none.onnx does not exist"),
    "no such picture": (("MODEL", "none.png"), "image none.png does not exist"),
    "a folder as picture": (("MODEL", "."), "image . is a folder"),
    "no camera": (("MODEL", "/dev/null"), "/dev/null is no camera"),
    "an absent camera": (("MODEL", "/dev/video-none"), "the camera /dev/video-none is not there"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    runtime: Built, network: Network, tmp_path: Path, name: str
) -> None:
    words, problem = WRONG[name]
    known = {"MODEL": str(network()), "PICTURE": str(PICTURE)}

    done = runtime.run(*(known.get(word, word) for word in words), cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert problem in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("kind", ["mask", "overlay"])
def test_a_file_is_named_as_in_python(
    runtime: Built, network: Network, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "new" / "seen.png"
    save = () if kind == "overlay" else ("--save", kind)

    done = runtime.run("--out", out, *save, network(), PICTURE)

    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["seen.png"]
    with Image.open(out) as picture:
        assert picture.mode == {"mask": "P", "overlay": "RGB"}[kind]


def test_one_kind_alone_goes_into_a_folder_that_is_made(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    done = runtime.run("--out", tmp_path / "new", "--save", "mask", network(), PICTURE)

    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["900000.mask.png"]


def test_options_are_called_as_in_python(runtime: Built) -> None:
    helped = runtime.run("--help").stdout
    # --plugin is an engine's builder's: in Python, SEGPP_PLUGINS alone names the library to run.
    parsers = [parser_of("run"), parser_of("build-engine")]
    there = {flag for parser in parsers for one in parser._actions for flag in one.option_strings}

    options = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", helped, re.MULTILINE))

    assert len(options) > 12
    assert options - there == {"--repeat"}


def test_a_class_of_few_pixels_is_not_nothing(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    # One pixel of 2,048 is green.
    picture = np.full((32, 64, 3), (255, 0, 0), np.uint8)
    picture[3, 5] = (0, 255, 0)
    Image.fromarray(picture).save(tmp_path / "red.png")

    done = runtime.run("--out", tmp_path, network("labels"), tmp_path / "red.png")

    assert done.returncode == 0, done.stderr
    assert "  100.0%  " in done.stdout
    assert "   <0.1%  " in done.stdout


def test_a_manifest_that_is_no_json_is_told_without_the_librarys_numbers(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model = network()
    manifest_path(model).write_text("{{")

    done = runtime.run("--out", tmp_path, model, PICTURE)

    assert done.returncode == 2
    assert "is not JSON\n  parse error at line 1, column 2" in done.stderr
    assert "json.exception" not in done.stderr


def test_an_engine_needs_a_build_with_tensorrt(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model = network()
    about = EngineInfo("tensorrt", "10.3.0", ("8.7",), 1, 0, 0, 0, 0, 1.0, ran=True)
    manifest = replace(read_manifest(model), kind="engine", engine=about)
    manifest_path(model).write_text(render_manifest(manifest))

    done = runtime.run("--out", tmp_path, model, PICTURE)

    assert done.returncode == 3, done.stderr
    assert "is an engine, and this build has no TensorRT" in done.stderr


@pytest.mark.parametrize("size", [0, 1, 10, 100, 200])
def test_a_cut_model_is_refused(
    runtime: Built, network: Network, tmp_path: Path, size: int
) -> None:
    model = network()
    model.write_bytes(model.read_bytes()[:size])
    beside = manifest_path(model)
    manifest = json.loads(beside.read_text())
    manifest["file"] |= {"bytes": size, "sha256": sha256_of(model)}
    beside.write_text(json.dumps(manifest))

    done = runtime.run("--out", tmp_path, model, PICTURE)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["nets"]


def test_help_is_no_error(runtime: Built) -> None:
    done = runtime.run("--help")

    assert done.returncode == 0
    assert done.stdout.startswith("usage: segpp_run [options] MODEL IMAGE|CAMERA")


def test_what_is_white_and_which_bands_the_manifest_says(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    model = network()
    manifest = json.loads(manifest_path(model).read_text())
    manifest["input"] |= {"white": "4095", "bands": [3, 2, 1]}
    manifest_path(model).write_text(json.dumps(manifest))
    deep = np.random.default_rng(0).integers(0, 4096, (40, 60, 3)).astype(np.uint16)
    (tmp_path / "x.png").write_bytes(imagecodecs.png_encode(deep))
    with segpp.load(model) as session:
        expected = session(segpp.load_image(tmp_path / "x.png", white=4095, bands=(3, 2, 1)))

    done = runtime.run("--save", "mask", "--out", tmp_path / "m.png", model, tmp_path / "x.png")

    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "m.png") as mask:
        assert (np.asarray(mask) == expected.masks[0]).all()


def test_sixteen_bits_that_would_be_black_are_told(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model = network()
    # All of it zero is black whatever white is; 255 is no zero, though its high byte is.
    for name, most in (("dark", 4095), ("low", 255), ("bright", 65535), ("zero", 0)):
        ramp = np.linspace(0, most, 40 * 60).reshape(40, 60).astype(np.uint16)
        path = tmp_path / f"{name}.png"
        Image.fromarray(ramp).save(path)

        done = runtime.run("--force", "--out", tmp_path, model, path)

        assert done.returncode == 0, done.stderr
        assert ("nearly black" in done.stderr) == (name in {"dark", "low"})
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            segpp.load_image(path)
        assert bool(told) == (name in {"dark", "low"})


def test_a_line_feed_in_a_name_does_not_end_the_line(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    (tmp_path / "a\nb.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    done = runtime.run(network(), tmp_path / "a\nb.png")

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == rf"error: {tmp_path}/a\x0ab.png is damaged"
