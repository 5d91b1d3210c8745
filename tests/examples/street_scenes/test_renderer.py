"""The drawn street scenes: the same from one seed, whole, and with every class in them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.street_scenes.draw import main
from examples.street_scenes.renderer import labels
from examples.street_scenes.renderer.camera import Camera
from examples.street_scenes.renderer.scene import draw_scene
from examples.street_scenes.renderer.solid import Frame, Prism, visible_faces
from segpp.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def test_one_seed_draws_the_same_bytes_twice() -> None:
    first, second = draw_scene(3, 96, 128), draw_scene(3, 96, 128)

    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_a_fresh_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from examples.street_scenes.renderer.scene import draw_scene;"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in draw_scene(3, 96, 128))).hexdigest())"
    )

    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }

    assert len(digests) == 1


def test_two_seeds_draw_different_scenes() -> None:
    first, second = draw_scene(1, 96, 128), draw_scene(2, 96, 128)

    assert (first[1] != second[1]).mean() > 0.05


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (64, 300), (300, 64), (131, 257)])
def test_picture_and_labels_have_the_size_asked_for(size: tuple[int, int]) -> None:
    image, label = draw_scene(0, *size)

    assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
    assert (label.shape, label.dtype) == (size, np.uint8)


def test_labels_are_class_ids_or_ignore() -> None:
    ids = np.unique([draw_scene(seed, 96, 192)[1] for seed in range(30)])

    assert set(ids.tolist()) <= set(range(12))


def test_every_class_is_in_two_fifths_of_the_scenes() -> None:
    present = np.zeros(12)
    for seed in range(40):
        _, label = draw_scene(seed, 128, 256)
        # 25 pixels at this size are the 100 that a network sees at 256x512.
        present += np.bincount(label.ravel(), minlength=12) > 25

    assert present[: labels.IGNORE].min() / 40 >= 0.4


def test_the_picture_shows_what_the_labels_say() -> None:
    differences = []
    for seed in range(12):
        image, label = draw_scene(seed, 128, 256)
        mean = {k: image[label == k].mean(0) for k in (labels.SKY, labels.ROAD)}
        differences.append(float(np.abs(mean[labels.SKY] - mean[labels.ROAD]).max()))

    # Sky and road differ by tens of gray levels in any light; shuffled labels, by none.
    assert min(differences) > 10


def test_edges_in_the_picture_lie_on_label_edges() -> None:
    on_edge, elsewhere = [], []
    for seed in range(12):
        image, label = draw_scene(seed, 128, 256)
        step = np.abs(np.diff(image.astype(float), axis=1)).max(-1)
        edge = label[:, 1:] != label[:, :-1]
        on_edge.append(step[edge].mean())
        elsewhere.append(step[~edge].mean())

    # Measured: 3.4 times; 1.3 times when the label map is shifted by a single pixel.
    assert np.mean(on_edge) > 2 * np.mean(elsewhere)


def test_the_ids_are_those_of_camvid(shared: Path) -> None:
    ids = {name: value for name, value in vars(labels).items() if isinstance(value, int)}
    by_id = sorted(ids, key=lambda name: ids[name])
    path = min((shared / "camvid" / "train" / "labels").iterdir())
    real = np.asarray(Image.open(path))

    assert by_id[:11] == [
        "SKY", "BUILDING", "POLE", "ROAD", "PAVEMENT", "TREE",
        "SIGN", "FENCE", "CAR", "PEDESTRIAN", "BICYCLIST",
    ]  # fmt: skip
    assert [name.upper() for name in labels.NAMES] == by_id[:11]
    # Above the middle of the first row lies sky, in the middle of the last row road.
    assert real[0, real.shape[1] // 2] in {labels.SKY, labels.BUILDING, labels.TREE}
    assert real[-20, real.shape[1] // 2] == labels.ROAD


@pytest.mark.parametrize(("height", "width"), [(63, 128), (128, 63), (0, 0), (-64, 64)])
def test_a_size_with_no_room_for_a_street_is_refused(height: int, width: int) -> None:
    with pytest.raises(InputError, match=f"a scene of {height}x{width} has a side below 64"):
        draw_scene(0, height, width)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed -1 is negative"):
        draw_scene(-1, 64, 64)


def test_of_a_box_straight_ahead_the_camera_sees_the_back_alone() -> None:
    camera = Camera(focal=100, center=0, horizon=0, x_m=0, y_m=1, bend=0)
    box = Prism((-2, 2), (-2, 2), (1, 1), (0, 1.5))

    names = [name for name, _ in visible_faces(box, Frame(0, 10, 0), camera)]

    assert names == ["back"]


def test_of_a_box_beside_the_road_the_camera_sees_the_inner_side_too() -> None:
    camera = Camera(focal=100, center=0, horizon=0, x_m=0, y_m=1, bend=0)
    box = Prism((-2, 2), (-2, 2), (1, 1), (0, 1.5))

    faces = dict(visible_faces(box, Frame(5, 10, 0), camera))

    assert set(faces) == {"back", "side"}
    assert {corner[0] for corner in faces["side"]} == {4}


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
