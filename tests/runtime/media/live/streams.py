"""Small servers of streams on the loopback address: HTTP and RTSP, as cameras speak them.

A server plays a script: a list of steps for each connection, one after the other, so that a test
says when a stream breaks, stalls or comes back. The last script is played for all that follow.
"""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

__all__ = [
    "HttpStream",
    "RtspStream",
    "Script",
    "answer",
    "jpeg_of",
    "mp4_of",
    "mpegts_of",
    "served",
]

BOUNDARY = "frame"
HEAD = f"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\n\r\n"


def jpeg_of(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def mpegts_of(images: Sequence[np.ndarray], rate: int = 25) -> bytes:
    """Return pictures as MPEG-TS, each of which can be decoded alone."""
    return _film_of(images, rate, format="mpegts")


def mp4_of(images: Sequence[np.ndarray], flags: str = "", rate: int = 25) -> bytes:
    """Return pictures as an mp4, whose index is at its end unless FFmpeg's ``movflags`` differ."""
    return _film_of(images, rate, format="mp4", options={"movflags": flags} if flags else {})


def _film_of(images: Sequence[np.ndarray], rate: int, **how: Any) -> bytes:
    import av  # noqa: PLC0415 - whoever asks has skipped without it

    buffer = io.BytesIO()
    with av.open(buffer, "w", **how) as container:
        stream = container.add_stream("mpeg2video", rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.gop_size, stream.bit_rate = "yuv420p", 1, 4_000_000
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a whole answer of HTTP."""
    return "\r\n".join([f"HTTP/1.0 {status}", *headers, "", ""]).encode() + body


@dataclass
class Connection:
    """What a script plays on."""

    socket: socket.socket
    request: bytes
    stopped: threading.Event

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def pause(self, seconds: float) -> None:
        self.stopped.wait(seconds)


Script = Callable[[Connection], None]


@dataclass
class _Server:
    scripts: Sequence[Script]
    requests: list[bytes] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.stopped.set()
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        number = 0
        with suppress(OSError):
            while not self.stopped.is_set():
                connection, _ = self._listening.accept()
                self._open.append(connection)
                script = self.scripts[min(number, len(self.scripts) - 1)]
                threading.Thread(target=self._talk, args=(connection, script), daemon=True).start()
                number += 1

    def _talk(self, connection: socket.socket, script: Script) -> None:
        with suppress(OSError), connection:
            self.talk(connection, script)

    def talk(self, connection: socket.socket, script: Script) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (more := connection.recv(4096)):
            request += more
        self.requests.append(request)
        script(Connection(connection, request, self.stopped))


class HttpStream(_Server):
    """A camera that speaks HTTP."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/live"


class RtspStream(_Server):
    """A camera that speaks RTSP and sends MPEG-TS over the same connection (RFC 2326, 10.12)."""

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    def talk(self, connection: socket.socket, script: Script) -> None:
        with connection.makefile("rb") as lines:
            while request := self._request(lines):
                self.requests.append(request)
                verb, _, sequence = request.partition(b" ")[0], None, _header(request, b"CSeq")
                connection.sendall(self._answer(verb, sequence))
                if verb == b"PLAY":
                    script(Connection(connection, request, self.stopped))
                    return

    def _request(self, lines: io.BufferedReader) -> bytes:
        request = b""
        while (line := lines.readline()).strip():
            request += line
        return request

    def _answer(self, verb: bytes, sequence: bytes) -> bytes:
        headers, body = [f"CSeq: {sequence.decode()}"], ""
        if verb == b"OPTIONS":
            headers.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        if verb == b"DESCRIBE":
            body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            body += "m=video 0 RTP/AVP 33\r\na=rtpmap:33 MP2T/90000\r\na=control:track1\r\n"
            headers += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        if verb == b"SETUP":
            headers += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        if verb == b"PLAY":
            headers.append("Session: 1")
        return "\r\n".join(["RTSP/1.0 200 OK", *headers, "", body]).encode()


def _header(request: bytes, name: bytes) -> bytes:
    for line in request.splitlines():
        key, _, value = line.partition(b":")
        if key == name:
            return value.strip()
    return b"0"


def frames(
    images: Sequence[np.ndarray], *, times: int = 1, pause: float = 0.02, then: float = 0.0
) -> Script:
    """Return a script that sends pictures as JPEGs, over and over, and then is silent."""
    parts = [
        f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(one)}\r\n\r\n".encode()
        + one
        + b"\r\n"
        for one in map(jpeg_of, images)
    ]

    def play(connection: Connection) -> None:
        connection.send(HEAD.encode())
        for number in range(times * len(parts)):
            if connection.stopped.is_set():
                return
            connection.send(parts[number % len(parts)])
            connection.pause(pause)
        connection.pause(then)

    return play


def rtp(content: bytes, *, seconds: float = 1.0, then: float = 0.0) -> Script:
    """Return a script that sends MPEG-TS in packets of RTP (RFC 2250), evenly over so long."""
    size = 7 * 188
    chunks = [content[at : at + size] for at in range(0, len(content), size)]

    def play(connection: Connection) -> None:
        start = time.monotonic()
        for number, chunk in enumerate(chunks):
            if connection.stopped.is_set():
                return
            moment = int(90_000 * seconds * number / len(chunks))
            head = b"\x80\x21" + (number % 65536).to_bytes(2, "big") + moment.to_bytes(4, "big")
            packet = head + b"segp" + chunk
            connection.send(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
            connection.pause(start + seconds * number / len(chunks) - time.monotonic())
        connection.pause(then)

    return play


@contextmanager
def served(server: "HttpStream | RtspStream") -> Iterator[str]:
    """Yield the address of a server, and close it."""
    try:
        yield server.url
    finally:
        server.close()
