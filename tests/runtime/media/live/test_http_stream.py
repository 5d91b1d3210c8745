"""Streams by HTTP: what is read, and everything that a server can answer instead."""

import base64
import signal
import threading
import time

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.runtime.media.items import ImageSource
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.sources import find_source
from tests.runtime.media.live import streams
from tests.runtime.media.live.streams import (
    Connection,
    HttpStream,
    Script,
    answer,
    mp4_of,
    mpegts_of,
    served,
)

pytest.importorskip("av", reason="PyAV (segpp[video]) reads streams")

GREYS = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(1, 11)]


def read(source: ImageSource, count: int) -> list[int]:
    found = []
    try:
        for item in source.items():
            found.append(int(item.load()[0, 0, 0]))
            if len(found) == count:
                break
    finally:
        source.close()
    return found


def test_jpegs_of_a_camera_are_read_as_they_come() -> None:
    with served(HttpStream([streams.frames(GREYS, times=20)])) as url:
        source = find_source(url, LiveConfig(timeout=5))
        found = read(source, 5)

    assert source.kind == "video"
    assert source.files == ()
    # JPEG at quality 95 changes an even grey by one at most.
    assert all(min(abs(grey - 20 * n) for n in range(1, 11)) <= 1 for grey in found)
    assert len(set(found)) > 1


def test_mpeg_ts_is_read_too() -> None:
    content = mpegts_of(GREYS * 5)

    def play(connection: Connection) -> None:
        connection.send(answer("200 OK", "Content-Type: video/mp2t"))
        for at in range(0, len(content), 1880):
            connection.send(content[at : at + 1880])
            connection.pause(0.02)

    with served(HttpStream([play])) as url:
        assert len(read(find_source(url, LiveConfig(timeout=5)), 3)) == 3


def test_mpeg_ts_is_read_whatever_its_server_calls_it() -> None:
    # Python's http.server goes by Qt's files of translations, which end in .ts too.
    head = answer("200 OK", "Content-Type: text/vnd.trolltech.linguist")
    server = HttpStream([lambda connection: connection.send(head + mpegts_of(GREYS * 5))])
    with served(server) as url:
        assert len(read(find_source(url, LiveConfig(timeout=5)), 3)) == 3


@pytest.mark.parametrize("flags", ["", "frag_keyframe+empty_moov"])
def test_an_mp4_is_read_if_its_index_comes_first(flags: str) -> None:
    head = answer("200 OK", "Content-Type: video/mp4")
    film = mp4_of(GREYS * 5, flags)
    server = HttpStream([lambda connection: connection.send(head + film)])
    with served(server) as url:
        if flags:
            assert read(find_source(url, LiveConfig(timeout=5)), 1)
            return
        with pytest.raises(ImageError, match="index lies at its end") as caught:
            find_source(url, LiveConfig(timeout=5))

    assert "download it" in str(caught.value)


def test_a_stream_that_ends_in_order_has_ended_where_nobody_wants_it_again() -> None:
    with served(HttpStream([streams.frames(GREYS)])) as url:
        source = find_source(url, LiveConfig(timeout=5, reconnect=0))
        greys = [int(item.load()[0, 0, 0]) for item in source.items()]
        source.close()

    assert greys


def test_a_stream_that_breaks_comes_back() -> None:
    said: list[str] = []
    scripts = [streams.frames(GREYS[:3]), streams.frames(GREYS[5:], times=50)]
    with served(HttpStream(scripts)) as url:
        config = LiveConfig(timeout=5, after_break=said.append)
        source = find_source(url, config)
        found = read(source, 12)

    # 60 is the third grey; what comes after the break is 120 and more.
    assert found[-1] > 110
    assert source.live is not None
    assert source.live.breaks == 1
    assert said[0] == f"{url} ended; opened again in 0.5 s"
    assert said[1] == f"{url} is back"


def test_a_stream_that_stalls_is_a_break() -> None:
    with served(HttpStream([streams.frames(GREYS, then=30)])) as url:
        source = find_source(url, LiveConfig(timeout=0.5, reconnect=0))
        start = time.monotonic()
        *_, last = source.items()
        with pytest.raises(ImageError, match=r"gave no frame for 0\.5 s|broke off"):
            last.load()
        source.close()

    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (answer("404 Not Found"), "answers 404 Not Found"),
        (answer("200 OK", "Content-Type: text/html", body=b"<p>"), "text/html, no pictures"),
        (answer("200 OK", "Content-Type: application/vnd.apple.mpegurl"), "is a playlist"),
        (answer("200 OK", "Content-Type: application/dash+xml"), "is a playlist"),
        (answer("200 OK", "Content-Type: video/mp2t", body=b"no video" * 999), "cannot be opened"),
        (answer("302 Found", "Location: http://localhost:9/"), "leads to another address"),
        (answer("302 Found", "Location: file:///etc/passwd"), "not allowed"),
        (b"no HTTP at all\r\n\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
)
def test_what_is_no_stream_is_said_in_a_sentence(given: bytes, says: str) -> None:
    server = HttpStream([lambda connection: connection.send(given)])
    with served(server) as url, pytest.raises(ImageError, match=says):
        find_source(url, LiveConfig(timeout=2))


@pytest.mark.parametrize("kind", ["video/mp2t", "application/octet-stream", "video/mp4"])
def test_a_playlist_in_disguise_opens_no_file_and_no_address(kind: str) -> None:
    inner = HttpStream([streams.frames(GREYS)])
    with served(inner) as target:
        lines = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
        body = lines.format(target).encode()
        server = HttpStream(
            [
                lambda connection: connection.send(
                    answer("200 OK", f"Content-Type: {kind}", body=body)
                )
            ]
        )
        with served(server) as url, pytest.raises(ImageError, match="cannot be opened"):
            find_source(url, LiveConfig(timeout=2))

    assert inner.requests == []


def test_nobody_there_and_nobody_answering_are_errors_in_time() -> None:
    with pytest.raises(ImageError, match="does not answer\n  Connection refused"):
        find_source("http://127.0.0.1:1/live")
    start = time.monotonic()
    server = HttpStream([lambda connection: connection.pause(30)])
    with served(server) as url, pytest.raises(ImageError, match="timed out"):
        find_source(url, LiveConfig(timeout=0.5))

    assert time.monotonic() - start < 5


def test_a_password_is_sent_to_who_asks_and_shown_to_nobody() -> None:
    def ask(connection: Connection) -> None:
        connection.send(answer("401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"'))

    server = HttpStream([ask, streams.frames(GREYS, times=20)])
    with served(server) as url:
        source = find_source(url.replace("//", "//me:se%20cret@"), LiveConfig(timeout=5))
        read(source, 1)

    assert source.name == url
    assert b"uthorization" not in server.requests[0]
    assert base64.b64encode(b"me:se cret") in server.requests[1]


def test_a_wrong_password_is_not_in_the_message() -> None:
    def ask(connection: Connection) -> None:
        connection.send(answer("401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"'))

    with served(HttpStream([ask])) as url, pytest.raises(ImageError, match="answers 401") as caught:
        find_source(url.replace("//", "//me:secret@"), LiveConfig(timeout=5))

    assert "secret" not in str(caught.value)


def drip(content: bytes, *, first: bytes = b"") -> Script:
    """Send a byte every tenth of a second: every one in time, and all of them never."""

    def play(connection: Connection) -> None:
        connection.send(first)
        for byte in content * 1000:
            connection.send(bytes([byte]))
            connection.pause(0.1)

    return play


def endless_continue(connection: Connection) -> None:
    while not connection.stopped.is_set():
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
        connection.pause(0.01)


def endless_redirection(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 302 Found\r\nLocation: /other\r\n\r\n")
    while not connection.stopped.is_set():
        connection.send(bytes(1000))
        connection.pause(0.01)


def endless_parts(connection: Connection) -> None:
    connection.send(streams.HEAD.encode())
    part = f"--{streams.BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: -5\r\n\r\nno"
    while not connection.stopped.is_set():
        connection.send(part.encode())
        connection.pause(0.01)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (drip(b"H"), "does not answer\n  timed out"),
        (drip(b"X-A: b\r\n", first=b"HTTP/1.1 200 OK\r\n"), "does not answer\n  timed out"),
        (endless_continue, "does not answer\n  timed out"),
        (endless_redirection, "answers 302"),
        (drip(b"--", first=streams.HEAD.encode()), r"gave no frame for 0\.5 s"),
        (endless_parts, r"gave no frame for 0\.5 s"),
    ],
)
def test_who_sends_for_ever_and_no_frame_is_given_up_in_time(script: Script, says: str) -> None:
    start = time.monotonic()
    with served(HttpStream([script])) as url, pytest.raises(ImageError, match=says):
        find_source(url, LiveConfig(timeout=0.5))

    assert time.monotonic() - start < 5


CHUNKS = streams.HEAD.replace("1.0", "1.1").replace("\r\n", "\r\nTransfer-Encoding: chunked\r\n", 1)


def test_an_answer_that_breaks_its_own_rules_has_no_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    server = HttpStream([lambda connection: connection.send(f"{CHUNKS}no number\r\n".encode())])
    with served(server) as url, pytest.raises(ImageError, match="the answer ends before its end"):
        find_source(url, LiveConfig(timeout=2))

    assert "Traceback" not in "".join(capfd.readouterr())


def test_an_answer_that_breaks_its_own_rules_later_is_a_break() -> None:
    part = f"--{streams.BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
    frames = (part + streams.jpeg_of(GREYS[0]) + b"\r\n") * 3
    content = f"{CHUNKS}{len(frames):x}\r\n".encode() + frames + b"\r\n-5\r\nno"
    with served(HttpStream([lambda connection: connection.send(content)])) as url:
        source = find_source(url, LiveConfig(timeout=5, reconnect=0))
        *_, last = source.items()
        with pytest.raises(ImageError, match="broke off\n  the answer ends before its end"):
            last.load()
        source.close()


def test_an_interruption_while_a_stream_is_opened_is_one(
    capfd: pytest.CaptureFixture[str],
) -> None:
    server = HttpStream([drip(b"--", first=streams.HEAD.encode())])
    timer = threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with served(server) as url, pytest.raises(KeyboardInterrupt):
        find_source(url, LiveConfig(timeout=5))

    assert "Traceback" not in "".join(capfd.readouterr())


def test_what_is_no_http_is_told_in_one_short_line() -> None:
    server = HttpStream([lambda connection: connection.send(b"\x1b[31m\n" + b"x" * 60_000)])
    with served(server) as url, pytest.raises(ImageError, match="is not HTTP") as caught:
        find_source(url, LiveConfig(timeout=2))

    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


def test_a_question_for_a_password_that_cannot_be_read_is_said() -> None:
    question = answer("401 Unauthorized", "WWW-Authenticate: Digest camera")
    server = HttpStream([lambda connection: connection.send(question)])
    with served(server) as url, pytest.raises(ImageError, match="in a way that is not known"):
        find_source(url.replace("//", "//me:secret@"), LiveConfig(timeout=2))


def test_an_address_may_have_letters_that_http_has_not() -> None:
    server = HttpStream([streams.frames(GREYS, times=20)])
    with served(server) as url:
        assert len(read(find_source(f"{url}/größe%20?a=ü&b", LiveConfig(timeout=5)), 1)) == 1

    assert server.requests[0].startswith(b"GET /live/gr%C3%B6%C3%9Fe%20?a=%C3%BC&b HTTP")
