"""Where the outputs of an image go, and what is written there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import OutputError
from segpp.runtime.media.items import ImageName, ImageSource
from segpp.runtime.media.looks.base import RenderConfig, Segmented
from segpp.runtime.media.writers import (
    OutputTarget,
    check_output,
    default_output,
    open_writer,
    resolve_output,
)

PALETTE = ((200, 0, 0), (0, 200, 0))
LABELS = np.array([[0, 1], [1, 0]], np.uint8)
IMAGE = np.full((2, 2, 3), 100, np.uint8)


def source(kind: str, *files: Path) -> ImageSource:
    return ImageSource(kind, "it", lambda: iter(()), files=files)  # type: ignore[arg-type]  # one of its kinds


@pytest.mark.parametrize(
    ("kind", "out", "kinds", "one_file"),
    [
        ("image", "o.png", ("mask",), True),
        ("image", "o.JPG", ("overlay",), True),
        ("image", "o.png/", ("mask",), False),
        ("image", "folder", ("overlay", "mask"), False),
        ("images", "folder.d", ("mask",), False),
        ("video", "o.mp4", ("mask",), True),
        ("video", "frames", ("mask",), False),
    ],
)
def test_the_name_and_what_goes_there_decide_between_file_and_folder(
    kind: str, out: str, kinds: tuple[str, ...], *, one_file: bool
) -> None:
    assert resolve_output(out, source(kind), kinds) == OutputTarget(Path(out), one_file)


@pytest.mark.parametrize(
    ("out", "hint"), [("o.pngg", "name it o.png"), ("o.pn", "o.png"), ("o.mp5", "o.mp4")]
)
def test_a_slip_in_the_ending_makes_no_folder(out: str, hint: str) -> None:
    with pytest.raises(OutputError, match=hint):
        resolve_output(out, source("image"), ("overlay",))


@pytest.mark.parametrize("out", ["results.v2", "o.pngg/", "2026.11", "film.gif/"])
def test_a_folder_may_have_a_dot_in_its_name(out: str) -> None:
    assert not resolve_output(out, source("image"), ("overlay",)).one_file


def test_a_folder_gets_a_file_per_image_and_kind() -> None:
    target = OutputTarget(Path("out"), one_file=False)

    assert target.paths("street", ("overlay", "mask")) == [
        Path("out/street.overlay.png"),
        Path("out/street.mask.png"),
    ]


@pytest.mark.parametrize(
    ("kind", "kinds", "expected"),
    [
        ("image", ("overlay",), [Path("street.overlay.png")]),
        ("image", ("overlay", "mask"), [Path("street.overlay.png"), Path("street.mask.png")]),
        ("images", ("mask",), [Path("segpp-out/street.mask.png")]),
        ("video", ("overlay",), [Path("street.overlay.mp4")]),
        (
            "video",
            ("overlay", "mask"),
            [Path("segpp-out/f.overlay.png"), Path("segpp-out/f.mask.png")],
        ),
    ],
)
def test_without_a_place_the_outputs_are_named_after_the_input(
    kind: str, kinds: tuple[str, ...], expected: list[Path]
) -> None:
    read = source(kind, Path("in/street.png"))
    name = "f" if kind == "video" else "street"

    assert default_output(read, kinds).paths(name, kinds) == expected


def test_a_folder_that_any_of_the_images_lies_in_is_refused(tmp_path: Path) -> None:
    read = source("images", tmp_path / "a" / "1.png", tmp_path / "b" / "2.png")

    with pytest.raises(OutputError, match="holds the input images"):
        check_output(OutputTarget(tmp_path / "b", one_file=False), read)


def test_a_folder_below_a_missing_one_can_be_written(tmp_path: Path) -> None:
    read = source("images", tmp_path / "in" / "a.png")

    check_output(OutputTarget(tmp_path / "new" / "deep", one_file=False), read)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="cannot write"):
        check_output(
            OutputTarget(tmp_path / "file" / "deep", one_file=False),
            source("images", tmp_path / "in" / "a.png"),
        )


def test_no_folder_of_a_pattern_gets_the_outputs(tmp_path: Path) -> None:
    read = source("images", tmp_path / "x" / "a.png", tmp_path / "y" / "b.png")

    for folder in ("x", "y"):
        with pytest.raises(OutputError, match="holds the input images"):
            check_output(OutputTarget(tmp_path / folder, one_file=False), read)


@pytest.mark.parametrize(("out", "one_file"), [("o.mp4", True), ("frames", False)])
def test_a_camera_reads_no_file_that_could_be_written_over(
    tmp_path: Path, out: str, *, one_file: bool
) -> None:
    camera = source("video")

    output = resolve_output(str(tmp_path / out), camera, ("overlay",))
    check_output(output, camera)

    assert output == OutputTarget(tmp_path / out, one_file=one_file)


def test_a_mask_keeps_its_numbers_and_an_overlay_its_image(tmp_path: Path) -> None:
    config = RenderConfig(("overlay", "mask"), PALETTE, alpha=0.0)

    with open_writer(
        OutputTarget(tmp_path / "o", one_file=False), config, source("images")
    ) as write:
        overlay, mask = write(ImageName("a", "in"), Segmented(IMAGE, LABELS))

    with Image.open(mask) as image:
        assert image.mode == "P"
        assert (np.asarray(image) == LABELS).all()
        assert np.asarray(image.convert("RGB"))[0].tolist() == [[200, 0, 0], [0, 200, 0]]
    with Image.open(overlay) as image:
        assert (np.asarray(image) == IMAGE).all()


def test_numbers_beyond_a_byte_take_sixteen_bits(tmp_path: Path) -> None:
    labels = np.array([[0, 300]], np.int32)
    config = RenderConfig(("mask",), PALETTE, alpha=1.0)

    with open_writer(
        OutputTarget(tmp_path / "m.png", one_file=True), config, source("image")
    ) as write:
        [path] = write(ImageName("a", "in"), Segmented(IMAGE[:1], labels))

    with Image.open(path) as image:
        assert image.mode == "I;16"
        assert (np.asarray(image) == labels).all()
