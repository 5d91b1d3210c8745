"""Videos frame by frame, in and out."""

import sys
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import ImageError, MissingError
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.items import Frame, ImageItem
from segpp.runtime.media.sources import find_source
from segpp.runtime.media.video import VideoWriter, probe
from segpp.runtime.media.video import frames as read_frames

av = pytest.importorskip("av", reason="PyAV (segpp[video]) reads videos")

GREYS = (20, 90, 160, 230)


def frames(path: Path) -> list[np.ndarray]:
    return [one.pixels for one in read_frames(path) if isinstance(one, Frame)]


def film(path: Path, *, size: tuple[int, int] = (48, 64), count: int = 4) -> Path:
    with VideoWriter(path, 12.5) as video:
        for number in range(count):
            image = np.full((*size, 3), GREYS[number % 4], np.uint8)
            image[: size[0] // 4, : size[1] // 4] = 255  # top left
            video.write(image)
    return path


@pytest.mark.parametrize("size", [(48, 64), (47, 63)], ids=str)
def test_what_is_written_is_read_again(tmp_path: Path, size: tuple[int, int]) -> None:
    path = film(tmp_path / "a.mp4", size=size)

    images = list(frames(path))

    assert probe(path).frames == 4
    assert probe(path).rate == pytest.approx(12.5)
    # Halved colour planes take even sides; odd ones repeat their last row and column.
    assert [image.shape for image in images] == [(48, 64, 3)] * 4
    # Lossy: 8 of 255 is far below the 70 between the greys.
    assert [int(image[-4, -4, 0]) for image in images] == pytest.approx(GREYS, abs=8)


@pytest.mark.parametrize(
    ("size", "shown"),
    # Twice as wide: a quarter of the rows is black above and below; twice as high: beside it.
    [((32, 64), (slice(8, 40), slice(0, 64))), ((96, 64), (slice(0, 48), slice(16, 48)))],
    ids=str,
)
def test_a_picture_of_another_size_keeps_its_shape(
    size: tuple[int, int], shown: tuple[slice, slice], tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        for one in ((48, 64), size):
            video.write(np.full((*one, 3), 200, np.uint8))

    _, second = frames(tmp_path / "a.mp4")

    expected = np.zeros((48, 64), np.uint8)
    expected[shown] = 200
    # Lossy, most at the edge of a bar.
    assert np.abs(second[..., 1].astype(int) - expected).mean() < 4


@pytest.mark.parametrize(("lasting", "seconds"), [(None, 0.12), (3.0, 3.08), (0.01, 0.09)])
def test_the_last_picture_stays_as_long_as_it_did(
    lasting: float | None, seconds: float, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        for number in range(3):
            stay = lasting if number == 2 else 0.04
            video.write(np.zeros((48, 64, 3), np.uint8), number / 25, stay)

    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(seconds, abs=1e-3)
    # And is told when it is read again, of a whole film alone.
    *_, last = read_frames(tmp_path / "a.mp4")
    *_, cut = read_frames(tmp_path / "a.mp4", Cut(frames=3))
    assert isinstance(last, Frame)
    assert last.lasting == pytest.approx(seconds - 0.08)
    assert isinstance(cut, Frame)
    assert cut.lasting is None


def test_no_stay_is_longer_than_an_mp4_can_tell(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        video.write(np.zeros((48, 64, 3), np.uint8), 0.0, 1e9)

    assert len(frames(tmp_path / "a.mp4")) == 1


def test_an_encoder_of_last_resort_writes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segpp.runtime.media.films.film_writer._ENCODERS", ("nonesuch", "mpeg4"))

    images = list(frames(film(tmp_path / "a.mp4")))

    assert [int(image[-4, -4, 0]) for image in images] == pytest.approx(GREYS, abs=8)


def test_a_wheel_without_any_encoder_is_missing_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segpp.runtime.media.films.film_writer._ENCODERS", ("nonesuch",))

    with pytest.raises(MissingError, match="no encoder for mp4"):
        film(tmp_path / "a.mp4")


def test_frames_of_another_size_are_fitted_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
        video.write(np.full((96, 128, 3), 200, np.uint8))

    assert [image.shape for image in frames(path)] == [(48, 64, 3)] * 2


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        # 16.16 fixed point, the first four of the nine: a b (u) c d (v)
        ((1, 0, 0, 1), (0, 0)),
        ((0, 1, -1, 0), (0, 1)),  # shown a quarter clockwise: top left goes top right
        ((-1, 0, 0, -1), (1, 1)),
        ((0, -1, 1, 0), (1, 0)),
    ],
)
def test_a_phones_turn_is_honoured(
    tmp_path: Path, matrix: tuple[int, ...], corner: tuple[int, int]
) -> None:
    """The turn stands in the track header, 40 bytes after its name (ISO 14496-12, 8.3.2)."""
    path = film(tmp_path / "a.mp4", count=1)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    for value, offset in zip(matrix, (0, 4, 12, 16), strict=True):
        content[at + offset : at + offset + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(content)

    [image] = frames(path)

    assert image.shape == ((48, 64, 3) if matrix[0] else (64, 48, 3))
    corners = image[[[4], [-4]], [[4, -4]], 0]
    assert np.unravel_index(corners.argmax(), (2, 2)) == corner


def test_a_video_counts_and_numbers_its_frames(tmp_path: Path) -> None:
    source = find_source(str(film(tmp_path / "a.mp4")))

    assert (source.kind, source.count, source.rate) == ("video", 4, pytest.approx(12.5))
    assert [item.name for item in source.items()][:2] == ["frame-000001", "frame-000002"]


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4"])
def test_damage_in_a_video_costs_its_frames_and_no_others(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    whole = noise_film(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(3000) + whole[middle + 3000 :])

    read, failed = read_all(path)

    # Every frame is about 1,100 bytes and stands alone; the container may hide some losses.
    assert 14 <= read < 20
    assert failed >= 1


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_a_video_that_breaks_off_says_so_after_its_last_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    whole = noise_film(path)
    path.write_bytes(whole[: len(whole) // 2])

    read, failed = read_all(path)

    assert 1 <= read < 12
    assert failed >= 1


def test_a_whole_video_has_no_complaints(tmp_path: Path) -> None:
    noise_film(tmp_path / "a.mkv")

    assert read_all(tmp_path / "a.mkv") == (20, 0)


def noise_film(path: Path) -> bytes:
    """Twenty frames, each of its own, so that damage stays where it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 1
        for image in np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def read_all(path: Path) -> tuple[int, int]:
    images = [load(item) for item in find_source(str(path)).items()]
    return sum(images), len(images) - sum(images)


def load(item: ImageItem) -> bool:
    try:
        item.load()
    except ImageError:
        return False
    return True


@pytest.mark.parametrize(
    "content",
    [b"not a video\n" * 100, bytes(5000), b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"],
)
def test_what_is_no_video_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)

    with pytest.raises(ImageError, match=r"a\.mp4 is damaged") as caught:
        find_source(str(path))

    assert "Errno" not in str(caught.value)


def test_a_playlist_in_disguise_opens_no_other_file(tmp_path: Path) -> None:
    """HLS names other files; only containers that hold their own pictures are demuxed."""
    film(tmp_path / "other.mp4")
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n")

    with pytest.raises(ImageError, match=r"list\.mp4 is damaged"):
        probe(path)


def test_a_container_without_pictures_is_said(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))

    with pytest.raises(ImageError, match="holds no pictures"):
        probe(path)


def test_without_pyav_a_video_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(MissingError, match=r"pip install 'segpp\[video\]'"):
        find_source(str(path))


# Seconds; a second apart, then close together, as a camera in the dark and in the light.
UNEVEN = (0.0, 1.0, 2.0, 2.04, 2.08, 2.5)


def times(path: Path) -> list[float]:
    found = [one.time for one in read_frames(path) if isinstance(one, Frame)]
    assert None not in found
    return found  # type: ignore[return-value]  # none of them is None


def test_a_film_of_a_varying_rate_keeps_the_time_of_every_frame(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        for number, moment in enumerate(UNEVEN):
            # A film that starts later than at 0 starts at 0 here.
            video.write(np.full((48, 64, 3), GREYS[number % 4], np.uint8), moment + 7)

    # Half a tick of the clock, a 60,000th of a second.
    assert times(tmp_path / "a.mp4") == pytest.approx(UNEVEN, abs=1e-5)
    # The last frame lasts as long as one at the usual rate.
    assert probe(tmp_path / "a.mp4").rate == pytest.approx(len(UNEVEN) / (2.5 + 0.04), rel=1e-3)


def test_frames_of_one_time_or_an_earlier_one_are_all_there(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        for moment in (0.0, 0.0, 0.5, 0.2, 0.6):
            video.write(np.zeros((48, 64, 3), np.uint8), moment)

    found = times(tmp_path / "a.mp4")
    assert len(found) == 5
    assert found == sorted(set(found))


def test_the_rate_of_television_comes_out_even(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 30000 / 1001) as video:
        for _ in range(4):
            video.write(np.zeros((48, 64, 3), np.uint8))

    assert times(tmp_path / "a.mp4") == pytest.approx(
        [n * 1001 / 30000 for n in range(4)], abs=1e-9
    )
