"""The pictures of a certificate: drawn, small, the same everywhere, for any number of channels."""

import numpy as np
import pytest

from segpp import sample_image
from segpp.certificate.pictures import decoded, pictures_for
from segpp.images.channels import load_channels


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 9])
def test_there_are_pictures_for_every_number_of_channels(channels: int) -> None:
    pictures = pictures_for(channels)

    assert all(one.pixels.shape[2] == channels for one in pictures)
    assert all(one.pixels.dtype == np.uint8 for one in pictures)
    # Higher than wide, odd, and no multiple of 32.
    assert any(one.pixels.shape[:2] == (181, 131) for one in pictures)
    assert sum(len(one.file) for one in pictures) < 250_000


def test_the_street_is_the_bundled_picture_as_the_parity_check_reads_it() -> None:
    for channels in (1, 3):
        [street, _] = pictures_for(channels)

        assert np.array_equal(street.pixels, load_channels(sample_image(), channels))
    assert np.array_equal(pictures_for(6)[0].pixels[..., 3:], pictures_for(3)[0].pixels)


def test_they_are_the_same_every_time() -> None:
    assert [one.file for one in pictures_for(4)] == [one.file for one in pictures_for(4)]
    assert pictures_for(3)[1].file == pictures_for(3)[1].file


def test_a_picture_of_other_channels_is_refused() -> None:
    street, patches = pictures_for(3)

    with pytest.raises(ValueError, match="colour for 4 channels"):
        decoded(street.file, 4)
    with pytest.raises(ValueError, match="rows of 5 planes"):
        decoded(pictures_for(4)[0].file, 5)
    assert len(np.unique(patches.pixels.reshape(-1, 3), axis=0)) > 1000
