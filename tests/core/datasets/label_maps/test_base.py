"""Every label map, and maps from files."""

import time
from pathlib import Path

import pytest

from segpp.datasets.label_maps.base import LABEL_MAPS, NO_CLASS, find_label_map
from segpp.errors import InputError

# How many classes are scored, by the data sets' own papers.
CLASSES = {"cityscapes": 19, "coco-stuff": 171, "foreground": 2, "zero-is-none": 254}


@pytest.mark.parametrize("name", LABEL_MAPS)
def test_the_classes_of_a_map_are_all_numbers_from_0_on(name: str) -> None:
    classes = {label for label in LABEL_MAPS[name].values() if label != NO_CLASS}

    assert classes == set(range(CLASSES[name]))


def test_the_ids_of_cityscapes_are_those_of_its_table() -> None:
    known = find_label_map("cityscapes")

    # Road, sidewalk, traffic light, sky, bicycle; the ego vehicle, a caravan, a licence plate.
    assert [known[number] for number in (7, 8, 19, 23, 33)] == [0, 1, 6, 10, 18]
    assert [known[number] for number in (1, 29, -1)] == [NO_CLASS] * 3


@pytest.mark.parametrize(
    "text",
    ["7 0\n8 1  # sidewalk\n-1 ignore\n", '{"7": 0, "8": 1, "-1": 255}', "7,0\n8: 1\n-1 -1"],
)
def test_a_file_of_lines_or_json_is_a_label_map(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.txt").write_text(text)

    assert find_label_map(str(tmp_path / "map.txt")) == {7: 0, 8: 1, -1: NO_CLASS}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("7 0 1", "is no label map"),
        ("7 x", "is no label map"),
        ("[1", "is no label map"),
        ('{"7": {}}', "is no label map"),
        ("7 0\n7 1", "has the number 7 twice"),
        ('{"7": 0, "7": 1}', "has the number 7 twice"),
        ("7 70000", "is no label map"),
        ("", "is empty"),
    ],
)
def test_what_is_no_label_map_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "map.txt").write_text(text)

    with pytest.raises(InputError, match=told):
        find_label_map(str(tmp_path / "map.txt"))


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'cityscapes'"):
        find_label_map("cityscape")


def test_a_long_label_map_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("".join(f"{n} {n % 7}\n" for n in range(60_000)))

    start = time.perf_counter()

    assert len(find_label_map(str(tmp_path / "map.txt"))) == 60_000
    assert time.perf_counter() - start < 5
