"""What is said of pictures that do not fit, and what is proposed."""

from dataclasses import replace

import pytest
from hypothesis import example, given

from segpp.errors import InputError
from segpp.images.fit import Fit, check_fit, misfit, unseen_label
from tests.core.images.specs import SPEC, networks, sizes, spec_of


def test_pictures_of_nearly_the_networks_shape_are_said_nothing_about() -> None:
    assert misfit((360, 480), replace(SPEC, shape=(1, 3, 352, 480))) is None
    assert misfit((720, 1280), replace(SPEC, shape=(1, 3, 1080, 1920))) is None


@pytest.mark.parametrize(
    ("fit", "says"),
    [
        ("stretch", "stretching makes everything 33% lower than it is (--fit letterbox keeps"),
        ("letterbox", "33% of the network's pixels are padding"),
        ("crop", "33% of the picture is cut off and gets no class"),
    ],
)
def test_a_misfit_tells_its_price_and_a_size_that_fits(fit: Fit, says: str) -> None:
    note = misfit((360, 480), replace(SPEC, shape=(1, 3, 512, 1024), fit=fit))

    assert note is not None
    assert note.startswith("pictures of 360x480 in a network of 512x1024: ")
    assert says in note
    # The next one of 3:4 is 672x896, of more pixels than 512x1024.
    assert note.endswith("an export with --size 576x768 would fit")


@pytest.mark.parametrize(
    ("size", "network", "proposed"),
    [
        ((720, 960), (512, 1024), "576x768"),
        ((1080, 1920), (576, 1280), "576x1024"),
        # 9:16 goes in steps of 288x512: little more than half of 512x512, and more than 256x256.
        ((1080, 1920), (512, 512), "384x672"),
        ((1080, 1920), (256, 256), "192x352"),
        # No multiple of 32 below 24,000x32,032 has this aspect: 627 x 836 is rounded.
        ((750, 1001), (512, 1024), "640x832"),
    ],
)
def test_a_size_of_the_pictures_own_aspect_is_preferred(
    size: tuple[int, int], network: tuple[int, int], proposed: str
) -> None:
    note = misfit(size, spec_of(network, "letterbox"))

    assert note is not None
    assert note.endswith(f"an export with --size {proposed} would fit")


@example(size=(1, 2), network=(32, 32))
@given(sizes, networks)
def test_the_proposed_size_is_one_that_exports_take(
    size: tuple[int, int], network: tuple[int, int]
) -> None:
    note = misfit(size, spec_of(network, "letterbox"))

    # Small networks may be the nearest size themselves, and then none is proposed.
    if note is not None and "--size " in note:
        proposed = note.split("--size ")[1].split()[0].split("x")
        assert all(int(side) >= 32 and int(side) % 32 == 0 for side in proposed)


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'letterbox'"):
        check_fit("leterbox")


@pytest.mark.parametrize(("classes", "label"), [(2, 255), (255, 255), (256, -1), (300, -1)])
def test_what_is_not_seen_has_a_label_that_is_no_class(classes: int, label: int) -> None:
    assert unseen_label(classes) == label


def test_a_size_that_the_network_has_already_is_not_proposed() -> None:
    note = misfit((360, 480), spec_of((64, 96), "letterbox"))

    assert (
        note == "pictures of 360x480 in a network of 64x96: 11% of the network's pixels are padding"
    )
