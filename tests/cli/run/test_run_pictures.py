"""segpp-run on pictures that are more than 8 bits of RGB in one page."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from segpp.cli import main
from segpp.utils.files import manifest_path

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]
Capture = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def mask(path: Path) -> list[Any]:
    """Return the classes of three columns: red is 0, green 1, blue 2."""
    with Image.open(path) as image:
        return np.asarray(image)[24, [15, 45, 75]].tolist()


@pytest.fixture
def dark(tmp_path: Path, stripes: Stripes) -> Path:
    """A picture whose white is 4095, of bands blue, green, red and one more."""
    deep = (stripes(48, 90)[:, :, [2, 1, 0, 0]].astype(float) * 4095 / 255).round()
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, deep.astype(np.uint16), photometric="minisblack", planarconfig="contig")
    return path


def test_bands_and_white_are_named_by_flags(network: Network, dark: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.png"
    seen = [
        "--bands", "3,2,1", "--save", "mask", "--out", out,
    ]  # fmt: skip

    assert run(network(), dark, *seen, "--white", "4095") == 0
    assert mask(out) == [0, 1, 2]
    assert run(network(), dark, *seen, "--white", "auto", "--bands", "1,2,3") == 0
    assert mask(out) == [2, 1, 0]


def test_what_is_not_said_is_told_with_the_flag(
    network: Network, dark: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = ["--save", "mask", "--out", tmp_path / "m.png"]

    assert run(network(), dark, *out) == 2
    assert "--bands 3,2,1" in capsys.readouterr().err
    assert run(network(), dark, *out, "--bands", "3,2,1") == 0
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {dark} is nearly black: its brightest pixel is 4095, and")
    assert "--white 4095" in said
    assert run(network(), dark, *out, "--bands", "3,2,1", "--white", "max") == 0
    assert capsys.readouterr().err == ""


def test_a_manifest_says_it_once_for_all(network: Network, dark: Path, tmp_path: Path) -> None:
    model = network()
    manifest = json.loads(manifest_path(model).read_text())
    manifest["input"] |= {"white": "4095", "bands": [3, 2, 1]}
    manifest_path(model).write_text(json.dumps(manifest))

    assert run(model, dark, "--save", "mask", "--out", tmp_path / "m.png") == 0

    assert mask(tmp_path / "m.png") == [0, 1, 2]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--white", "bright"], "--white is 'bright'"),
        (["--white", "0"], "--white is '0'"),
        (["--bands", "3-1"], "'3-1' are no bands"),
        (["--bands", "0,1,2"], "--bands is (0, 1, 2)"),
        (["--bands", "1,2"], "--bands is 1,2"),
    ],
)
def test_other_words_are_told(
    network: Network, dark: Path, capsys: Capture, flags: list[str], says: str
) -> None:
    assert run(network(), dark, "--out", dark.with_name("m.png"), *flags) == 2
    assert says in capsys.readouterr().err


def test_a_stack_gives_a_mask_per_page(network: Network, tmp_path: Path, stripes: Stripes) -> None:
    pages = np.stack([stripes(48, 90), stripes(48, 90)[:, ::-1]])
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="rgb")

    assert run(network(), tmp_path / "stack.tif", "--save", "mask", "--out", tmp_path / "m") == 0

    assert mask(tmp_path / "m/stack-0001.mask.png") == [0, 1, 2]
    assert mask(tmp_path / "m/stack-0002.mask.png") == [2, 1, 0]


def test_a_folder_says_what_it_passed_over(
    network: Network, tmp_path: Path, stripes: Stripes, capsys: Capture
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(stripes(48, 90)).save(folder / "a.jfif", format="JPEG")
    (folder / "notes.txt").write_text("x")

    assert run(network(), folder, "--out", tmp_path / "m") == 0

    assert "passed over 1 file in" in capsys.readouterr().err


def test_a_package_that_one_picture_needs_does_not_end_the_others(
    network: Network, stripes: Stripes, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        Image.fromarray(stripes(48, 90)).save(folder / name)
    tifffile.imwrite(folder / "b.tif", stripes(48, 90).astype(np.float32), photometric="rgb")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    out = ["--save", "mask", "--out", tmp_path / "out"]

    assert run(network(), folder, *out) == 1
    told = capsys.readouterr()
    assert "skipped b: the package tifffile is not installed" in told.err
    assert "pip install 'segpp[tiff]'" in told.err
    assert told.out.rstrip().endswith("1 skipped")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.mask.png", "c.mask.png"}
    # Alone, it is what is missing.
    assert run(network(), folder / "b.tif", *out) == 3


def test_what_is_said_of_a_skipped_picture_names_flags_and_keeps_its_lines(
    network: Network, stripes: Stripes, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(stripes(48, 90)).save(folder / "a.png")
    np.save(folder / "b\nb.npy", stripes(48, 90).astype(np.float32))
    (folder / "c\nc.txt").touch()

    assert run(network(), folder, "--out", tmp_path / "out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert any(r"b\x0ab.npy holds floats from 0 to 255" in line for line in lines)
    assert any("--white auto, or --white 255 if nothing is brighter" in line for line in lines)
    assert not any(line.startswith(("b.npy", "c.txt")) for line in lines)


def test_an_error_of_a_file_with_a_line_feed_in_its_name_is_one_line(
    network: Network, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "a\nb.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    assert run(network(), tmp_path / "a\nb.png") == 2
    [error, fact] = capsys.readouterr().err.splitlines()
    assert error == rf"error: {tmp_path}/a\x0ab.png is damaged"
    assert fact.startswith("  ")


def test_channels_first_in_an_array_are_guessed(
    network: Network, stripes: Stripes, tmp_path: Path, capsys: Capture
) -> None:
    np.save(tmp_path / "x.npy", np.moveaxis(stripes(48, 90), -1, 0))

    assert run(network(), tmp_path / "x.npy") == 2
    said = capsys.readouterr().err
    assert "has 90 channels" in said
    assert "numpy.moveaxis(array, 0, -1)" in said
    assert "--bands" not in said
