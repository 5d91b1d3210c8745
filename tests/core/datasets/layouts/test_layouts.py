"""One contract for every layout: known by its folders, by no other's."""

from pathlib import Path

import pytest

from segpp.datasets.find import DataConfig, find_dataset
from segpp.datasets.label_maps.base import LABEL_MAPS
from segpp.datasets.layouts.base import LAYOUTS
from tests.core.datasets.layouts.folders import FILES, made


def test_every_layout_has_an_example() -> None:
    assert sorted(FILES) == list(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_known_by_its_folders_and_by_no_others(name: str, tmp_path: Path) -> None:
    folder = made(name, tmp_path)

    fitting = [one for one in LAYOUTS if LAYOUTS[one].splits(folder)]

    assert name in fitting
    assert set(fitting) <= {name, "plain"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_pairs_of_a_layout_are_found_and_it_says_so(name: str, tmp_path: Path) -> None:
    data = find_dataset(DataConfig(dataset=(made(name, tmp_path),)))

    split = FILES[name][0][0].split("/")[0:2]
    expected = {
        (tmp_path / image, tmp_path / labels)
        for image, labels in FILES[name]
        if "train" not in image or "training" in split
    }
    assert {(pair.image, pair.labels) for pair in data.pairs} == expected
    assert data.notes[0].startswith(f"{LAYOUTS[name].title}: ")
    assert data.label_map is None or data.label_map in LABEL_MAPS


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_is_no_layout(name: str, tmp_path: Path) -> None:
    assert list(LAYOUTS[name].splits(tmp_path)) == []
    assert list(LAYOUTS[name].splits(tmp_path / "none")) == []
