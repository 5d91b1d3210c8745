"""TIFFs by windows: the mask that tiles of the whole picture give, in little memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segpp.cli import main
from segpp.images.stored import base

Network = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def squares(height: int, width: int) -> np.ndarray:
    """Red, green and blue squares of 40 pixels, in no order."""
    classes = np.random.default_rng(0).integers(0, 3, (height // 40 + 1, width // 40 + 1))
    large = classes.repeat(40, 0).repeat(40, 1)[:height, :width]
    return (np.eye(3, dtype=np.uint8) * 255)[large]


def test_a_mask_by_windows_is_that_of_the_whole(network: Network, tmp_path: Path) -> None:
    picture = squares(210, 330)
    tifffile.imwrite(tmp_path / "x.tif", picture, photometric="rgb", tile=(64, 64))
    Image.fromarray(picture).save(tmp_path / "x.png")
    model = network()

    for name in ("x.tif", "x.png"):
        out = tmp_path / f"{name}.mask{name[1:]}"
        assert run(model, tmp_path / name, "--tile", "--save", "mask", "--out", out) == 0

    with Image.open(tmp_path / "x.png.mask.png") as mask:
        assert (tifffile.imread(tmp_path / "x.tif.mask.tif") == np.asarray(mask)).all()


def test_a_picture_too_large_for_the_memory_is_read_by_windows(
    network: Network, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = squares(400, 500)
    tifffile.imwrite(tmp_path / "x.tif", picture, photometric="rgb", tile=(64, 64), bigtiff=True)
    monkeypatch.setattr(base.Image, "MAX_IMAGE_PIXELS", 50_000)

    assert run(network(), tmp_path / "x.tif", "--save", "mask", "--out", tmp_path / "m.tif") == 2
    said = capsys.readouterr().err
    assert "is too large" in said
    assert "--tile --save mask --out mask.tif" in said

    model = network()
    tile = ["--tile", "--save", "mask", "--out", tmp_path / "m.tif"]
    assert run(model, tmp_path / "x.tif", *tile) == 0
    assert "x 400x500" in capsys.readouterr().out


def test_memory_is_that_of_a_row_of_tiles(network: Network, tmp_path: Path) -> None:
    model, peaks = network(), []
    for height in (400, 4000):
        path = tmp_path / f"{height}.tif"
        tifffile.imwrite(
            path, squares(height, 400), photometric="rgb", tile=(64, 64), compression="zlib"
        )
        tracemalloc.start()
        out = tmp_path / f"{height}.mask.tif"
        assert run(model, path, "--tile", "--save", "mask", "--out", out) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    # The whole picture would be 4.8 MB, its mask 1.6 MB, of which the second one is 90 % larger.
    assert peaks[1] - peaks[0] < 1_000_000


@pytest.mark.parametrize("save", ["overlay", "both"])
def test_a_tiff_holds_a_mask_alone(
    network: Network, tmp_path: Path, capsys: Capture, save: str
) -> None:
    Image.fromarray(squares(48, 90)).save(tmp_path / "x.png")

    assert run(network(), tmp_path / "x.png", "--save", save, "--out", tmp_path / "m.tif") == 2

    assert "m.tif" in capsys.readouterr().err


def test_a_mask_of_a_small_geotiff_lies_where_it_lies(network: Network, tmp_path: Path) -> None:
    tags = [(33550, 12, 3, (0.5, 0.5, 0.0), True)]
    tifffile.imwrite(tmp_path / "x.tif", squares(48, 90), photometric="rgb", extratags=tags)

    assert run(network(), tmp_path / "x.tif", "--save", "mask", "--out", tmp_path / "m.tif") == 0

    with tifffile.TiffFile(tmp_path / "m.tif") as file:
        assert file.pages[0].tags[33550].value == (0.5, 0.5, 0.0)
