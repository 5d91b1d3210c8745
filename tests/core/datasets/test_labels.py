"""Labels are the numbers that a file stores, in whatever container."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segpp.datasets.labels import LabelRules, load_labels
from segpp.errors import ImageError, InputError
from segpp.images.picture import read_picture
from tests.helpers.datasets import save


def in_palette(path: Path, labels: NDArray[np.uint8]) -> None:
    image = Image.fromarray(labels).convert("L")
    image.putpalette([200, 100, 50, 10, 20, 30, 0, 0, 0, 9, 9, 9])
    image.save(path)


def in_few_bits(bits: int) -> Callable[[Path, NDArray[np.uint8]], None]:
    """Write grey PNGs of 2 or 4 bits, as optimisers do; Pillow cannot."""

    def write(path: Path, labels: NDArray[np.uint8]) -> None:
        from struct import pack  # noqa: PLC0415 - for this one format
        from zlib import compress, crc32  # noqa: PLC0415

        def chunk(kind: bytes, data: bytes) -> bytes:
            return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

        height, width = labels.shape
        rows = b""
        for row in labels:
            digits = "".join(f"{value:0{bits}b}" for value in row)
            digits += "0" * (-len(digits) % 8)
            rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
        head = chunk(b"IHDR", pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
        body = chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)

    return write


def in_16_bits(path: Path, labels: NDArray[np.uint8]) -> None:
    Image.fromarray(labels.astype(np.uint16)).save(path)


def in_8_bits(path: Path, labels: NDArray[np.uint8]) -> None:
    Image.fromarray(labels).save(path)


@pytest.mark.parametrize(
    "write",
    [in_8_bits, in_16_bits, in_palette, in_few_bits(2), in_few_bits(4)],
    ids=["grey", "16 bits", "palette", "2 bits", "4 bits"],
)
def test_class_numbers_survive_every_way_of_writing_them(
    tmp_path: Path, write: Callable[[Path, NDArray[np.uint8]], None]
) -> None:
    labels = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
    write(tmp_path / "x.png", labels)

    assert np.array_equal(load_labels(tmp_path / "x.png"), labels)


PALETTE = ((128, 64, 128), (0, 0, 142), (70, 130, 180))


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_the_classes_that_the_palette_gives_them(tmp_path: Path, channels: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (5, 7))
    colors = np.concatenate([np.array(PALETTE)[labels], np.full((5, 7, 1), 255)], axis=2)
    path = save(tmp_path / "x.png", colors[..., :channels].astype(np.uint8))

    # Neither counts from 1: colours say themselves which class they are.
    for rules in (LabelRules(PALETTE), LabelRules(PALETTE, offset=-1)):
        assert np.array_equal(load_labels(path, rules), labels)


def test_black_is_no_class_unless_the_palette_has_it(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[PALETTE[1], (0, 0, 0)]], np.uint8))

    assert load_labels(path, LabelRules(PALETTE)).tolist() == [[1, 255]]
    assert load_labels(path, LabelRules((*PALETTE, (0, 0, 0)))).tolist() == [[1, 3]]


def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path) -> None:
    colors = np.full((4, 6, 3), PALETTE[0], np.uint8)
    colors[2, 3:] = 128, 64, 129
    path = save(tmp_path / "x.png", colors)

    with pytest.raises(InputError, match=r"colour 128 64 129 .*row 2, column 3") as caught:
        load_labels(path, LabelRules(PALETTE))

    # Not a damaged file, which would merely be skipped.
    assert not isinstance(caught.value, ImageError)


@pytest.mark.parametrize(
    ("palette", "says"), [((), "no palette"), ((PALETTE[0],) * 2, "two classes")]
)
def test_colours_need_a_palette_that_tells_them_apart(
    tmp_path: Path, palette: tuple[tuple[int, int, int], ...], says: str
) -> None:
    path = save(tmp_path / "x.png", np.zeros((2, 2, 3), np.uint8))

    with pytest.raises(InputError, match=says):
        load_labels(path, LabelRules(palette))


def test_an_offset_moves_all_labels_but_255(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[1, 2, 12, 255]], np.uint8))

    assert load_labels(path, LabelRules(offset=-1)).tolist() == [[0, 1, 11, 255]]


def test_reducing_the_zero_label_counts_down_and_keeps_255_ignored(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[0, 1, 150, 255]], np.uint8))

    assert load_labels(path, LabelRules(reduce_zero_label=True)).tolist() == [[255, 0, 149, 255]]


def test_classes_of_a_packed_palette_are_not_counted_down_again(tmp_path: Path) -> None:
    # As ADE20K has them: 0 is black, k is the colour of class k - 1; and a file without 0.
    image = Image.fromarray(np.array([[1, 2], [3, 1]], np.uint8)).convert("P")
    image.putpalette([0, 0, 0, *(value for color in PALETTE for value in color)])
    image.save(tmp_path / "x.png")

    found = load_labels(tmp_path / "x.png", LabelRules(PALETTE, reduce_zero_label=True))

    assert found.tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_are_turned_as_pictures_are(tmp_path: Path, orientation: int, suffix: str) -> None:
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"x{suffix}", labels, exif=exif)

    assert np.array_equal(load_labels(path), read_picture(path).pixels[..., 0])


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "webp"])
def test_a_tiff_that_is_packed_as_a_photograph_is_refused(tmp_path: Path, compression: str) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile (extra tiff)")
    labels = np.zeros((16, 16, 3), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", labels, compression=compression)

    with pytest.raises(ImageError, match=r"does not keep class numbers .TIFF with"):
        load_labels(tmp_path / "x.tif", LabelRules(PALETTE))


def test_two_channels_are_labels_only_where_the_second_is_transparency(tmp_path: Path) -> None:
    one_of_two = np.eye(2, dtype=np.uint8)[np.array([[0, 1], [1, 1]])]
    np.save(tmp_path / "x.npy", one_of_two)
    grey = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8))
    Image.merge("LA", [grey, grey]).save(tmp_path / "x.png")

    assert load_labels(tmp_path / "x.png").tolist() == [[0, 1], [1, 1]]
    with pytest.raises(InputError, match=r"numbers of the shape \(2, 2, 2\)"):
        load_labels(tmp_path / "x.npy")


def test_colours_that_are_no_rgb_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (2, 2)).save(tmp_path / "x.tif")
    pytest.importorskip("tifffile", reason="needs tifffile (extra tiff)")

    with pytest.raises(InputError, match="holds colours as CMYK"):
        load_labels(tmp_path / "x.tif", LabelRules(PALETTE))


def test_an_offset_that_leaves_all_numbers_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.ones((2, 2), np.uint8))

    with pytest.raises(InputError, match="which no data set has"):
        load_labels(path, LabelRules(offset=1 << 40))
