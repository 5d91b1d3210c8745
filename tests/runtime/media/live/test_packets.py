"""What PyAV opens: its limits, and what is told of its failures."""

import io
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.runtime.media.live import packets
from segpp.runtime.media.live.packets import open_packets
from tests.runtime.media.films.make_films import Film, make
from tests.runtime.media.live.streams import mpegts_of

pytest.importorskip("av", reason="PyAV (segpp[video]) reads streams")

OPTIONS = {"protocol_whitelist": "", "format_whitelist": packets.CONTAINERS}


def opened(content: bytes) -> packets.PacketReader:
    return open_packets(io.BytesIO(content), "it", OPTIONS, timeout=5)


def test_every_frame_comes_with_the_moment_of_its_coming() -> None:
    reader = opened(mpegts_of([np.full((48, 64, 3), 99, np.uint8)] * 10))
    found = list(reader.pictures())
    reader.close()

    assert reader.rate == pytest.approx(25)
    assert len(found) == 10
    assert [one.captured for one in found] == sorted(one.captured for one in found)
    assert found[0].pixels().shape == (48, 64, 3)


def test_a_stream_joined_in_the_middle_loses_what_is_damaged_alone() -> None:
    content = bytearray(mpegts_of([np.full((48, 64, 3), 9 * n, np.uint8) for n in range(20)]))
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)

    reader = opened(bytes(content))

    assert 10 <= len(list(reader.pictures())) < 20


def test_a_header_that_claims_too_many_pixels_gets_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = mpegts_of([np.zeros((480, 640, 3), np.uint8)] * 9)
    monkeypatch.setitem(packets._DECODING, "max_pixels", str(480 * 640 // 2))

    with pytest.raises(ImageError, match="it broke off"):
        list(opened(content).pictures())


def test_sound_beside_the_pictures_is_known(tmp_path: Path) -> None:
    loud = make(tmp_path / "a.ts", Film(sound="aac")).read_bytes()
    silent = make(tmp_path / "b.ts").read_bytes()

    assert opened(loud).is_heard
    assert not opened(silent).is_heard


def test_what_is_no_container_is_said() -> None:
    with pytest.raises(ImageError, match="it cannot be opened\n  Invalid data"):
        opened(b"no video" * 1000)
