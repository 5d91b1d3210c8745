"""segpp-run from the outside: files in, files out, exit codes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.cli import main

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]
Capture = pytest.CaptureFixture[str]

PALETTE = np.array([(200, 0, 0), (0, 200, 0), (0, 0, 200)])


@pytest.fixture
def street(tmp_path: Path, stripes: Stripes) -> Path:
    path = tmp_path / "in" / "street.png"
    path.parent.mkdir()
    Image.fromarray(stripes(48, 90)).save(path)
    return path


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def thirds(pixels: np.ndarray) -> list[object]:
    return [pixels[24, column].tolist() for column in (15, 45, 75)]


def test_an_overlay_is_the_image_half_painted(
    network: Network, street: Path, tmp_path: Path, capsys: Capture
) -> None:
    code = run(network(), street, "--out", tmp_path / "o.png", "--legend", "none")

    assert code == 0
    painted = np.asarray(Image.open(tmp_path / "o.png"))
    assert painted.shape == (48, 90, 3)
    # (255 + 200) / 2 = 227.5, rounded up
    assert thirds(painted) == [[228, 0, 0], [0, 228, 0], [0, 0, 228]]
    assert "street 48x90" in capsys.readouterr().out


def test_a_mask_is_class_numbers_with_the_palette(
    network: Network, street: Path, tmp_path: Path
) -> None:
    code = run(network(), street, "--out", tmp_path / "m.png", "--save", "mask")

    with Image.open(tmp_path / "m.png") as mask:
        assert code == 0
        assert mask.mode == "P"
        assert thirds(np.asarray(mask)) == [0, 1, 2]
        assert thirds(np.asarray(mask.convert("RGB"))) == PALETTE.tolist()


def test_both_go_into_a_folder_under_the_images_name(
    network: Network, street: Path, tmp_path: Path
) -> None:
    code = run(network(), street, "--out", tmp_path / "new" / "deep", "--save", "both")

    assert code == 0
    found = sorted(path.name for path in (tmp_path / "new" / "deep").iterdir())
    assert found == ["street.mask.png", "street.overlay.png"]


def test_colours_and_names_come_from_files(
    network: Network, street: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "colours.txt").write_text("1 2 3\n4 5 6\n7 8 9\n")
    (tmp_path / "names.txt").write_text("roof\nlawn\nsea\n")

    code = run(
        *(network(), street, "--out", tmp_path / "o.png", "--alpha", "1"),
        *("--palette", tmp_path / "colours.txt", "--class-names", tmp_path / "names.txt"),
    )

    assert code == 0
    painted = np.asarray(Image.open(tmp_path / "o.png"))
    assert thirds(painted) == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert "lawn 33" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--palette", "--class-names"])
def test_files_for_another_number_of_classes_are_refused(
    network: Network, street: Path, tmp_path: Path, capsys: Capture, flag: str
) -> None:
    (tmp_path / "two.txt").write_text("1 2 3\n4 5 6\n")

    code = run(network(), street, "--out", tmp_path / "o.png", flag, tmp_path / "two.txt")

    assert code == 2
    assert "the network 3 classes" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_damaged_image_in_a_folder_is_skipped_and_the_rest_is_done(
    network: Network, street: Path, tmp_path: Path, capsys: Capture, batch: int
) -> None:
    (street.parent / "broken.png").write_bytes(street.read_bytes()[:100])
    for name in ("a.png", "z.jpg"):
        Image.open(street).save(street.parent / name)

    code = run(network(batch=batch), street.parent, "--out", tmp_path / "out")

    said = capsys.readouterr()
    assert code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.overlay.png",
        "street.overlay.png",
        "z.overlay.png",
    ]
    assert "broken.png is damaged" in said.err
    assert "images/s" in said.err
    assert "3 images in" in said.out
    assert "1 skipped" in said.out


def test_a_pattern_takes_what_it_matches(network: Network, street: Path, tmp_path: Path) -> None:
    Image.open(street).save(street.parent / "other.jpg")

    assert run(network(), street.parent / "*.jpg", "--out", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.overlay.png"]


def test_json_reports_every_image(
    network: Network, street: Path, tmp_path: Path, capsys: Capture
) -> None:
    (street.parent / "text.png").write_text("no image")

    code = run(network(), street.parent, "--out", tmp_path / "out", "--json")

    report = json.loads(capsys.readouterr().out)
    [image] = report["images"]
    assert code == 1
    assert report["input_size"] == [32, 64]
    assert (report["fit"], report["notes"]) == ("stretch", [])
    assert image["size"] == [48, 90]
    assert image["classes"] == pytest.approx(
        {"red": 1 / 3, "green": 1 / 3, "blue": 1 / 3}, abs=0.05
    )
    assert sum(image["classes"].values()) == pytest.approx(1.0, abs=1e-5)
    assert image["latency_ms"] > 0
    assert image["outputs"] == [str(tmp_path / "out" / "street.overlay.png")]
    assert "text.png is not an image" in report["failed"][0]["error"]


def test_json_has_the_notes_on_what_the_fit_costs(
    network: Network, street: Path, tmp_path: Path, capsys: Capture
) -> None:
    run(network(), street, "--out", tmp_path / "o.png", "--tile", "--json")

    assert json.loads(capsys.readouterr().out)["fit"] == "tiles 0.25"
    Image.new("RGB", (40, 40)).save(street)
    run(network(), street, "--out", tmp_path / "o.png", "--fit", "letterbox", "--json")

    report = json.loads(capsys.readouterr().out)
    assert report["fit"] == "letterbox"
    assert "50% of the network's pixels are padding" in report["notes"][0]


def test_without_a_manifest_the_assumptions_are_said_on_stderr(
    network: Network, street: Path, tmp_path: Path, capsys: Capture
) -> None:
    code = run(network(manifest=False), street, "--out", tmp_path / "o.png")

    said = capsys.readouterr()
    assert code == 0
    assert "has no manifest: assuming RGB, ImageNet mean and std" in said.err
    assert "assuming" not in said.out


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("in/broken.png", "broken.png is not an image"),
        ("in/none.png", "does not exist"),
        ("empty", "holds no images"),
        ("in/*.gif", "no file matches"),
        ("/dev/video97", "the camera /dev/video97 is not there"),
    ],
)
def test_nothing_to_segment_is_exit_2_and_leaves_nothing(
    *, network: Network, street: Path, tmp_path: Path, capsys: Capture, source: str, problem: str
) -> None:
    (street.parent / "broken.png").write_bytes(b"broken")
    (tmp_path / "empty").mkdir()

    code = run(network(), tmp_path / source, "--out", tmp_path / "o.png")

    assert code == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("in/street.png", "--out", "in/street.png"), "is the input itself"),
        (("in/street.png", "--out", "no/such/o.png"), "create the folder first"),
        (("in/street.png", "--out", "o.png", "--save", "both"), "give a folder"),
        (("in/street.png", "--out", "o.jpg", "--save", "mask"), "lose class numbers"),
        (("in/street.png", "--out", "o.mp4"), "an image cannot become"),
        (("in/street.png", "--out", "o.bmp"), "written are: .jpeg, .jpg, .mp4, .png"),
        (("in", "--out", "o.png"), "several images"),
        (("in", "--out", "in"), "holds the input images"),
        (("in", "--out", "file"), "is a file"),
        (("in", "--out", "file/deeper"), "cannot write"),
        (("in/street.png", "--out", "o.png", "--alpha", "2"), "alpha is 2.0"),
        (("in/street.png", "--out", "o.png", "--backend", "onnx"), "unknown backend 'onnx'"),
        (
            ("in/street.png", "--out", "o.png", "--class-names", "none.txt"),
            "none.txt does not exist",
        ),
    ],
)
def test_what_cannot_work_is_said_before_anything_runs(
    *,
    network: Network,
    street: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    model, before = network(), street.read_bytes()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    code = run(model, *arguments)

    assert code == 2
    assert problem in capsys.readouterr().err
    assert street.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in", "nets"]


def test_a_missing_model_is_exit_2_and_makes_no_folder(
    street: Path, tmp_path: Path, capsys: Capture
) -> None:
    code = run(tmp_path / "none.onnx", street, "--out", tmp_path / "out")

    assert code == 2
    assert "none.onnx does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_provider_that_is_not_here_is_exit_3(
    network: Network, street: Path, tmp_path: Path
) -> None:
    assert run(network(), street, "--out", tmp_path / "o.png", "--provider", "qnn") == 3


def test_a_video_becomes_a_video(
    network: Network, tmp_path: Path, stripes: Stripes, capsys: Capture
) -> None:
    video = pytest.importorskip("segpp.runtime.media.video")
    pytest.importorskip("av", reason="PyAV (segpp[video]) reads videos")
    with video.VideoWriter(tmp_path / "a.mp4", 10) as film:
        for _ in range(5):
            film.write(stripes(48, 90))

    code = run(network(batch=2), tmp_path / "a.mp4", "--out", tmp_path / "o.mp4", "--alpha", "1")

    assert code == 0
    assert "5 frames in" in capsys.readouterr().out
    images = [frame.pixels for frame in video.frames(tmp_path / "o.mp4")]
    assert len(images) == 5
    # Lossy, but the painted classes are far apart: each third is nearest to its own colour.
    for pixel, colour in zip(thirds(images[-1]), PALETTE, strict=True):
        assert np.abs(np.array(pixel) - colour).max() < 40


def test_a_video_becomes_frames_in_a_folder(
    network: Network, tmp_path: Path, stripes: Stripes
) -> None:
    video = pytest.importorskip("segpp.runtime.media.video")
    pytest.importorskip("av", reason="PyAV (segpp[video]) reads videos")
    with video.VideoWriter(tmp_path / "a.mp4", 10) as film:
        film.write(stripes(48, 90))
        film.write(stripes(48, 90))

    code = run(network(), tmp_path / "a.mp4", "--out", tmp_path / "out", "--save", "mask")

    assert code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["frame-000001.mask.png", "frame-000002.mask.png"]


def test_a_video_that_cannot_be_read_leaves_no_video(network: Network, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV (segpp[video]) reads videos")
    (tmp_path / "a.mp4").write_bytes(b"no video at all" * 100)

    code = run(network(), tmp_path / "a.mp4", "--out", tmp_path / "o.mp4")

    assert code == 2
    assert not (tmp_path / "o.mp4").exists()


def test_the_command_starts_without_torch_or_onnx(
    network: Network, street: Path, tmp_path: Path, segpp: Callable[..., object]
) -> None:
    """A board has neither; a folder that shadows both with errors stands in for it."""
    for name in ("torch", "onnx"):
        (tmp_path / "shadow" / name).mkdir(parents=True)
        (tmp_path / "shadow" / name / "__init__.py").write_text("raise ImportError('not here')")
    paths = os.pathsep.join([str(tmp_path / "shadow"), os.environ.get("PYTHONPATH", "")])

    result = segpp(
        *("run", network(), street, "--out", tmp_path / "o.png"),
        env={**os.environ, "PYTHONPATH": paths},
    )

    assert result.returncode == 0, result.stderr  # type: ignore[attr-defined]  # CompletedProcess


def test_a_real_street_gets_its_overlay(network: Network, shared: Path, tmp_path: Path) -> None:
    street = shared / "images" / "street_2048x1024.png"

    assert run(network(), street, "--out", tmp_path / "o.jpg") == 0
    with Image.open(tmp_path / "o.jpg") as painted:
        width, height = painted.size
    # The legend's panel is below the picture, and far smaller.
    assert width == 2048
    assert 1024 < height < 1.25 * 1024
