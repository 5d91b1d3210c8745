"""Every way to show a result: found by scanning, and held to the same contract."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segpp.errors import InputError
from segpp.images.drawing.differences import DIFFERENT
from segpp.runtime.media.looks.base import LEGENDS, LOOKS, RenderConfig, Segmented, kinds_of

PALETTE = ((200, 0, 0), (0, 200, 0), (0, 0, 200))
CONFIG = RenderConfig(("overlay",), PALETTE, 0.5, ("red", "green", "blue"), "panel")


def shown(height: int = 120, width: int = 240) -> Segmented:
    """The left half of class 0, the right of class 1; a second network calls a quarter 2."""
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = 1
    others = labels.copy()
    others[: height // 2, width // 2 :] = 2
    image = np.full((height, width, 3), 100, np.uint8)
    return Segmented(image, labels, np.full((height, width), 0.5, np.float32), others)


def colors_in(picture: Image.Image) -> set[object]:
    return {color for _, color in picture.convert("RGB").getcolors(1 << 24)}


def test_the_looks_that_save_names_are_the_modules_of_the_folder() -> None:
    assert {"overlay", "mask", "side-by-side", "compare", "confidence"} <= set(LOOKS)


@pytest.mark.parametrize("kind", LOOKS)
@pytest.mark.parametrize("legend", LEGENDS)
@pytest.mark.parametrize("contours", [False, True])
@pytest.mark.parametrize("size", [(120, 240), (240, 120), (1, 1), (3, 500)])
def test_every_look_draws_every_size(
    *, kind: str, legend: str, contours: bool, size: tuple[int, int]
) -> None:
    config = replace(CONFIG, legend=legend, contours=contours)

    picture = LOOKS[kind].draw(shown(*size), config)

    assert picture.height >= size[0]
    assert picture.width >= size[1]


@pytest.mark.parametrize("kind", LOOKS)
def test_the_frames_of_a_film_have_one_size(kind: str) -> None:
    config = replace(CONFIG, film=True)
    one, other = shown(), replace(shown(), labels=np.full((120, 240), 2, np.uint8))

    frames = [LOOKS[kind].in_color(each, config) for each in (one, other)]

    assert frames[0].shape == frames[1].shape
    assert frames[0].shape[2] == 3
    assert frames[0].dtype == np.uint8


def test_an_overlay_of_a_dark_picture_is_brighter_than_the_plain_mix() -> None:
    dark = replace(shown(), image=np.full((120, 240, 3), 10, np.uint8))

    picture = np.asarray(LOOKS["overlay"].draw(dark, replace(CONFIG, legend="none")))

    # Half of 10 and half of the colour's 0 would be 5.
    assert picture[0, 0, 1] > 15


def test_a_comparison_marks_what_differs_and_names_both_networks_classes() -> None:
    picture = LOOKS["compare"].draw(shown(), CONFIG)

    assert DIFFERENT in colors_in(picture)
    assert set(PALETTE) <= colors_in(picture)


def test_side_by_side_holds_the_input_as_it_is() -> None:
    picture = np.asarray(LOOKS["side-by-side"].draw(shown(), CONFIG))

    assert (picture == 100).all(-1).sum() >= 120 * 240


@pytest.mark.parametrize(
    ("kind", "lacking"), [("compare", {"others": None}), ("confidence", {"confidence": None})]
)
def test_a_look_without_what_it_needs_says_so(kind: str, lacking: dict[str, None]) -> None:
    with pytest.raises(InputError, match=r"there (is|are) no"):
        LOOKS[kind].draw(replace(shown(), **lacking), CONFIG)


@pytest.mark.parametrize(
    ("save", "kinds"),
    [
        ("overlay", ("overlay",)),
        ("both", ("overlay", "mask")),
        ("mask, both,confidence", ("mask", "overlay", "confidence")),
    ],
)
def test_several_looks_are_named_at_once(save: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of(save) == kinds


@pytest.mark.parametrize(
    ("save", "says"),
    [("overlays", "did you mean 'overlay'"), ("", "nothing to save"), ("mask,x", "'x'")],
)
def test_an_unknown_look_is_refused(save: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        kinds_of(save)
