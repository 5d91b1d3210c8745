"""A file, a folder, a pattern or a video become one series of named images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import ImageError
from segpp.runtime.media.sources import find_source, find_sources


def put(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(path)
    return path


def test_one_image_is_read_under_its_stem(tmp_path: Path) -> None:
    source = find_source(str(put(tmp_path / "street.day.png", 7)))

    [item] = source.items()
    assert (source.kind, source.count) == ("image", 1)
    assert item.name == "street.day"
    assert item.load().max() == 7


def test_a_folder_gives_its_images_by_name_and_nothing_else(tmp_path: Path) -> None:
    for name, value in (("b.png", 2), ("a.jpg", 1), ("C.PNG", 3), ("deeper/d.png", 4)):
        put(tmp_path / name, value)
    (tmp_path / "notes.txt").write_text("no image")

    source = find_source(str(tmp_path))

    assert (source.kind, source.count) == ("images", 3)
    assert [item.name for item in source.items()] == ["C", "a", "b"]
    assert [item.load().max() for item in source.items()] == [3, 1, 2]


def test_a_pattern_may_reach_into_folders(tmp_path: Path) -> None:
    put(tmp_path / "x" / "a.png")
    put(tmp_path / "x" / "y" / "b.png")

    source = find_source(f"{tmp_path}/**/*.png")

    assert [item.name for item in source.items()] == ["a", "b"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    source = find_source(str(put(tmp_path / "frame[1].png")))

    assert source.kind == "image"


def test_images_of_one_stem_keep_their_suffix(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    put(tmp_path / "a.jpg")

    assert [item.name for item in find_source(str(tmp_path)).items()] == ["a.jpg", "a.png"]


def test_images_of_one_name_keep_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "x" / "a.png")
    put(tmp_path / "y" / "a.png")
    monkeypatch.chdir(tmp_path)

    assert [item.name for item in find_source("*/a.png").items()] == ["x__a.png", "y__a.png"]


def test_a_damaged_image_fails_alone_and_only_when_it_is_read(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    put(tmp_path / "c.png", 9)

    first, second, third = find_source(str(tmp_path)).items()

    assert first.load().max() == 0
    with pytest.raises(ImageError, match=r"b\.png is not an image"):
        second.load()
    assert third.load().max() == 9


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no images"):
        find_source(str(tmp_path))
    with pytest.raises(ImageError, match=r"no file matches .*\*\.png"):
        find_source(f"{tmp_path}/*.png")
    with pytest.raises(ImageError, match=r"none\.png does not exist"):
        find_source(str(tmp_path / "none.png"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/dev/video97", "the camera /dev/video97 is not there"),
        ("/dev/v4l/by-id/usb-camera", "usb-camera is not there"),
        ("ftp://camera/live", "ftp://camera/live is no camera or stream that is read"),
    ],
)
def test_a_camera_is_no_file_whether_it_is_plugged_in_or_not(text: str, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        find_source(text)


@pytest.mark.parametrize("text", ["/dev/video97", "rtsp://u:secret@127.0.0.1/live"])
def test_a_camera_is_run_alone(text: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a camera or a stream") as caught:
        find_sources([text, str(put(tmp_path / "a.png"))])

    assert "secret" not in str(caught.value)


def test_several_inputs_become_one_series_without_repetitions(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png", 1)
    put(tmp_path / "in" / "b.png", 2)
    put(tmp_path / "c.png", 3)

    source = find_sources(
        [str(tmp_path / name) for name in ("c.png", "in", "in/a.png", "in/*.png")]
    )

    assert (source.kind, source.count) == ("images", 3)
    assert [item.name for item in source.items()] == ["c", "a", "b"]


def test_one_input_among_none_is_what_it_is_alone(tmp_path: Path) -> None:
    assert find_sources([str(put(tmp_path / "a.png"))]).kind == "image"


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["b.png", "out.png"], r"b\.png does not exist"),
        (["none.png"], r"image none\.png does not exist"),
        (["none.mkv"], r"video none\.mkv does not exist"),
        (["*.png", "*.gif"], r"no file matches"),
        ([], "no image is named"),
    ],
)
def test_what_is_not_there_is_told_of_by_name(
    texts: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ImageError, match=says):
        find_sources(texts)


def test_what_is_not_there_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.png")

    gone, there, last = find_sources(["none.png", "a.png", "out.png"]).items()

    assert there.load().shape == (4, 4, 3)
    with pytest.raises(ImageError, match=r"none\.png does not exist$"):
        gone.load()
    with pytest.raises(ImageError, match=r"out\.png does not exist[\s\S]*--out out\.png"):
        last.load()
