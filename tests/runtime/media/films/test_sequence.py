"""Numbered pictures are a film."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import ImageError
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.films.sequence import is_sequence
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.sources import find_source


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / name)
    return folder


def test_pictures_come_by_their_numbers_and_nothing_else(tmp_path: Path) -> None:
    pictures(tmp_path, "f_000002.png", "f_000001.png", "f_000010.png", "f_1000000.png")
    pictures(tmp_path, "f_3.png", "f_000004.jpg", "g_000005.png", "f_0000006.png")

    source = find_source(f"{tmp_path}/f_%06d.png")

    assert (source.kind, source.count, source.rate, source.stem) == ("video", 4, 25.0, "f")
    assert [item.name for item in source.items()] == [
        "f_000001",
        "f_000002",
        "f_000010",
        "f_1000000",
    ]


def test_a_missing_number_leaves_its_time(tmp_path: Path) -> None:
    source = find_source(
        f"{pictures(tmp_path, '7.png', '8.png', '10.png')}/%d.png", LiveConfig(rate=10.0)
    )

    assert [item.named.time for item in source.items()] == pytest.approx([0.0, 0.1, 0.3])
    assert source.stem == tmp_path.name


@pytest.mark.parametrize(
    ("cut", "numbers"),
    [(Cut(every=2), "135"), (Cut(start=0.08), "345"), (Cut(start=0.04, duration=0.08), "23")],
)
def test_a_part_of_them_is_a_part_of_the_film(cut: Cut, numbers: str, tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{number}.png" for number in range(1, 6)))

    source = find_source(f"{tmp_path}/%d.png", cut=cut)

    assert [item.name for item in source.items()] == list(numbers)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no file matches .*%06d\.png"):
        find_source(f"{tmp_path}/%06d.png")
    with pytest.raises(ImageError, match=r"no file matches"):
        find_source(f"{tmp_path}/none/%06d.png")
    pictures(tmp_path, "1.png")
    with pytest.raises(ImageError, match="ends before 9 s"):
        list(find_source(f"{tmp_path}/%d.png", cut=Cut(start=9.0)).items())


def test_a_file_of_just_that_name_is_a_file(tmp_path: Path) -> None:
    pictures(tmp_path, "%d.png")

    assert not is_sequence(f"{tmp_path}/%d.png")
    assert not is_sequence("a%%.png")
    assert not is_sequence("%d_%d.png")
