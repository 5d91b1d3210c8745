"""Pictures of where masks differ from a certificate's."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import OutputError
from segpp.images.drawing.differences import DIFFERENT
from segpp.runtime.verification.differences import pictures_folder, write_pictures
from segpp.runtime.verification.verify import verify_file
from segpp.utils.overwrite import is_own
from tests.runtime.verification.forgery import certified, resealed
from tests.runtime.verification.test_report import wrong_left

Network = Callable[..., Path]


@pytest.mark.parametrize("kind", ["logits", "nine"])
def test_what_differs_is_marked_and_nothing_else(
    network: Network, tmp_path: Path, kind: str
) -> None:
    path = certified(network(kind))
    same = write_pictures(*verify_file(path, {}), tmp_path)
    marks = [_marked(one) for one in same]
    resealed(path, probe=wrong_left)

    others = write_pictures(*verify_file(path, {}), tmp_path)

    assert [one.name for one in others] == [f"{kind}.onnx.street.png", f"{kind}.onnx.patches.png"]
    assert marks == [0, 0]
    assert all(_marked(one) > 1000 for one in others)
    assert all(is_own(one, "picture") for one in others)


def _marked(path: Path) -> int:
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return int((pixels == DIFFERENT).all(axis=2).sum())


def test_a_foreign_picture_is_not_replaced(network: Network, tmp_path: Path) -> None:
    path = certified(network())
    Image.new("RGB", (4, 4)).save(tmp_path / "logits.onnx.street.png")
    done = verify_file(path, {})

    with pytest.raises(OutputError, match="not a picture that segpp wrote"):
        write_pictures(*done, tmp_path)

    assert len(write_pictures(*done, tmp_path, force=True)) == 2


def enter(folder: Path, paths: list[Path]) -> None:
    with pictures_folder(folder, paths):
        pass


def test_two_files_of_one_name_are_refused_before_they_run(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"two files are called b0\.onnx"):
        enter(tmp_path / "out", [Path("a/b0.onnx"), Path("c/b0.onnx")])


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")

    with pytest.raises(OutputError, match="cannot make the folder"):
        enter(tmp_path / "out", [Path("b0.onnx")])


@pytest.mark.parametrize("stops", [True, False])
def test_an_empty_folder_is_not_left_and_one_that_was_there_is(
    tmp_path: Path, *, stops: bool
) -> None:
    old, new, used = (tmp_path / name for name in ("old", "new", "used"))
    old.mkdir()

    for folder in (old, new, used):
        with suppress(KeyboardInterrupt), pictures_folder(folder, []):
            if folder == used:
                (folder / "a.png").touch()
            if stops:
                raise KeyboardInterrupt

    assert (old.exists(), new.exists(), used.exists()) == (True, False, True)
