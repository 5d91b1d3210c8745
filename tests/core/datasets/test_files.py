"""What lies in a folder."""

from pathlib import Path

import numpy as np
import pytest

from segpp.datasets.files import common_name, files_by_name, normal
from segpp.errors import ImageError
from tests.helpers.datasets import save

PNG = frozenset({".png"})


def made(folder: Path, *names: str) -> Path:
    for name in names:
        save(folder / name, np.zeros((1, 1), np.uint8))
    return folder


def test_files_have_the_names_of_their_partners(tmp_path: Path) -> None:
    made(tmp_path, "town/a_L.png", "town/a_R.png", "b_L.png")

    found = files_by_name(tmp_path, "_L", PNG, "labels")

    assert list(found) == ["b", "town/a"]


def test_others_than_these_can_be_passed_over(tmp_path: Path) -> None:
    made(tmp_path, "a.png", "a_L.png")

    assert list(files_by_name(tmp_path, "", PNG, "images", without="_L")) == ["a"]


@pytest.mark.parametrize("pattern", ["*/in/*.png", "**/in/*.png", "?/in/x*.png"])
def test_a_pattern_names_files_by_what_its_stars_stand_for(tmp_path: Path, pattern: str) -> None:
    made(tmp_path, "a/in/x1.png", "b/in/x2.png", "a/out/x1.png")

    found = files_by_name(tmp_path / pattern, "", PNG, "images")

    assert [path.parts[-3:] for path in found.values()] == [
        ("a", "in", "x1.png"),
        ("b", "in", "x2.png"),
    ]


def test_a_folder_whose_name_has_stars_is_a_folder(tmp_path: Path) -> None:
    made(tmp_path / "[1]*", "a.png")

    assert list(files_by_name(tmp_path / "[1]*", "", PNG, "images")) == ["a"]


def test_a_folder_or_a_pattern_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"holds no images\n.*looked for: \.png"):
        files_by_name(tmp_path, "", PNG, "images")
    with pytest.raises(ImageError, match=r"nothing fits the pattern .*: no images"):
        files_by_name(tmp_path / "*.png", "", PNG, "images")


def test_names_are_compared_in_one_spelling() -> None:
    assert normal("cafe\u0301") == "caf\u00e9"
    assert common_name(Path("d/cafe\u0301_L.png"), "_L") == "d/caf\u00e9"


def test_brackets_in_a_pattern_are_parts_of_names(tmp_path: Path) -> None:
    for name in ("run[1]/x.png", "run1/y.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    found = files_by_name(tmp_path / "run[1]" / "*.png", "", frozenset({".png"}), "images")

    assert found == {"x": tmp_path / "run[1]" / "x.png"}
