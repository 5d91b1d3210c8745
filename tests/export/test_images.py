"""Files and folders of images, for whatever is measured on them."""

from pathlib import Path

import pytest

from segpp.errors import ImageError
from segpp.export.images import images_in
from segpp.images import sample_image


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no images"):
        images_in([tmp_path])


def test_a_folder_stands_for_its_images(pictures: Path) -> None:
    found = images_in([pictures, sample_image()])

    assert [path.name for path in found] == ["a.png", "b.png", sample_image().name]
