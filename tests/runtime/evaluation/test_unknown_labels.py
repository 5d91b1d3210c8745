"""Labels that are no class are refused, with what the whole data set seems to mean by them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import InputError
from segpp.runtime.evaluation.dataset import LabelRules
from segpp.runtime.evaluation.unknown_labels import check_known_labels


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


def refusal(folder: Path, files: Sequence[Sequence[int]], ignored: set[int]) -> str:
    """Return what is said of the first of some files, of a network of 11 classes."""
    paths = [folder / f"{number:03}.png" for number in range(len(files))]
    for path, labels in zip(paths, files, strict=True):
        Image.fromarray(np.array([labels], np.uint8)).save(path)
    first = np.array([files[0]], np.int32)
    with pytest.raises(InputError) as error:
        check_known_labels(first, 11, ignored, paths[0], others=paths[1:])
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
    assert zero_elsewhere.endswith("if its pixels are not to count: --ignore 12,13,255")
    assert "start at 1" not in zero_elsewhere
    assert refusal(tmp_path, [[3, 200]], {255}).endswith("--ignore 200,255")


def test_of_a_large_set_files_from_all_of_it_are_judged(tmp_path: Path) -> None:
    files = [[1, 12], *([2, 3] for _ in range(90)), *([0, 3] for _ in range(9))]

    assert "--label-offset" not in refusal(tmp_path, files, {255})
