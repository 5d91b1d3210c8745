"""What is opened as a film, and what a film may not open."""

from pathlib import Path

import pytest

from segpp.errors import ImageError
from segpp.runtime.media.films.container import open_film, rate_of, stream_of
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.items import Frame
from segpp.runtime.media.video import frames, probe
from tests.runtime.media.films.make_films import CONTAINERS, make, make_song

SECONDS = [number / 25 for number in range(12)]


@pytest.mark.parametrize("ending", CONTAINERS)
def test_every_kind_of_film_is_read_frame_by_frame(ending: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{ending}", CONTAINERS[ending])

    found = list(frames(path))

    assert [one for one in found if isinstance(one, ImageError)] == []
    times = [one.time or 0.0 for one in found if isinstance(one, Frame)]
    # MPEG's program streams begin half a second late, and raw ones have no times of their own.
    assert [time - times[0] for time in times] == pytest.approx(SECONDS, abs=1e-6)


@pytest.mark.parametrize("ending", CONTAINERS)
def test_a_part_is_the_same_frames_whether_it_can_be_sought_or_not(
    ending: str, tmp_path: Path
) -> None:
    path = make(tmp_path / f"a.{ending}", CONTAINERS[ending])
    whole = [one for one in frames(path) if isinstance(one, Frame)]

    part = list(frames(path, Cut(start=0.28, duration=0.16, every=2)))

    # The frames at 0.28 and 0.36 s; lossless films aside, the bar in them tells which they are.
    assert len(part) == 2
    for one, number in zip(part, (7, 9), strict=True):
        assert isinstance(one, Frame)
        assert one.time == pytest.approx(whole[number].time)
        assert (one.pixels == whole[number].pixels).all()


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        ";FFMETADATA1\ntitle=x\n",
        "\x1b[2J\x1b[31mhello\n" * 100,
    ],
    ids=["concat", "hls", "sdp", "metadata", "ansi"],
)
@pytest.mark.parametrize("ending", ["mp4", "txt"])
def test_a_list_of_other_files_and_a_text_are_no_films(
    text: str, ending: str, tmp_path: Path
) -> None:
    make(tmp_path / "other.mp4")
    path = tmp_path / f"a.{ending}"
    path.write_text(text)

    with pytest.raises(ImageError, match="is damaged"), open_film(path):
        pass


def test_a_rate_that_no_film_has_is_not_believed(tmp_path: Path) -> None:
    """FFmpeg reads 60,000 frames a second out of this one."""
    path = make(tmp_path / "a.dv", CONTAINERS["dv"])

    with open_film(path) as container:
        assert rate_of(stream_of(container)) == 25


def test_a_song_with_a_cover_is_no_film(tmp_path: Path) -> None:
    path = make_song(tmp_path / "a.mp4")

    with pytest.raises(ImageError, match="holds no pictures but the cover of its sound"):
        probe(path)
