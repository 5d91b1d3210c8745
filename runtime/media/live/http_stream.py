"""Streams by HTTP and HTTPS: fetched here, so that the decoder opens no address at all.

Python's client checks certificates, which FFmpeg does not by default, and a redirection is followed
on the same host only. A playlist (HLS, DASH) is refused: it is a list of further addresses.

A time limit of a socket is one of every byte. Whoever sends one in time, and another, would keep a
run from its beginning for ever, so an answer's head has as long as a frame has, and so has the
beginning of its body.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.client import (
    BadStatusLine,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
    RemoteDisconnected,
)
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from segpp import __version__
from segpp.errors import ImageError
from segpp.runtime.media.live.http_kind import index_is_at_the_end, is_mpeg_ts
from segpp.runtime.media.live.packets import CONTAINERS, PacketReader, open_packets
from segpp.runtime.media.live.reader import LiveConfig, LivePicture
from segpp.runtime.media.live.rtsp import without_password
from segpp.utils.terminal import one_line

__all__ = ["HttpReader", "open_http"]

_OPTIONS = {"protocol_whitelist": "", "format_whitelist": CONTAINERS}
_PIECE = 1 << 15
_PLAYLISTS = ("mpegurl", "dash+xml")
# What an address may hold besides letters and digits, and the sign that escapes the rest.
_OF_ADDRESSES = "%!$&'()*+,;=:@/?[]|~^`{}\"<>"


class HttpReader(PacketReader):
    """The body of a response as a stream."""

    def __init__(self, packets: PacketReader, body: "_Body") -> None:
        super().__init__(packets.container, body.name)
        self._body = body

    def pictures(self) -> Iterator[LivePicture]:
        """Yield the frames that are whole, to the end of the answer."""
        try:
            yield from super().pictures()
        except ImageError:
            self._body.check("broke off")
            raise
        self._body.check("broke off")

    def interrupt(self) -> None:
        """End the connection, for whoever waits for its next byte."""
        self._body.end()

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._body.close()


def open_http(address: str, config: LiveConfig) -> HttpReader:
    """Open a stream: MPEG-TS, MJPEG as cameras send it, or another container.

    Args:
        address: ``http://user:password@host/path``.
        config: The time limit.

    Raises:
        ImageError: Nobody answers in time, or not with pictures, or with a playlist.
        MissingError: The package av is not installed.
    """
    name = without_password(address)
    body = _Body(_ask(address, name, config.timeout), name, config.timeout)
    # Cameras send JPEGs one after the other, as parts of one answer; the guess may miss that.
    parts = "mpjpeg" if body.kind == "multipart/x-mixed-replace" else None
    try:
        body.check_kind()
        packets = _packets(body, config, parts)
    except BaseException:
        body.close()
        raise
    return HttpReader(packets, body)


def _packets(body: "_Body", config: LiveConfig, parts: str | None) -> PacketReader:
    try:
        packets = open_packets(body, body.name, _OPTIONS, timeout=config.timeout, format_=parts)
    except ImageError:
        body.check("cannot be opened")
        raise
    body.opened()
    return packets


def _ask(address: str, name: str, timeout: float) -> HTTPResponse:
    headers = {"User-Agent": f"segpp/{__version__}", "Accept": "*/*"}
    try:
        request = Request(_bare(address), headers=headers)  # noqa: S310 - HTTP alone comes here
        response: HTTPResponse = _opener(address).open(request, timeout=timeout)
    except HTTPError as failure:
        failure.close()
        raise ImageError(f"{name} answers {failure.code} {_short(failure.reason)}") from failure
    except (URLError, HTTPException, OSError, ValueError) as failure:
        raise ImageError(f"{name} does not answer", _said(failure)) from failure
    return response


def _said(failure: BaseException) -> str:
    """Return the words of an error, which may be those of the server."""
    reason = getattr(failure, "reason", None) or failure
    if isinstance(reason, BadStatusLine) and not isinstance(reason, RemoteDisconnected):
        return f"what comes is not HTTP: {_short(reason)}"
    if isinstance(reason, IncompleteRead):
        return "the answer ends before its end"
    return _short(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)


def _short(text: object) -> str:
    """Return the beginning of what a server said, as one line."""
    return f"{one_line(' '.join(str(text).split())):.160}"


def _bare(address: str) -> str:
    parts = urlsplit(without_password(address))
    # Of a path, HTTP takes ASCII alone; what is escaped in it stays as it is.
    path, query = (quote(text, safe=_OF_ADDRESSES) for text in (parts.path, parts.query))
    return urlunsplit(parts._replace(path=path, query=query, fragment=""))


def _opener(address: str) -> OpenerDirector:
    parts = urlsplit(address)
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        passwords.add_password(None, _bare(address), user, password)
    return build_opener(_Http(), _Https(), _SameHost(), _Digest(passwords), _Basic(passwords))


class _Response(HTTPResponse):
    """An answer whose head has to be here in time, all of it."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self._seconds = sock.gettimeout()

    def begin(self) -> None:
        """Read the head."""
        if self._seconds is None:
            super().begin()
            return
        is_late = threading.Event()
        timer = threading.Timer(self._seconds, self._give_up, (is_late,))
        timer.daemon = True
        timer.start()
        try:
            super().begin()
        except (HTTPException, OSError):
            if not is_late.is_set():
                raise
        finally:
            timer.cancel()
        # A head that was cut off would pass for a short one.
        if is_late.is_set():
            self.close()
            raise TimeoutError("timed out")

    def _give_up(self, is_late: threading.Event) -> None:
        is_late.set()
        _shut(self)


def _shut(response: HTTPResponse) -> None:
    """End a connection, from any thread, for whoever waits for its next byte."""
    # A second descriptor of the same connection, so that the reading one stays valid.
    with (
        suppress(OSError, ValueError, AttributeError),
        socket.fromfd(response.fileno(), socket.AF_INET, socket.SOCK_STREAM) as connection,
    ):
        connection.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_SecureConnection, req)


def _answered(fp: Any, answer: Callable[[], Any]) -> Any:
    """Close the answer that asks for a password, which urllib leaves open, and give one."""
    fp.close()
    try:
        return answer()
    except ValueError as failure:
        raise URLError("it asks for a password in a way that is not known") from failure


class _Digest(HTTPDigestAuthHandler):
    def http_error_401(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        return _answered(fp, partial(super().http_error_401, req, fp, code, msg, headers))


class _Basic(HTTPBasicAuthHandler):
    def http_error_401(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        return _answered(fp, partial(super().http_error_401, req, fp, code, msg, headers))


class _SameHost(HTTPRedirectHandler):
    """Follows a redirection on the host that was asked for."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        # urllib would read the answer that redirects to its end, which may never come.
        fp.close()
        asked, told = urlsplit(req.full_url), urlsplit(newurl)
        if (asked.scheme, asked.netloc) != (told.scheme, told.netloc):
            raise URLError(f"it leads to another address, {told.scheme}://{told.hostname}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Body:
    """What PyAV reads: the bytes of a response, as they come."""

    def __init__(self, response: HTTPResponse, name: str, seconds: float) -> None:
        self._response, self.name = response, name
        self.kind = response.headers.get_content_type()
        self._seconds, self._head = seconds, b""
        # FFmpeg looks at its own time limit where it reads by itself, and not here.
        self._deadline: float | None = time.monotonic() + seconds
        self._failure: BaseException | None = None

    def check_kind(self) -> None:
        """Raise ImageError for what cannot be read as it comes."""
        if self.kind.endswith(_PLAYLISTS):
            raise ImageError(
                f"{self.name} is a playlist, a list of further addresses, and none is followed",
                hint="give the address of the stream itself, by RTSP or as MPEG-TS",
            )
        # Servers go by a file's name, and .ts is text to some.
        if self.kind.startswith("text/") and not is_mpeg_ts(self._peek):
            raise ImageError(f"{self.name} answers with {self.kind}, no pictures")
        if index_is_at_the_end(self._peek):
            raise ImageError(
                f"{self.name} is an mp4 whose index lies at its end, and a stream is read from its "
                "start",
                hint="download it and give the file",
            )

    def _peek(self, size: int) -> bytes:
        """Return the first bytes, fewer at the end; ``read`` gives them again."""
        # In pieces as they come: some of FFmpeg's readers take a first one of a byte for the end.
        while len(self._head) < size and (more := self._take(_PIECE)):
            self._head += more
        return self._head[:size]

    def read(self, size: int) -> bytes:
        """Return the next bytes; none after a failure, which ``check`` raises."""
        if self._head:
            found, self._head = self._head[:size], self._head[size:]
            return found
        return self._take(size)

    def _take(self, size: int) -> bytes:
        if self._failure is None:
            try:
                return self._next(size)
            except BaseException as failure:  # noqa: BLE001 - PyAV would print it, or lose it
                self._failure = failure
        return b""

    def _next(self, size: int) -> bytes:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError
        return self._response.read1(size)

    def opened(self) -> None:
        """Let the stream go on for as long as it likes; raise what came meanwhile."""
        self._deadline = None
        if self._failure is not None and not isinstance(self._failure, Exception):
            raise self._failure

    def check(self, what: str) -> None:
        """Raise what kept bytes from being read, if something did."""
        failure = self._failure
        if isinstance(failure, TimeoutError):
            raise ImageError(f"{self.name} gave no frame for {self._seconds:g} s") from failure
        if isinstance(failure, (HTTPException, OSError, ValueError, AttributeError)):
            raise ImageError(f"{self.name} {what}", _said(failure)) from failure
        if failure is not None:
            raise failure

    def end(self) -> None:
        _shut(self._response)

    def close(self) -> None:
        self._response.close()
