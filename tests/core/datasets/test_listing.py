"""Names of pictures in a file."""

import time
from pathlib import Path

import numpy as np
import pytest

from segpp.datasets.listing import pairs_of_list, read_names
from segpp.datasets.pairs import Pair
from segpp.errors import ImageError, InputError
from tests.helpers.datasets import save


def listed(folder: Path, text: str) -> Path:
    path = folder / "val.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", [("a",), ("b",)]),
        ("\ufeff# first\n\n a \n", [("a",)]),
        ("x/a.jpg y/a.png\n", [("x/a.jpg", "y/a.png")]),
        ("my file.jpg\tits labels.png\n", [("my file.jpg", "its labels.png")]),
        ("a.jpg,a.png\nb.jpg; b.png", [("a.jpg", "a.png"), ("b.jpg", "b.png")]),
    ],
)
def test_each_line_is_a_name_or_a_picture_and_its_labels(
    tmp_path: Path, text: str, expected: list[tuple[str, ...]]
) -> None:
    assert read_names(listed(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\n# nothing\n", "names nothing"), (b"a b c\n", "3 columns"), (b"\xff\xfe\0", "no text")],
)
def test_what_is_no_list_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "x.txt").write_bytes(content)

    with pytest.raises(InputError, match=told):
        read_names(tmp_path / "x.txt")


def test_paths_are_relative_to_the_list(tmp_path: Path) -> None:
    for name in ("i/a.png", "l/b.png"):
        save(tmp_path / name, np.zeros((1, 1), np.uint8))

    pairs = pairs_of_list(listed(tmp_path, "i/a.png l/b.png"), None)

    assert pairs == (Pair(tmp_path / "i" / "a.png", tmp_path / "l" / "b.png"),)
    with pytest.raises(ImageError, match=r"l/none\.png of the list .* does not exist"):
        pairs_of_list(listed(tmp_path, "i/a.png l/none.png"), None)


def test_names_are_found_in_folders_with_or_without_endings_and_sub_folders(
    tmp_path: Path,
) -> None:
    images = {"a": Path("i/a.jpg"), "town/b": Path("i/town/b.jpg")}
    labels = {"a": Path("l/a.png"), "town/b": Path("l/town/b.png")}

    for text in ("a\nb", "a.jpg\ntown/b"):
        pairs = pairs_of_list(listed(tmp_path, text), (images, labels))
        assert [pair.labels for pair in pairs] == [*labels.values()]


@pytest.mark.parametrize(
    ("name", "why"), [("c", "no file has that name"), ("b", "two files have that name")]
)
def test_a_name_of_no_file_or_of_two_is_told(tmp_path: Path, name: str, why: str) -> None:
    files = {"x/b": Path("x/b.png"), "y/b": Path("y/b.png")}

    with pytest.raises(ImageError, match=f"{name} of the list .*: {why}"):
        pairs_of_list(listed(tmp_path, name), (files, files))


def test_names_alone_need_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has names alone(.|\n)*`images` and `labels`"):
        pairs_of_list(listed(tmp_path, "a"), None)


@pytest.mark.parametrize("name", [".", "..", "/", "a.7"])
def test_what_is_no_name_of_a_file_is_told(tmp_path: Path, name: str) -> None:
    files = {"a": Path("a.png")}

    with pytest.raises(ImageError, match="no file has that name"):
        pairs_of_list(listed(tmp_path, name), (files, files))


def test_many_names_of_files_in_sub_folders_are_found_at_once(tmp_path: Path) -> None:
    files = {f"town{i % 9}/{i}": Path(f"town/{i}.png") for i in range(20_000)}
    text = "\n".join(map(str, range(20_000)))

    start = time.perf_counter()
    pairs = pairs_of_list(listed(tmp_path, text), (files, files))

    assert len(pairs) == len(files)
    # Seconds for each name against each file would be minutes.
    assert time.perf_counter() - start < 10
