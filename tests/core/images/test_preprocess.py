"""From an image file to the input tensor, in the one way that all parts share."""

import io
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from PIL import Image, ImageOps

from segpp.errors import ImageError
from segpp.images import preprocess
from segpp.images.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    load_image,
    prepare,
    resize_image,
)
from segpp.manifest import InputSpec

SPEC = InputSpec(
    name="image",
    shape=(1, 3, 4, 6),
    dtype="float32",
    layout="NCHW",
    colours="RGB",
    mean=(10.0, 20.0, 30.0),
    std=(2.0, 4.0, 5.0),
)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]  # Pillow's own options
    return path


def test_pixels_are_normalised_per_channel_in_float32() -> None:
    image = noise(4, 6, 3)

    tensor = prepare([image], SPEC)

    assert tensor.dtype == np.float32
    assert tensor.shape == (1, 3, 4, 6)
    exact = (image.astype(np.float64) - [10, 20, 30]) / [2, 4, 5]
    # One rounded subtraction of exact integers and one rounded division.
    assert np.abs(tensor[0].transpose(1, 2, 0) - exact).max() <= 2 * 2**-24 * np.abs(exact).max()


def test_other_sizes_go_through_pillows_bilinear_filter_on_8_bits() -> None:
    image = noise(9, 11, 3)

    tensor = prepare([image], replace(SPEC, mean=(0.0,) * 3, std=(1.0,) * 3))

    expected = np.asarray(Image.fromarray(image).resize((6, 4), Image.Resampling.BILINEAR))
    assert (tensor[0].transpose(1, 2, 0) == expected).all()


@pytest.mark.parametrize("resize", ["pillow-bilinear", "pillow-bicubic"])
def test_columns_are_resized_before_rows_whatever_pillows_version(resize: str) -> None:
    """Pillow 13 begins with rows where they shrink much more than columns."""
    image = noise(31, 5, 3)
    spec = replace(SPEC, resize=resize)
    filter_ = preprocess._RESAMPLING[resize]

    found = resize_image(image, spec)

    across = Image.fromarray(image).resize((6, 31), filter_)
    assert (found == np.asarray(across.resize((6, 4), filter_))).all()
    down = Image.fromarray(image).resize((5, 4), filter_)
    assert (found != np.asarray(down.resize((6, 4), filter_))).any()


def test_every_way_to_resize_that_a_manifest_may_name_is_known() -> None:
    named = get_args(get_type_hints(InputSpec)["resize"])

    assert tuple(preprocess._RESAMPLING) == named


def test_the_manifest_chooses_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(preprocess._RESAMPLING, "nearest", Image.Resampling.NEAREST)
    image = noise(9, 11, 3)

    resized = resize_image(image, replace(SPEC, resize="nearest"))  # type: ignore[arg-type]  # of this test

    expected = Image.fromarray(image).resize((6, 4), Image.Resampling.NEAREST)
    assert (resized == np.asarray(expected)).all()


def test_uint8_nhwc_passes_through() -> None:
    image = noise(4, 6, 3)
    spec = replace(SPEC, shape=(1, 4, 6, 3), dtype="uint8", layout="NHWC")

    tensor = prepare([image], spec)

    assert tensor.dtype == np.uint8
    assert (tensor[0] == image).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_nhwc_and_nchw_hold_the_same_numbers(dtype: str) -> None:
    images = [noise(8, 5, 3), noise(4, 6, 3)]
    planes = replace(SPEC, shape=(2, 3, 4, 6), dtype=dtype)  # type: ignore[arg-type]  # one of them
    pixels = replace(planes, shape=(2, 4, 6, 3), layout="NHWC")

    first, second = prepare(images, planes), prepare(images, pixels)

    assert first.dtype == second.dtype == np.dtype(dtype)
    assert (first.transpose(0, 2, 3, 1) == second).all()


def test_half_precision_is_rounded_once_from_single() -> None:
    image = noise(4, 6, 3)

    half = prepare([image], replace(SPEC, dtype="float16"))

    assert (half == prepare([image], SPEC).astype(np.float16)).all()


def test_bgr_swaps_the_colours_and_mean_follows_the_tensor() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[:] = (1, 2, 3)

    tensor = prepare([image], replace(SPEC, colours="BGR", mean=(3.0, 2.0, 0.0), std=(1.0,) * 3))

    assert tensor[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("colours", ["RGB", "BGR"])
def test_nine_channels_are_an_array_or_three_frames(colours: str) -> None:
    frames = [np.full((9, 12, 3), (k, k + 1, k + 2), np.uint8) for k in (0, 10, 20)]
    spec = replace(
        SPEC,
        shape=(1, 9, 4, 6),
        mean=(0.0,) * 9,
        std=(1.0,) * 9,
        colours=colours,  # type: ignore[arg-type]  # one of them
    )

    listed = prepare([frames], spec)
    joined = prepare([np.concatenate(frames, axis=2)], spec)

    order = [0, 1, 2] if colours == "RGB" else [2, 1, 0]
    assert listed[0, :, 0, 0].tolist() == [k + c for k in (0, 10, 20) for c in order]
    assert (listed == joined).all()


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((4, 6, 3), np.float32), "uint8"),
        (np.zeros((4, 6), np.uint8), r"not uint8 \(4, 6\)"),
        (np.zeros((4, 6, 4), np.uint8), "takes 3 channels"),
        (np.zeros((0, 6, 3), np.uint8), "takes 3 channels"),
        ([np.zeros((4, 6, 3), np.uint8)] * 2, "takes 3 channels"),
        ([np.zeros((4, 6, 3), np.uint8), np.zeros((4, 7, 3), np.uint8)], "one size"),
        ("street.png", "must be uint8"),
        ([], "no frames"),
    ],
)
def test_what_does_not_fit_the_input_is_refused(image: object, problem: str) -> None:
    with pytest.raises(ImageError, match=problem):
        prepare([image], SPEC)  # type: ignore[list-item]  # the point of the test


def test_nine_channels_say_what_they_want() -> None:
    spec = replace(SPEC, shape=(1, 9, 4, 6), mean=(0.0,) * 9, std=(1.0,) * 9)

    with pytest.raises(ImageError, match=r"\(H, W, 9\) or a list of 3 frames"):
        prepare([noise(4, 6, 3)], spec)


def test_a_path_may_be_text(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (7, 8, 9)).save(tmp_path / "a.png")

    assert (load_image(str(tmp_path / "a.png")) == (7, 8, 9)).all()


def test_every_pixel_mode_becomes_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(noise(5, 7))
    for mode in ("L", "1", "LA", "P", "RGB", "RGBA"):
        path = saved(grey.convert(mode), tmp_path / f"{mode}.png")

        image = load_image(path)

        assert image.shape == (5, 7, 3)
        assert image.dtype == np.uint8
        assert (image[..., 0] == image[..., 1]).all()


def test_cmyk_and_transparent_palettes_are_read(tmp_path: Path) -> None:
    colour = Image.fromarray(noise(5, 7, 3))
    cmyk = saved(colour.convert("CMYK"), tmp_path / "c.jpg")
    clear = saved(colour.quantize(16), tmp_path / "p.png", transparency=bytes(range(16)))

    assert load_image(cmyk).shape == (5, 7, 3)
    assert (load_image(clear) == np.asarray(colour.quantize(16).convert("RGB"))).all()


def test_sixteen_bits_keep_their_high_byte(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256], [0x1234, 0x8000, 0xFFFF]], np.uint16)
    for name in ("deep.png", "deep.tif"):
        image = load_image(saved(Image.fromarray(deep), tmp_path / name))

        assert image[..., 0].tolist() == [[0, 0, 1], [0x12, 0x80, 0xFF]]


def test_floats_are_0_to_1_or_need_a_word(tmp_path: Path) -> None:
    ramp = np.array([[0.0, 0.5, 1.0]], np.float32)

    assert load_image(saved(Image.fromarray(ramp), tmp_path / "a.tif"))[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]
    path = saved(Image.fromarray(ramp * 50), tmp_path / "b.tif")
    assert load_image(path, white=50)[0, :, 0].tolist() == [0, 128, 255]
    with pytest.raises(ImageError, match=r"floats from 0 to 50\n(.|\n)*`white=50`"):
        load_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int) -> None:
    """Pillow's own exif_transpose is the reference."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(noise(8, 16, 3)), tmp_path / "turned.png", exif=exif)

    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert (load_image(path) == expected).all()


def test_a_damaged_exif_block_does_not_cost_the_image(tmp_path: Path) -> None:
    path = saved(Image.fromarray(noise(8, 8, 3)), tmp_path / "a.png", exif=b"Exif\0\0garbage!")

    assert load_image(path).shape == (8, 8, 3)


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF"])
def test_truncated_images_are_damaged(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cut"
    path.write_bytes(encoded(kind)[: len(encoded(kind)) // 2])

    with pytest.raises(ImageError, match=r"cut is (damaged|not an image)"):
        load_image(path)


@pytest.mark.parametrize(
    "content",
    [b"plain text\n" * 9, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\0" * 99],
)
def test_other_files_are_no_images(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)

    with pytest.raises(ImageError, match=r"a\.png is not an image"):
        load_image(path)


def test_missing_empty_and_folders_are_said(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()

    with pytest.raises(ImageError, match="does not exist"):
        load_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is empty"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


def test_a_decompression_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    """A megabyte that says it is 400 megapixels."""
    path = saved(Image.new("1", (20_000, 20_000)), tmp_path / "bomb.png")

    with pytest.raises(ImageError, match="bomb"):
        load_image(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM"])
def test_flipped_bytes_raise_nothing_but_our_errors(tmp_path: Path, kind: str) -> None:
    whole, path = encoded(kind), tmp_path / "fuzzed"
    rng = np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(whole)
        for at in rng.integers(0, min(len(content), 400), 3):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            image = load_image(path)
        except ImageError:
            continue
        assert image.ndim == 3


def test_a_real_photo_comes_through_whole(shared: Path) -> None:
    image = load_image(shared / "images" / "cityscapes_1024x512.png")

    tensor = prepare([image], replace(SPEC, shape=(1, 3, 512, 1024)))

    assert image.shape == (512, 1024, 3)
    assert (np.round(tensor[0, 1] * 4 + 20) == image[..., 1]).all()


def test_a_phones_jpeg_of_several_pictures_gives_the_first(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    path = saved(first, tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])

    assert load_image(path)[4, 4].tolist() == [254, 0, 0]


@pytest.mark.parametrize("colours", ["RGB", "BGR"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("size", [(32, 64), (20, 64), (45, 31)])
def test_pixels_are_the_same_in_either_layout(
    colours: str, fit: str, size: tuple[int, int]
) -> None:
    """Planes last and RGB are copied in one piece, everything else plane by plane."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    last = InputSpec(
        *("image", (2, 32, 64, 3), "uint8", "NHWC", colours, IMAGENET_MEAN, IMAGENET_STD), fit=fit
    )
    first = replace(last, shape=(2, 3, 32, 64), layout="NCHW")

    found = prepare([image, image[::-1]], last)

    assert found.flags.c_contiguous
    assert (found.transpose(0, 3, 1, 2) == prepare([image, image[::-1]], first)).all()
