"""segpp-run on pictures of another shape than the network's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpp
from segpp.cli import main

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]
Capture = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def test_an_image_of_another_shape_is_told_of_and_a_letterbox_keeps_it_whole(
    network: Network, stripes: Stripes, tmp_path: Path, capsys: Capture
) -> None:
    Image.fromarray(stripes(90, 60)).save(tmp_path / "tall.png")

    code = run(
        network(),
        tmp_path / "tall.png",
        "--out",
        tmp_path / "m.png",
        "--save",
        "mask",
        "--fit",
        "letterbox",
    )

    assert code == 0
    assert "67% of the network's pixels are padding" in capsys.readouterr().err
    mask = np.asarray(Image.open(tmp_path / "m.png"))
    assert mask.shape == (90, 60)
    # From edge to edge: padding would be black, class 0.
    assert [int(mask[row, column]) for row in (0, 89) for column in (2, 30, 57)] == [0, 1, 2] * 2


def test_a_crop_leaves_its_surroundings_without_class_or_colour(
    network: Network, stripes: Stripes, tmp_path: Path
) -> None:
    image = stripes(32, 192)
    Image.fromarray(image).save(tmp_path / "wide.png")

    code = run(
        network(),
        tmp_path / "wide.png",
        *("--out", tmp_path, "--save", "both", "--fit", "crop", "--legend", "none"),
    )

    assert code == 0
    mask = np.asarray(Image.open(tmp_path / "wide.mask.png"))
    assert np.unique(mask[:, :64]).tolist() == [255]
    overlay = np.asarray(Image.open(tmp_path / "wide.overlay.png"))
    assert (overlay[:, :64] == image[:, :64]).all()


def test_the_tiles_of_a_single_image_are_counted(
    network: Network, tmp_path: Path, stripes: Stripes
) -> None:
    Image.fromarray(np.tile(stripes(64, 64), (2, 2, 1))).save(tmp_path / "a.png")
    told: list[tuple[int, int]] = []

    def predict(out: str) -> None:
        segpp.predict(
            network(batch=2),
            tmp_path if out == "out" else tmp_path / "a.png",
            tmp_path / out,
            tile=True,
            overlap=0,
            after_tiles=lambda done, total: told.append((done, total)),
        )

    predict("o.png")
    assert told == [(2, 8), (4, 8), (6, 8), (8, 8)]
    predict("out")
    assert len(told) == 4


def test_a_large_image_is_cut_into_tiles(
    network: Network, tmp_path: Path, stripes: Stripes, capsys: Capture
) -> None:
    Image.fromarray(np.tile(stripes(64, 64), (2, 2, 1))).save(tmp_path / "large.png")

    code = run(
        network(),
        tmp_path / "large.png",
        "--out",
        tmp_path / "m.png",
        "--save",
        "mask",
        "--tile",
        "--overlap",
        0.5,
    )

    assert code == 0
    assert capsys.readouterr().err == ""
    mask = np.asarray(Image.open(tmp_path / "m.png"))
    assert mask[100, [10, 32, 54, 74, 96, 118]].tolist() == [0, 1, 2] * 2
