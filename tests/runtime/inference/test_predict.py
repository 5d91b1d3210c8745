"""The loop over images: in order, batch by batch, past what is damaged."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import CheckError, ImageError
from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.predict import (
    FailedImage,
    Prediction,
    _per_image,
    _shares,
    predict_all,
)
from segpp.runtime.inference.seeing import Seeing
from segpp.runtime.inference.session import Timing
from segpp.runtime.media.items import Frame, ImageItem, ImageName, ImageSource, numbered
from segpp.runtime.media.looks.base import Segmented
from segpp.runtime.media.sources import find_source

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


def write(named: ImageName, shown: Segmented) -> list[Path]:
    assert shown.image.shape[:2] == shown.labels.shape
    return [Path(f"{named.name}.png")]


def outcomes(network: Path, text: str) -> list[Prediction | FailedImage]:
    with open_session(network, threads=1) as session:
        return list(predict_all(Seeing(session), find_source(text), write))


@pytest.fixture
def street(tmp_path: Path, stripes: Stripes) -> Path:
    """A folder of three images of two sizes, the second of them damaged."""
    folder = tmp_path / "street"
    folder.mkdir()
    Image.fromarray(stripes(48, 90)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"broken")
    Image.fromarray(stripes(30, 60)).save(folder / "c.png")
    return folder


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_every_image_is_predicted_or_named_as_failed(
    network: Network, street: Path, batch: int
) -> None:
    found = outcomes(network(batch=batch), str(street))

    assert {one.item.name: type(one) for one in found} == {
        "a": Prediction, "b": FailedImage, "c": Prediction,
    }  # fmt: skip
    first, last = (one for one in found if isinstance(one, Prediction))
    assert (first.size, last.size) == ((48, 90), (30, 60))
    assert first.outputs == [Path("a.png")]
    # Thirds of red, green and blue; the network is a quarter of the image's size.
    assert first.shares == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=0.05)
    assert sum(first.shares) == pytest.approx(1.0)


def test_images_of_one_batch_share_its_time_equally(network: Network, street: Path) -> None:
    found = outcomes(network(batch=2), str(street))

    first, last = (one.timing for one in found if isinstance(one, Prediction))
    assert first == last
    assert min(first.preprocess_ms, first.inference_ms, first.postprocess_ms) > 0


def test_the_only_image_that_cannot_be_read_is_an_error(network: Network, street: Path) -> None:
    with pytest.raises(ImageError, match=r"b\.png is not an image"):
        outcomes(network(), str(street / "b.png"))


def test_a_source_without_files_is_predicted_frame_by_frame(
    network: Network, stripes: Stripes
) -> None:
    """As a camera is: frames from no file, and no count."""
    frames = [Frame(stripes(48, 90)), ImageError("a frame was lost"), Frame(stripes(30, 60))]
    camera = ImageSource("video", "camera 0", lambda: numbered("camera 0", frames), rate=30.0)

    with open_session(network(), threads=1) as session:
        found = list(predict_all(Seeing(session), camera, write))

    assert [(one.item.name, type(one)) for one in found] == [
        ("frame-000001", Prediction),
        ("frame-000002", FailedImage),
        ("frame-000003", Prediction),
    ]


def test_a_frame_that_is_lost_at_the_end_ends_nothing(network: Network, stripes: Stripes) -> None:
    frames = [Frame(stripes(48, 90)), ImageError("a frame was lost")]
    camera = ImageSource("video", "camera 0", lambda: numbered("camera 0", frames), rate=30.0)

    with open_session(network(), threads=1) as session:
        found = list(predict_all(Seeing(session), camera, write))

    assert [type(one) for one in found] == [Prediction, FailedImage]


def test_every_time_of_a_batch_is_shared_by_its_images() -> None:
    assert _per_image(Timing(2.0, 4.0, 6.0), 2) == Timing(1.0, 2.0, 3.0)


def test_the_time_of_an_engine_is_the_gpus_and_not_the_wait_for_another_call() -> None:
    device = DeviceTimes(0.5, 2.0, 0.5, cuda_graph=True, shared_memory=False)

    assert _per_image(Timing(2.0, 9.0, 6.0, device), 2) == Timing(1.0, 1.5, 3.0)


def test_shares_are_of_all_pixels_those_without_a_class_too() -> None:
    labels = np.array([[0, 1, 1, 255]], np.uint8)

    assert _shares(labels, 3) == (0.25, 0.5, 0.0)


def test_a_source_without_files_and_frames_is_named(network: Network) -> None:
    camera = ImageSource("video", "camera 0", lambda: numbered("camera 0", []), rate=30.0)

    with (
        open_session(network(), threads=1) as session,
        pytest.raises(ImageError, match="the video camera 0 has no frames"),
    ):
        list(predict_all(Seeing(session), camera, write))


@pytest.mark.parametrize("overlapped", [True, False])
def test_frames_come_in_order_and_keep_their_times(
    network: Network, stripes: Stripes, *, overlapped: bool
) -> None:
    frames = [Frame(stripes(48, 90), number / 10) for number in range(20)]
    film = ImageSource("video", "a.mp4", lambda: numbered("a.mp4", frames), rate=10.0)

    with open_session(network(batch=3), threads=1) as session:
        found = list(predict_all(Seeing(session), film, write, overlapped=overlapped))

    assert [one.item.time for one in found] == [number / 10 for number in range(20)]


def test_an_error_of_the_network_reaches_the_caller(network: Network, stripes: Stripes) -> None:
    film = ImageSource("video", "a.mp4", lambda: numbered("a.mp4", [Frame(stripes(48, 90))]))

    with (
        open_session(network("nan"), threads=1) as session,
        pytest.raises(CheckError, match="infinite or not a number"),
    ):
        list(predict_all(Seeing(session), film, write))


def test_the_memory_of_a_film_does_not_grow_with_its_frames(network: Network) -> None:
    """Of each frame a few numbers are kept; its pixels are 2.6 MiB."""
    size, count = (720, 1280), 60

    def film() -> Iterator[ImageItem]:
        return numbered("a.mp4", (Frame(np.zeros((*size, 3), np.uint8)) for _ in range(count)))

    def kept(_named: ImageName, _shown: Segmented) -> list[Path]:
        return []

    with open_session(network(), threads=1) as session:
        source = ImageSource("video", "a.mp4", film)
        tracemalloc.start()
        try:
            outcomes, sizes = [], []
            for one in predict_all(Seeing(session), source, kept):
                outcomes.append(one)
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()

    assert len(outcomes) == count
    # The same few frames are in flight at the 20th and at the 60th; five would be 13 MiB.
    assert max(sizes[-20:]) - max(sizes[:20]) < 5 * 3 * size[0] * size[1]
    assert max(sizes) < 15 * 3 * size[0] * size[1]
