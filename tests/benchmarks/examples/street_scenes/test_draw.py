"""The command that draws scenes: a whole folder of pairs, or one sentence and nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.street_scenes.draw import main
from examples.street_scenes.renderer.scene import draw_scene

ROOT = Path(__file__).resolve().parents[4]


def test_the_command_writes_pictures_and_labels_of_the_same_names(tmp_path: Path) -> None:
    out = tmp_path / "scenes"

    code = main(["--count", "3", "--seed", "5", "--size", "64x96", str(out)])

    assert code == 0
    names = ["000005.png", "000006.png", "000007.png"]
    assert sorted(path.name for path in (out / "images").iterdir()) == names
    assert sorted(path.name for path in (out / "labels").iterdir()) == names
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]


def test_the_files_hold_what_draw_scene_returns(tmp_path: Path) -> None:
    main(["--count", "1", "--seed", "9", "--size", "65x99", str(tmp_path / "scenes")])

    image, label = draw_scene(9, 65, 99)
    with Image.open(tmp_path / "scenes" / "images" / "000009.png") as file:
        assert np.array_equal(np.asarray(file), image)
    with Image.open(tmp_path / "scenes" / "labels" / "000009.png") as file:
        assert file.mode == "L"
        assert np.array_equal(np.asarray(file), label)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "1", "--size", "63x128"], "size 63x128 cannot be drawn"),
        (["--count", "1", "--size", "128x9000"], "size 128x9000 cannot be drawn"),
        (["--count", "1", "--size", "128"], "'128' is not a size"),
        (["--count", "1", "--size", "0x128"], "size 0x128 has no pixels"),
        (["--count", "0"], "a count of 0 draws nothing"),
        (["--count", "1", "--seed", "-2"], "seed -2 is negative"),
    ],
)
def test_the_command_refuses_what_it_cannot_draw(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*arguments, str(tmp_path / "scenes")])

    assert code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_leaves_a_folder_with_something_in_it_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept.txt").write_text("mine")

    code = main(["--count", "1", "--size", "64x64", str(tmp_path)])

    assert code == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_the_command_names_the_folder_it_cannot_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "missing" / "scenes"

    code = main(["--count", "1", "--size", "64x64", str(out)])

    assert code == 2
    assert f"cannot write {out}" in capsys.readouterr().err


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    module = "examples.street_scenes.draw"
    command = [sys.executable, "-m", module, "--count", "1", "--size", "64x63"]

    done = subprocess.run(
        [*command, tmp_path / "scenes"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr.startswith("error: size 64x63 cannot be drawn")
