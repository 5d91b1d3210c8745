"""Where a picture lies in a network's input, and that its mask comes back where it was."""

import io
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segpp.images.fit import FITS, Fit, padding_color, place, unseen_label
from segpp.images.postprocess import labels_from, resize_argmax
from segpp.images.preprocess import load_image, prepare
from segpp.manifest import InputSpec, OutputSpec
from tests.core.images.specs import SPEC, networks, sizes, spec_of

LOGITS = OutputSpec("logits", "logits", (1, 2, 16, 24), "float32")


def rounded(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


@given(sizes, networks)
def test_a_letterbox_is_the_largest_of_the_same_shape_at_the_first_pixel(
    size: tuple[int, int], network: tuple[int, int]
) -> None:
    placed = place(size, spec_of(network, "letterbox"))

    scale = min(Fraction(a, b) for a, b in zip(network, size, strict=True))
    for span, side, whole in zip((placed.rows, placed.columns), size, network, strict=True):
        assert span.content == max(1, rounded(side * scale))
        assert span.start == 0 <= whole - span.content
        assert span.seen == slice(0, side)
    assert whole_sides(placed, network) >= 1
    assert not placed.is_cut


@given(sizes, networks)
def test_a_crop_is_the_smallest_of_the_same_shape_that_covers_the_network(
    size: tuple[int, int], network: tuple[int, int]
) -> None:
    placed = place(size, spec_of(network, "crop"))

    scale = max(Fraction(a, b) for a, b in zip(network, size, strict=True))
    for span, side, whole in zip((placed.rows, placed.columns), size, network, strict=True):
        assert span.content == rounded(side * scale) >= whole
        assert span.start == (whole - span.content) // 2 <= 0
        inside = (span.centers >= 0) & (span.centers < whole)
        assert np.flatnonzero(inside).tolist() == list(range(*span.seen.indices(side)))
    assert whole_sides(placed, network) >= 1
    assert placed.share_padding == 0


def whole_sides(placed: object, network: tuple[int, int]) -> int:
    spans = placed.rows, placed.columns  # type: ignore[attr-defined]  # a Placement
    return sum(span.content == whole for span, whole in zip(spans, network, strict=True))


@given(sizes, networks)
def test_stretching_fills_the_network_from_edge_to_edge(
    size: tuple[int, int], network: tuple[int, int]
) -> None:
    placed = place(size, spec_of(network, "stretch"))

    for span, whole in zip((placed.rows, placed.columns), network, strict=True):
        assert (span.content, span.start) == (whole, 0)
    assert (placed.share_padding, placed.share_cut) == (0, 0)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("colours", ["RGB", "BGR"])
def test_what_surrounds_a_letterbox_is_the_rounded_mean(dtype: str, colours: str) -> None:
    spec = replace(
        SPEC,
        shape=(1, 3, 8, 72) if dtype == "float32" else (1, 8, 72, 3),
        layout="NCHW" if dtype == "float32" else "NHWC",
        dtype=dtype,
        colours=colours,
        mean=(10.5, 300.0, -3.0) if dtype == "uint8" else (10.5, 254.4, 0.2),
        fit="letterbox",
    )
    picture = np.full((8, 8, 3), 77, np.uint8)

    [tensor] = prepare([picture], spec)

    pixels = tensor if dtype == "uint8" else tensor.transpose(1, 2, 0)
    color = (11, 255, 0) if dtype == "uint8" else (11, 254, 0)
    inside = (77, 77, 77)
    if dtype == "float32":
        color, inside = (np.subtract(value, spec.mean) for value in (color, inside))
    # One rounded subtraction.
    assert np.abs(pixels[:, :8] - inside).max() <= 256 * 2**-24
    assert np.abs(pixels[:, 8:] - color).max() <= 256 * 2**-24
    assert padding_color(spec).tolist() == ([11, 255, 0] if dtype == "uint8" else [11, 254, 0])


def test_a_file_that_normalises_floats_itself_says_what_surrounds_a_letterbox() -> None:
    pixels = replace(SPEC, mean=(0.0,) * 3, std=(1.0,) * 3, padding=(124, 116, 104))

    assert padding_color(pixels).tolist() == [124, 116, 104]


@pytest.mark.parametrize("size", [(50, 300), (301, 77), (64, 97), (10, 10)], ids=str)
def test_a_crop_is_what_is_cut_out_of_the_whole_resized_picture(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    spec = replace(SPEC, fit="crop")
    placed = place(size, spec)

    [tensor] = prepare([picture], spec)

    whole = Image.fromarray(picture).resize(
        (placed.columns.content, placed.rows.content), Image.Resampling.BILINEAR
    )
    top, left = -placed.rows.start, -placed.columns.start
    part = np.asarray(whole)[top : top + 64, left : left + 96]
    # Pillow's coefficients of 22 bits are rounded a second time for the part.
    assert np.abs(tensor.transpose(1, 2, 0) - part).max() <= 1


# --- a mask lies where its picture lies


def edge(size: tuple[int, int], at: int, axis: int) -> NDArray[np.uint8]:
    """Black before pixel ``at`` of an axis, white from it on."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[(slice(None),) * axis + (slice(at, None),)] = 255
    return picture


def mask_of(picture: NDArray[np.uint8], spec: InputSpec, stride: int) -> NDArray[np.uint8]:
    """The mask of a network whose logits are the brightness: at every pixel, or means of 4 x 4."""
    tensor = prepare([picture], spec)[:, :1].astype(np.float64) - 127.5
    height, width = tensor.shape[2:]
    cells = tensor.reshape(1, 1, height // stride, stride, width // stride, stride).mean((3, 5))
    logits = np.concatenate([-cells, cells], axis=1).astype(np.float32)
    [mask] = labels_from(logits, LOGITS, [picture.shape[:2]], 2, spec)
    return mask


def errors(size: tuple[int, int], spec: InputSpec, axis: int, stride: int) -> NDArray[np.int64]:
    """How far the edge of the mask is from that of the picture, for every position of it."""
    found = []
    span = (place(size, spec).rows, place(size, spec).columns)[axis]
    seen = span.seen
    margin = 3 + math.ceil(1.5 * stride * span.picture / span.content)
    for at in range(seen.start + margin, seen.stop - margin):
        mask = mask_of(edge(size, at, axis), spec, stride)
        line = np.moveaxis(mask, axis, 0)[:, mask.shape[1 - axis] // 2]
        known = line != unseen_label(2)
        ones = np.flatnonzero(known & (line == 1))
        assert (line[known & (np.arange(len(line)) >= ones[0])] == 1).all()
        found.append(int(ones[0]) - at)
    return np.array(found)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [(48, 100), (64, 96), (101, 67), (90, 160), (37, 41)], ids=str)
def test_an_edge_comes_back_within_a_pixel_and_without_a_shift(
    size: tuple[int, int], axis: int, fit: Fit
) -> None:
    spec = replace(SPEC, fit=fit)

    off = errors(size, spec, axis, stride=1)

    assert np.abs(off).max() <= 1
    # A shift by half a pixel of the picture would move half of all edges to one side.
    assert abs(off.mean()) < 0.2


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [(64, 96), (101, 67), (90, 160)], ids=str)
def test_an_edge_in_logits_at_a_quarter_of_the_size_has_no_side_that_it_moves_to(
    size: tuple[int, int], axis: int, fit: Fit
) -> None:
    spec = replace(SPEC, fit=fit)
    span = (place(size, spec).rows, place(size, spec).columns)[axis]

    off = errors(size, spec, axis, stride=4)

    # Means of four pixels, interpolated: an edge within a cell may be off by half a cell.
    half_a_cell = 2 * max(1.0, span.picture / span.content)
    assert np.abs(off).max() <= half_a_cell + 1
    assert abs(off.mean()) < 0.25


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.sampled_from(["letterbox", "crop"]),
    st.booleans(),
)
def test_padding_and_what_is_cut_never_reach_a_mask(
    size: tuple[int, int],
    fit: Fit,
    align_corners: bool,  # noqa: FBT001 - a case
) -> None:
    """Logits of class 1 on the picture's pixels and of class 0 beside them."""
    spec = replace(SPEC, fit=fit)
    placed = place(size, spec)
    logits = np.zeros((1, 2, 64, 96), np.float32)
    logits[:, 0] = 1
    rows, columns = (
        slice(max(0, span.start), span.start + span.content)
        for span in (placed.rows, placed.columns)
    )
    logits[:, :, rows, columns] = np.array([0, 1], np.float32)[:, None, None]
    output = replace(LOGITS, align_corners=align_corners)

    [mask] = labels_from(logits, output, [size], 2, spec)

    assert mask.shape == size
    expected = np.full(size, unseen_label(2))
    expected[placed.rows.seen, placed.columns.seen] = 1
    inner = np.ones(size, bool)
    if align_corners:
        # Corner on corner stretches the logits by a pixel over the input.
        inner[0], inner[-1], inner[:, 0], inner[:, -1] = False, False, False, False
    assert (mask == expected)[inner].all()


@given(st.tuples(st.integers(1, 200), st.integers(1, 200)), st.booleans())
def test_logits_whose_centre_lies_in_the_padding_never_reach_a_mask(
    size: tuple[int, int],
    align_corners: bool,  # noqa: FBT001 - a case
) -> None:
    spec = replace(SPEC, fit="letterbox")
    placed = place(size, spec)
    inside = []
    for span, count in ((placed.rows, 16), (placed.columns, 24)):
        steps = np.arange(count)
        centers = (steps + 0.5) * span.network / count
        if align_corners:
            centers = steps * (span.network - 1) / (count - 1) + 0.5
        inside.append((centers >= span.start) & (centers <= span.start + span.content))
    # A picture thinner than a logit has none of its own.
    assume(inside[0].any() and inside[1].any())
    logits = np.zeros((1, 2, 16, 24), np.float32)
    logits[0, 1] = 2.0 * np.outer(*inside) - 1

    [mask] = labels_from(logits, replace(LOGITS, align_corners=align_corners), [size], 2, spec)

    assert (mask == 1).all()


@pytest.mark.parametrize("fit", ["letterbox", "crop"])
def test_ready_labels_are_taken_from_the_nearest_pixel(fit: Fit) -> None:
    spec = replace(SPEC, fit=fit)
    size = (90, 67)
    placed = place(size, spec)
    labels = np.random.default_rng(0).integers(0, 9, (1, 64, 96), np.int32)
    output = OutputSpec("labels", "labels", (1, 64, 96), "int32")

    [mask] = labels_from(labels, output, [size], 9, spec)

    for y, x in ((0, 0), (45, 33), (44, 10), (89, 66)):
        at = [
            Fraction(2 * pixel + 1, 2) * Fraction(span.content, span.picture) + span.start
            for pixel, span in ((y, placed.rows), (x, placed.columns))
        ]
        seen = 0 <= at[0] < 64 and 0 <= at[1] < 96
        expected = labels[0, math.floor(at[0]), math.floor(at[1])] if seen else 255
        assert mask[y, x] == expected


@pytest.mark.parametrize("fit", ["letterbox", "crop"])
@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((101, 199), (51, 100)),
        ((199, 101), (100, 51)),
        ((33, 47), (17, 24)),
        ((37, 1000), (4, 100)),
    ],
)
def test_labels_of_another_size_are_sampled_where_the_picture_lies(
    picture: tuple[int, int], size: tuple[int, int], fit: Fit
) -> None:
    spec = spec_of((64, 128), fit)
    numbers = np.arange(64 * 128).reshape(1, 64, 128)
    output = OutputSpec("labels", "labels", numbers.shape, "int64")

    [mask] = labels_from(numbers, output, [size], 64 * 128, spec, pictures=[picture])

    # The picture's own scale and corner; the labels only look at more or fewer of its points.
    scale = (min if fit == "letterbox" else max)(
        Fraction(64, picture[0]), Fraction(128, picture[1])
    )
    places = []
    for side, count, whole in zip(picture, size, (64, 128), strict=True):
        content = max(1, rounded(side * scale))
        start = 0 if fit == "letterbox" else (whole - content) // 2
        places.append([Fraction(2 * i + 1, 2 * count) * content + start for i in range(count)])
    expected = [
        [
            math.floor(y) * 128 + math.floor(x) if 0 <= y < 64 and 0 <= x < 128 else -1
            for x in places[1]
        ]
        for y in places[0]
    ]
    assert (mask == np.array(expected)).all()


def test_a_picture_of_the_networks_shape_gets_the_same_mask_from_every_fit() -> None:
    logits = np.random.default_rng(0).standard_normal((1, 2, 16, 24)).astype(np.float32)

    masks = [
        labels_from(logits, LOGITS, [(130, 195)], 2, replace(SPEC, fit=fit))[0] for fit in FITS
    ]

    assert (masks[0] == resize_argmax(logits, (130, 195))[0]).all()
    assert (masks[1] == masks[0]).all()
    assert (masks[2] == masks[0]).all()


def test_a_picture_turned_by_exif_gets_a_mask_that_stands_upright(tmp_path: object) -> None:
    upright = edge((90, 50), 33, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    lying = Image.fromarray(np.rot90(upright).copy())
    stored = io.BytesIO()
    lying.save(stored, "PNG", exif=exif)
    path = f"{tmp_path}/turned.png"
    with open(path, "wb") as file:  # noqa: PTH123 - the bytes as they are
        file.write(stored.getvalue())

    picture = load_image(path)
    mask = mask_of(picture, replace(SPEC, fit="letterbox"), stride=1)

    assert mask.shape == (90, 50)
    assert abs(int(np.flatnonzero(mask[:, 25])[0]) - 33) <= 1


# --- what is said
