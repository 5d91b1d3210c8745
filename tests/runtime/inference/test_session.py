"""One small API over every backend: images in, class numbers out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import (
    CheckError,
    ImageError,
    InputError,
)
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import prepare
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Result, Timing, _concatenate
from tests.helpers.tiny_networks import thirds

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8"])
@pytest.mark.parametrize("size", [(32, 64), (45, 99), (16, 30)], ids=str)
def test_labels_come_at_the_images_own_size(
    network: Network, stripes: Stripes, kind: str, size: tuple[int, int]
) -> None:
    with open_session(network(kind)) as session:
        result = session(stripes(*size))

    [labels] = result.masks
    assert labels.shape == size
    assert labels.dtype == np.uint8
    assert thirds(labels) == [0, 1, 2]


def test_logits_are_resized_straight_to_the_image(network: Network) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)

    with open_session(network()) as session:
        result = session(image, logits=True)

    assert result.logits is not None
    assert result.logits.shape == (1, 3, 8, 16)
    assert (result.masks[0] == resize_argmax(result.logits, (50, 70))[0]).all()


def test_masks_can_be_asked_for_at_sizes_of_their_own(network: Network) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), np.uint8))
    sizes = [(25, 35), (50, 70), (9, 80)]

    with open_session(network(batch=2)) as session:
        result = session(images, logits=True, sizes=sizes)
        with pytest.raises(InputError, match="1 sizes are given for 3 images"):
            session(images, sizes=sizes[:1])

    assert result.logits is not None
    for mask, logits, size in zip(result.masks, result.logits, sizes, strict=True):
        assert (mask == resize_argmax(logits[None], size)[0]).all()


def test_logits_are_returned_only_when_asked(network: Network, stripes: Stripes) -> None:
    with open_session(network()) as session:
        assert session(stripes(32, 64)).logits is None


def test_a_network_of_labels_has_no_logits_to_give(network: Network, stripes: Stripes) -> None:
    with (
        open_session(network("labels")) as session,
        pytest.raises(InputError, match="gives labels, not logits"),
    ):
        session(stripes(32, 64), logits=True)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_any_number_of_images_of_any_size_fits_a_fixed_batch(
    network: Network, stripes: Stripes, batch: int
) -> None:
    images = [stripes(32, 64), stripes(20, 21), stripes(40, 33)[:, ::-1].copy()]

    with open_session(network(batch=batch)) as session:
        result = session(images, logits=True)

    assert [one.shape for one in result.masks] == [(32, 64), (20, 21), (40, 33)]
    assert [thirds(one) for one in result.masks] == [[0, 1, 2], [0, 1, 2], [2, 1, 0]]
    assert result.logits is not None
    assert len(result.logits) == 3


def test_frames_of_one_image_are_stacked_along_the_channels(network: Network) -> None:
    frames = [np.full((32, 64, 3), value, np.uint8) for value in (10, 20, 250)]

    with open_session(network("nine")) as session:
        stacked = session(np.concatenate(frames, axis=2))
        listed = session([frames])

    assert np.unique(stacked.masks[0]).tolist() == [6]
    assert (listed.masks[0] == stacked.masks[0]).all()


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((4, 4), np.uint8), "must be uint8"),
        (np.zeros((4, 4, 3), np.float32), r"not float32 \(4, 4, 3\)"),
        (np.zeros((4, 4, 4), np.uint8), "takes 3 channels"),
        ([], "no image in the batch"),
    ],
)
def test_what_is_no_image_is_refused(network: Network, image: object, problem: str) -> None:
    with open_session(network()) as session, pytest.raises(ImageError, match=problem):
        session(image)  # type: ignore[arg-type]  # the point of the test


def test_run_raw_gives_every_output_untouched(network: Network, stripes: Stripes) -> None:
    with open_session(network("labels")) as session:
        outputs = session.run_raw(prepare([stripes(32, 64)], session.input))

    assert list(outputs) == ["out"]
    assert outputs["out"].dtype == np.int8


def test_run_raw_refuses_another_shape(network: Network) -> None:
    with (
        open_session(network()) as session,
        pytest.raises(InputError, match=r"takes float32 \(1, 3, 32, 64\)"),
    ):
        session.run_raw(np.zeros((1, 3, 64, 32), np.float32))


def test_logits_that_are_no_numbers_are_reported_not_painted(
    network: Network, stripes: Stripes
) -> None:
    with (
        open_session(network("nan")) as session,
        pytest.raises(CheckError, match=r"100\.00% of the network's logits"),
    ):
        session(stripes(32, 64))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[BackendConfig]:
    """How a backend called "any" was opened; it is ONNX Runtime, whatever it is asked for."""
    configs: list[BackendConfig] = []
    exact = BACKENDS["onnxruntime"]

    def open_exact(path: Path, config: BackendConfig) -> Backend:
        configs.append(config)
        return exact.open(path, replace(config, precision="fp32"))

    monkeypatch.setitem(BACKENDS._members, "any", replace(exact, open=open_exact))
    return configs


def test_a_lower_precision_is_compared_once_with_fp32_that_is_not_kept(
    network: Network, stripes: Stripes, opened: list[BackendConfig]
) -> None:
    with open_session(network(), backend="any", precision="bf16", threads=1) as session:
        for _ in range(2):
            session(stripes(32, 64))

    # What is compared with is loaded once, and must not replace what the file's cache holds.
    asked, exact = opened
    assert (asked.precision, asked.cache) == ("bf16", True)
    assert exact == replace(asked, precision="fp32", cache=False)


def test_the_times_of_all_batches_add_up() -> None:
    parts = [Result((), None, Timing(*times)) for times in ((1.0, 2.0, 3.0), (10.0, 20.0, 30.0))]

    assert _concatenate(parts).timing == Timing(11.0, 22.0, 33.0)


def test_run_raw_refuses_another_type(network: Network) -> None:
    with (
        open_session(network()) as session,
        pytest.raises(InputError, match=r"the tensor is float64 .*\n  the network takes float32"),
    ):
        session.run_raw(np.zeros((1, 3, 32, 64)))


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8"])
@pytest.mark.parametrize("size", [(64, 64), (30, 100), (45, 99)], ids=str)
def test_a_letterbox_gives_masks_of_the_whole_image(
    network: Network, stripes: Stripes, kind: str, size: tuple[int, int]
) -> None:
    with open_session(network(kind), fit="letterbox") as session:
        [labels] = session(stripes(*size)).masks

    assert session.manifest.origins["fit"] == "given"
    assert labels.shape == size
    assert thirds(labels) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8"])
def test_a_crop_gives_no_class_outside(network: Network, stripes: Stripes, kind: str) -> None:
    with open_session(network(kind), fit="crop") as session:
        [labels] = session(stripes(32, 192)).masks

    # The middle third of 192 columns, all of it green.
    assert np.unique(labels[:, 64:128]).tolist() == [1]
    assert np.unique(labels[:, [*range(64), *range(128, 192)]]).tolist() == [255]


def test_a_misfit_is_noted_once_for_each_of_three_shapes(
    network: Network, stripes: Stripes
) -> None:
    with open_session(network()) as session:
        session(stripes(32, 66))
        assert session.notes == ()
        session([stripes(40, 40), stripes(40, 30), stripes(40, 40)])
        session(stripes(90, 20))
        assert len(session.notes) == 3
        session([stripes(90, 30), stripes(90, 40)])

    first, second, third, others = session.notes
    assert first.startswith("pictures of 40x40 in a network of 32x64: stretching makes everything")
    assert second.startswith("pictures of 40x30")
    assert third.startswith("pictures of 90x20")
    assert others == "pictures of other shapes do not fit the network either"


def test_pictures_smaller_than_a_tile_are_noted(network: Network, stripes: Stripes) -> None:
    with open_session(network(), tile=True) as session:
        session([stripes(32, 60), stripes(100, 64)])
        assert session.notes == ()
        session([stripes(32, 32), stripes(16, 32)])

    half, quarter = session.notes
    assert half.startswith("pictures of 32x32 in tiles of 32x64: 50% of the network's pixels are")
    assert "75%" in quarter


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", ["logits", "uint8"])
def test_tiles_see_a_large_image_at_its_own_resolution(
    network: Network, batch: int, kind: str
) -> None:
    image = np.zeros((100, 150, 3), np.uint8)
    # Squares of 20 pixels, which would be 8 if the image were resized to 64 columns.
    y, x = np.indices((100, 150)) // 20
    classes = (y + x) % 3
    image[np.arange(100)[:, None], np.arange(150), classes] = 255

    with open_session(network(kind, batch=batch), tile=True, overlap=0.5) as session:
        result = session(image)

    assert session.fit == "tiles 0.5"
    assert session.notes == ()
    assert result.timing.inference_ms > 0
    assert (result.masks[0][10::20, 10::20] == classes[10::20, 10::20]).all()
    # Means of four pixels lie on the borders of squares, nowhere else.
    assert (result.masks[0] == classes).mean() > 0.95


def test_tiles_and_logits_of_the_whole_image_do_not_go_together(
    network: Network, stripes: Stripes
) -> None:
    with (
        open_session(network(), tile=True) as session,
        pytest.raises(InputError, match="in tiles has no logits"),
    ):
        session(stripes(32, 64), logits=True)


def test_tiles_of_a_network_of_labels_are_refused(network: Network) -> None:
    with pytest.raises(InputError, match="gives labels only, and what tiles share is blended"):
        open_session(network("labels"), tile=True)


def test_tiles_with_infinite_logits_are_an_error(network: Network, stripes: Stripes) -> None:
    with (
        open_session(network("nan"), tile=True) as session,
        pytest.raises(CheckError, match="infinite or not a number"),
    ):
        session(stripes(32, 64))
