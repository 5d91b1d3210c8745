"""Labels that are no class are refused, with what the whole data set seems to mean by them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.datasets.labels import LabelRules
from segpp.datasets.unknown_labels import check_known_labels, is_black_and_white, is_foreground
from segpp.errors import InputError


def test_labels_that_start_at_one_are_told_of_with_the_way_out(tmp_path: Path) -> None:
    labels = np.array([[1, 2, 3, 255]], np.int32)

    with pytest.raises(InputError, match=r"label 3(.|\n)*start at 1\n.*--label-offset -1"):
        check_known_labels(labels, 3, {255}, tmp_path)
    with pytest.raises(InputError, match=r"label 4(.|\n)*--label-offset -1$"):
        check_known_labels(np.array([[1, 4]], np.int32), 3, {3, 255}, tmp_path)
    with pytest.raises(InputError) as zero:
        check_known_labels(np.array([[0, 3]], np.int32), 3, {255}, tmp_path)
    with pytest.raises(InputError, match=r"label 0, which the offset makes -1"):
        check_known_labels(labels - 2, 3, {255}, tmp_path, LabelRules(offset=-1))
    assert "start at 1" not in str(zero.value)
    check_known_labels(labels - 1, 3, {254}, tmp_path, LabelRules(offset=-1))


def refusal(
    folder: Path, files: Sequence[Sequence[int]], ignored: set[int], classes: int = 11
) -> str:
    """Return what is said of the first of some files."""
    paths = [folder / f"{number:03}.png" for number in range(len(files))]
    for path, labels in zip(paths, files, strict=True):
        Image.fromarray(np.array([labels], np.uint8)).save(path)
    first = np.array([files[0]], np.int32)
    with pytest.raises(InputError) as error:
        check_known_labels(first, classes, ignored, paths[0], others=paths[1:])
    return str(error.value)


def test_the_way_out_is_judged_by_several_files(tmp_path: Path) -> None:
    # Numbers of a set of 11 classes and a void, one higher; no file has all of them.
    files = [[2, 4, 12], [1, 11], [5, 6, 7, 8], [9, 10, 12]]

    told = refusal(tmp_path, files, {255})
    void_is_known = refusal(tmp_path, files, {11, 255})
    zero_elsewhere = refusal(tmp_path, [[1, 12], [0, 3], [13]], {255})

    assert told.endswith("hint: --label-offset -1 --ignore 11,255")
    assert "of 4 label files: 1, 2, 4, 5, …, 9, 10, 11, 12" in told.replace("3, ", "")
    assert void_is_known.endswith("hint: --label-offset -1")
    # Two numbers beyond the classes are another encoding: to ignore both would be a guess.
    assert zero_elsewhere.endswith("says what each is: --label-map FILE")
    assert "start at 1" not in zero_elsewhere
    assert refusal(tmp_path, [[3, 4, 254]], {255}).endswith("--ignore 254,255")
    assert refusal(tmp_path, [[0, 3, 4, 11]], {255}).endswith("--ignore 11,255")
    assert "--ignore" not in refusal(tmp_path, [[3, 200]], {255})


def test_of_a_large_set_files_from_all_of_it_are_judged(tmp_path: Path) -> None:
    files = [[1, 12], *([2, 3] for _ in range(90)), *([0, 3] for _ in range(9))]

    assert "--label-offset" not in refusal(tmp_path, files, {255})


def test_the_numbers_of_a_known_data_set_are_told_with_their_map(tmp_path: Path) -> None:
    files = [[7, 8, 19, 21, 23], [26, 33, 11]]

    told = refusal(tmp_path, files, {255}, classes=19)

    assert "--label-map FILE" in refusal(tmp_path, files, {255}, classes=12)
    assert "these look like the numbers of cityscapes, which are no classes yet" in told
    assert told.endswith("hint: --label-map cityscapes")


def test_grey_values_that_were_spread_are_told_and_nothing_is_advised_that_ignores_them(
    tmp_path: Path,
) -> None:
    told = refusal(tmp_path, [[0, 128], [0, 255]], {255})

    assert "they are 128 apart, as grey values of a picture are" in told
    assert "--ignore" not in told


@pytest.mark.parametrize(
    ("files", "expected"),
    [([[0, 255], [0, 0]], True), ([[0, 0]], False), ([[0, 255], [1, 0]], False)],
)
def test_black_and_white_is_0_and_255_in_all_files(
    tmp_path: Path, files: Sequence[Sequence[int]], *, expected: bool
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(len(files))]
    for path, labels in zip(paths, files, strict=True):
        Image.fromarray(np.array([labels], np.uint8)).save(path)

    assert is_black_and_white(paths) is expected


def test_255_is_a_class_of_two_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(path)

    assert is_foreground(2, [path])
    assert not is_foreground(3, [path])


def test_where_class_0_may_not_be_shown_both_ways_out_are_told_with_their_reasons(
    tmp_path: Path,
) -> None:
    told = refusal(tmp_path, [[1, 2, 11], [3, 4, 10]], {255})

    assert told.endswith(
        "hint: if label 1 stands for class 0: --label-offset -1; if 11 is no class: --ignore 11,255"
    )


def test_a_negative_label_is_to_be_ignored_with_a_flag_that_takes_it(tmp_path: Path) -> None:
    labels = np.array([[-1, 0, 1]], np.int32)

    with pytest.raises(InputError, match=r"label -1, which is no class(.|\n)*--ignore=-1,255$"):
        check_known_labels(labels, 3, {255}, tmp_path)
