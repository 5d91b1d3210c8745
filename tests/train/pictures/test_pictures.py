"""What is learned from and what is chosen by share no neighbours; batches follow from steps."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import ImageError, InputError, PictureWarning
from segpp.images.preprocess import load_image
from segpp.manifest import InputSpec
from segpp.train.pictures.alike import ALIKE, mean_difference
from segpp.train.pictures.augment import augmented
from segpp.train.pictures.batches import Batches
from segpp.train.pictures.find import digest_of, find_pictures
from segpp.train.pictures.reading import Reader, network_input, readable
from segpp.train.pictures.split import split

SPEC = InputSpec(
    "image", (1, 3, 64, 64), "float32", "NCHW", "RGB", (120.0,) * 3, (60.0,) * 3, fit="letterbox"
)
Film = Callable[..., Path]


# --- found


def test_pictures_are_in_the_order_of_a_film_and_each_once(film: Film) -> None:
    folder = film()

    found, left_out = find_pictures([str(folder / "frame_003.png"), str(folder), str(folder)])

    assert [path.name for path in found] == [f"frame_{n:03}.png" for n in range(12)]
    assert left_out == ()


def test_an_empty_file_is_left_out_and_told(film: Film) -> None:
    folder = film()
    (folder / "frame_005.png").write_bytes(b"")

    found, left_out = find_pictures([str(folder)])

    assert len(found) == 11
    assert left_out == (f"left out: image {folder / 'frame_005.png'} is empty",)


def test_few_pictures_are_too_few(film: Film) -> None:
    with pytest.raises(InputError, match=r"7 picture\(s\) are too few to train with"):
        find_pictures([str(film(count=7))])


def test_other_pictures_have_another_digest(film: Film) -> None:
    paths = sorted(film().iterdir())

    assert digest_of(paths) == digest_of(paths)
    assert digest_of(paths) != digest_of(paths[1:])


# --- split


@pytest.mark.parametrize("count", [8, 9, 12, 49, 50, 51, 100, 367, 2000])
def test_the_parts_share_nothing_and_runs_have_gaps_around_them(count: int) -> None:
    parts = split(range(count), 0.15)

    held, learned = set(parts.held), set(parts.learned)
    assert not held & learned
    assert len(held) == min(max(round(0.15 * count), 2), 200)
    assert len(learned) + len(held) + parts.beside == count
    assert bool(parts.beside) is (count >= 50)
    if count >= 50:
        assert not {frame + 1 for frame in held} & learned
        assert not {frame - 1 for frame in held} & learned


def test_what_is_held_back_is_runs_from_everywhere() -> None:
    held = split(range(1000), 0.15).held

    starts = [frame for frame in held if frame - 1 not in held]
    assert len(starts) == 8
    assert {start // 125 for start in starts} == set(range(8))


# --- read


def test_a_small_picture_is_what_the_exported_file_takes(film: Film) -> None:
    path = next(film().iterdir())
    reader = Reader(SPEC)

    assert np.array_equal(network_input(reader(path), SPEC), reader.whole(path))


def test_a_large_picture_is_kept_small_and_looks_alike(tmp_path: Path, film: Film) -> None:
    path = tmp_path / "large.png"
    load = next(film().iterdir())
    with Image.open(load) as frame:
        frame.resize((960, 640), Image.Resampling.BICUBIC).save(path)
    reader = Reader(SPEC)

    small = reader(path)

    assert small.shape == (64, 96, 3)
    # Box and bilinear filter differ at edges; a picture that was cut or turned differs by more.
    assert np.abs(network_input(small, SPEC) - reader.whole(path)).mean() < 0.1


def test_an_unreadable_picture_is_left_out_with_a_warning(film: Film) -> None:
    folder = film()
    paths = sorted(folder.iterdir())
    paths[2].write_bytes(b"\x89PNG no picture")

    with pytest.warns(PictureWarning, match=r"left out: .*frame_002\.png"):
        kept = readable(paths, SPEC)

    assert kept == (*paths[:2], *paths[3:])


# --- varied


def test_the_same_generator_varies_a_picture_the_same(film: Film) -> None:
    picture = load_image(next(film().iterdir()))

    one, same, other = (augmented(picture, np.random.default_rng(n)) for n in (1, 1, 2))

    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_variations_are_mild_and_of_every_kind() -> None:
    ramp = np.tile(np.linspace(40, 200, 90, dtype=np.uint8)[None, :, None], (60, 1, 3))

    made = [augmented(ramp, np.random.default_rng(n)) for n in range(50)]

    mirrored = [one[:, 0].mean() > one[:, -1].mean() for one in made]
    assert {True, False} == set(mirrored)
    assert all(one.shape[0] >= 40 and one.shape[1] >= 60 for one in made)
    means = [one.mean() for one in made]
    assert 60 < min(means) < max(means) < 190


@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_of_other_channels_are_varied_too(channels: int) -> None:
    picture = np.full((20, 30, channels), 128, np.uint8)

    assert augmented(picture, np.random.default_rng(0)).shape[2] == channels


# --- batches


def test_a_batch_follows_from_its_step_alone(film: Film) -> None:
    paths = sorted(film().iterdir())
    batches = Batches(paths, Reader(SPEC), 4, seed=7)

    with batches.from_step(0) as running:
        first = list(islice(running, 5))
    with Batches(paths, Reader(SPEC), 4, seed=7).from_step(3) as running:
        later = list(islice(running, 2))

    for one, same in zip(first[3:], later, strict=True):
        assert np.array_equal(one.images, same.images)
    assert not np.array_equal(first[0].images, first[3].images)


def test_every_picture_comes_once_in_an_epoch(film: Film) -> None:
    paths = sorted(film().iterdir())
    batches = Batches(paths, Reader(SPEC), 4, seed=7)

    epochs = [[batches._path(place) for place in range(n, n + 12)] for n in (0, 12)]

    assert [sorted(epoch) for epoch in epochs] == [paths, paths]
    assert epochs[0] != epochs[1]


def test_processes_have_a_part_each_of_the_same_batch(film: Film) -> None:
    paths = sorted(film().iterdir())
    whole = Batches(paths, Reader(SPEC), 4, seed=7).at(2)

    parts = [Batches(paths, Reader(SPEC), 4, 7, rank, 2).at(2) for rank in range(2)]

    assert np.array_equal(whole.images, np.concatenate([part.images for part in parts]))


def test_for_a_picture_that_cannot_be_read_another_stands_in(film: Film) -> None:
    paths = sorted(film().iterdir())
    paths[4].write_bytes(b"\x89PNG no picture")
    batches = Batches(paths, Reader(SPEC), 4, seed=7)

    with pytest.warns(PictureWarning, match="left out") as told:
        made = [batches.at(step) for step in range(6)]

    assert {batch.images.shape for batch in made} == {(4, 3, 64, 64)}
    assert len(told) == 1


def test_where_none_can_be_read_it_ends(film: Film) -> None:
    paths = sorted(film().iterdir())
    for path in paths:
        path.write_bytes(b"\x89PNG no picture")

    with pytest.warns(PictureWarning), pytest.raises(ImageError):
        Batches(paths, Reader(SPEC), 4, seed=7).at(0)


# --- all alike


def test_frames_of_a_camera_that_stands_are_all_alike(film: Film) -> None:
    moving = sorted(film("moving").iterdir())
    standing = [moving[0]] * 6

    assert mean_difference(moving, Reader(SPEC)) > 2 * ALIKE
    assert mean_difference(standing, Reader(SPEC)) < ALIKE
