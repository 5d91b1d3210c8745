"""Files and folders of images, for whatever is measured on them."""

from pathlib import Path

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.export.images import images_in, made_parity_image
from segpp.images import sample_image
from segpp.manifest import InputSpec


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no images"):
        images_in([tmp_path])


def test_a_folder_stands_for_its_images(pictures: Path) -> None:
    found = images_in([pictures, sample_image()])

    assert [path.name for path in found] == ["a.png", "b.png", sample_image().name]


@pytest.mark.parametrize("channels", [1, 4])
def test_a_made_image_has_regions_and_is_the_same_each_time(channels: int) -> None:
    spec = InputSpec(
        name="image",
        shape=(2, channels, 64, 96),
        dtype="float32",
        layout="NCHW",
        colours="RGB",
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )

    image, again = made_parity_image(spec), made_parity_image(spec)

    assert image.input.shape == (2, channels, 64, 96)
    assert np.array_equal(image.input, again.input)
    # Neighbours are alike and the whole is not; in noise alone they differ by more than its spread.
    steps = np.abs(np.diff(image.normalized, axis=3)).mean()
    assert image.normalized.std() > 3 * steps
