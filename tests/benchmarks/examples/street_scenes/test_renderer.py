"""The drawn street scenes: the same from one seed, whole, and with every class in them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.street_scenes.renderer import labels
from examples.street_scenes.renderer.camera import Camera
from examples.street_scenes.renderer.scene import draw_scene
from examples.street_scenes.renderer.solid import Frame, Prism, visible_faces
from segpp.errors import InputError

ROOT = Path(__file__).resolve().parents[4]


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
