"""Sound is copied packet by packet, in time, or said to be dropped."""

import re
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import PictureWarning
from segpp.runtime.media.films.cut import WHOLE, Cut
from segpp.runtime.media.films.film_writer import VideoWriter
from segpp.runtime.media.films.sound import sound_problem
from segpp.runtime.media.items import Frame
from segpp.runtime.media.video import frames
from tests.runtime.media.films.make_films import Film, Seen, av, look_at, make


def copy(path: Path, cut: Cut = WHOLE) -> Seen:
    out = path.with_name("out.mp4")
    with VideoWriter(out, 25, sound=path, whole=not cut.ends) as video:
        for one in frames(path, cut):
            assert isinstance(one, Frame)
            video.write(one.pixels, one.time)
    return look_at(out)


def remade(path: Path, out: Path, seconds: int) -> Path:
    """Copy a film whose clock shows more."""
    with av.open(str(path)) as old, av.open(str(out), "w") as new:
        streams = {one.index: new.add_stream_from_template(one) for one in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.pts += round(seconds / packet.time_base)
                packet.dts += round(seconds / packet.time_base)
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return out


@pytest.mark.parametrize(
    ("ending", "codec"), [("mp4", "aac"), ("mkv", "mp3"), ("mkv", "libopus"), ("mov", "pcm_s16le")]
)
def test_all_of_the_sound_is_copied_as_it_is(ending: str, codec: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{ending}", Film(sound=codec, seconds=1.0))
    before = look_at(path)

    seen = copy(path)

    assert sound_problem(path) is None
    assert b"".join(seen.sounds) == b"".join(before.sounds)
    assert seen.times == pytest.approx(before.times, abs=1e-6)
    # Mp4 counts from where a codec's lead-in ends; a packet is 0.064 s.
    assert seen.sound_times[-1] == pytest.approx(before.sound_times[-1], abs=0.065)


def test_the_sound_of_a_transport_stream_is_repacked(tmp_path: Path) -> None:
    path = make(tmp_path / "a.ts", Film(sound="aac"))

    seen = copy(path)

    assert len(seen.sounds) == len(look_at(path).sounds)
    # Each had a header of seven bytes of its own.
    assert sum(map(len, seen.sounds)) == sum(len(one) - 7 for one in look_at(path).sounds)


def test_damaged_sound_is_told_of_and_ends_no_film(tmp_path: Path) -> None:
    path = make(tmp_path / "a.ts", Film(sound="aac"))
    content = bytearray(path.read_bytes())
    # The header of the eighth packet of sound; each begins with twelve bits that are set.
    at = [match.start() for match in re.finditer(rb"\xff\xf1", content)][8]
    content[at : at + 7] = bytes(7)
    path.write_bytes(content)

    with pytest.warns(PictureWarning, match=r"a\.ts is damaged, and gone in places"):
        seen = copy(path)

    assert seen.times == pytest.approx([number / 25 for number in range(12)], abs=1e-6)
    assert len(seen.sounds) >= 8


def test_a_part_has_the_sound_of_that_part(tmp_path: Path) -> None:
    times = tuple(number / 25 for number in range(100))
    path = make(tmp_path / "a.mp4", Film(sound="aac", seconds=4.0, times=times))

    seen = copy(path, Cut(start=1.0, duration=2.0))

    assert seen.times[0] == 0.0
    assert len(seen.times) == 50
    # A tenth of a second for the decoder to begin with, and a packet of 0.064 s at either end.
    assert -0.165 < seen.sound_times[0] <= 0.0
    assert 1.9 < seen.sound_times[-1] < 2.065


@pytest.mark.parametrize(
    ("name", "codec"),
    # Of PCM, Matroska does not say which channel is which, and mp4 finds that out at its end.
    [("a.avi", "adpcm_ms"), ("a.mkv", "pcm_s16le")],
)
def test_sound_that_mp4_does_not_take_is_told_of(name: str, codec: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, Film(codec="mpeg4", sound=codec))

    assert sound_problem(path) == f"the sound of {path} ({codec}) is dropped: mp4 does not take it"
    assert copy(path).sounds == []


@pytest.mark.parametrize("leap", [0, 90_000])
def test_recordings_behind_one_another_have_the_sound_of_both(leap: int, tmp_path: Path) -> None:
    film = Film(sound="aac", seconds=1.0, times=[number / 25 for number in range(25)])
    content = make(tmp_path / "one.ts", film).read_bytes()
    later = remade(tmp_path / "one.ts", tmp_path / "two.ts", leap).read_bytes()
    (tmp_path / "a.ts").write_bytes(content + later)

    seen = copy(tmp_path / "a.ts")

    assert len(seen.sounds) == 2 * len(look_at(tmp_path / "one.ts").sounds)
    assert seen.sound_times[-1] == pytest.approx(2.0, abs=0.13)
    assert np.diff(seen.sound_times) == pytest.approx(0.064, abs=1e-3)


def test_a_silent_film_stays_silent(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4")

    assert sound_problem(path) is None
    assert copy(path).sounds == []
