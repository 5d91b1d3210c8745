"""Streams by RTSP, from a server of a few lines that speaks it for real."""

import time

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.runtime.media.live import rtsp
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.sources import find_source
from tests.runtime.media.live.streams import RtspStream, mpegts_of, served
from tests.runtime.media.live.streams import rtp as packets

pytest.importorskip("av", reason="PyAV (segpp[video]) reads streams")

GREYS = [np.full((48, 64, 3), 20 * (number % 10), np.uint8) for number in range(50)]


def test_a_stream_is_read_over_one_connection() -> None:
    server = RtspStream([packets(mpegts_of(GREYS), seconds=3)])
    with served(server) as url:
        source = find_source(url, LiveConfig(timeout=5))
        found = [item.load().shape for item, _ in zip(source.items(), range(3), strict=False)]
        source.close()

    assert found == [(48, 64, 3)] * 3
    assert source.rate == pytest.approx(25)
    assert b"RTP/AVP/TCP" in next(one for one in server.requests if one.startswith(b"SETUP"))


def test_a_stream_that_stalls_is_a_break() -> None:
    with served(RtspStream([packets(mpegts_of(GREYS), seconds=1, then=30)])) as url:
        source = find_source(url, LiveConfig(timeout=2, reconnect=0))
        start = time.monotonic()
        *_, last = source.items()
        with pytest.raises(ImageError, match=r"gave no frame for 2 s|broke off"):
            last.load()
        source.close()

    # The server is silent for thirty.
    assert time.monotonic() - start < 20


def test_nobody_there_and_nobody_answering_are_errors_in_time() -> None:
    with pytest.raises(ImageError, match=r"cannot be opened\n  Connection refused"):
        find_source("rtsp://me:secret@127.0.0.1:1/live")

    class Silent(RtspStream):
        def talk(self, connection: object, script: object) -> None:  # type: ignore[override]
            del connection, script
            self.stopped.wait(30)

    start = time.monotonic()
    with (
        served(Silent([lambda _connection: None])) as url,
        pytest.raises(ImageError, match=r"gave no answer for 0\.5 s"),
    ):
        find_source(url, LiveConfig(timeout=0.5))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:se@cret@host:554/a?b=c", "rtsp://host:554/a?b=c"),
        ("http://host/a", "http://host/a"),
    ],
)
def test_a_password_is_not_shown(address: str, shown: str) -> None:
    assert rtsp.without_password(address) == shown
