"""Streams by HTTP and HTTPS: fetched here, so that the decoder opens no address at all.

Python's client checks certificates, which FFmpeg does not by default, and a redirection is followed
on the same host only. A playlist (HLS, DASH) is refused: it is a list of further addresses.
"""

import socket
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from segpp import __version__
from segpp.errors import ImageError
from segpp.runtime.media.live.http_kind import index_is_at_the_end, is_mpeg_ts
from segpp.runtime.media.live.packets import CONTAINERS, PacketReader, broken, open_packets
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.live.rtsp import without_password

__all__ = ["HttpReader", "open_http"]

_OPTIONS = {"protocol_whitelist": "", "format_whitelist": CONTAINERS}
_PIECE = 1 << 15
_PLAYLISTS = ("mpegurl", "dash+xml")


class HttpReader(PacketReader):
    """The body of a response as a stream."""

    def __init__(self, packets: PacketReader, body: "_Body") -> None:
        super().__init__(packets.container, body.name)
        self._body = body

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
    body = _Body(_ask(address, name, config.timeout), name)
    # Cameras send JPEGs one after the other, as parts of one answer; the guess may miss that.
    parts = "mpjpeg" if body.kind == "multipart/x-mixed-replace" else None
    try:
        body.check_kind(config.timeout)
        packets = open_packets(body, name, _OPTIONS, timeout=config.timeout, format_=parts)
    except BaseException:
        body.close()
        raise
    return HttpReader(packets, body)


def _ask(address: str, name: str, timeout: float) -> HTTPResponse:
    headers = {"User-Agent": f"segpp/{__version__}", "Accept": "*/*"}
    request = Request(_bare(address), headers=headers)  # noqa: S310 - find_live passes HTTP alone
    try:
        response: HTTPResponse = _opener(address).open(request, timeout=timeout)
    except HTTPError as failure:
        failure.close()
        raise ImageError(f"{name} answers {failure.code} {failure.reason}") from failure
    except (URLError, HTTPException, OSError, ValueError) as failure:
        reason = getattr(failure, "reason", None) or failure
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise ImageError(f"{name} does not answer", said) from failure
    return response


def _bare(address: str) -> str:
    parts = urlsplit(without_password(address))
    return urlunsplit(parts._replace(fragment=""))


def _opener(address: str) -> OpenerDirector:
    parts = urlsplit(address)
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        passwords.add_password(None, _bare(address), user, password)
    return build_opener(_SameHost(), _Digest(passwords), _Basic(passwords))


class _Digest(HTTPDigestAuthHandler):
    """Closes the answer that asks for a password, which urllib leaves open."""

    def http_error_401(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()
        return super().http_error_401(req, fp, code, msg, headers)


class _Basic(HTTPBasicAuthHandler):
    """Closes the answer that asks for a password, which urllib leaves open."""

    def http_error_401(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()
        return super().http_error_401(req, fp, code, msg, headers)


class _SameHost(HTTPRedirectHandler):
    """Follows a redirection on the host that was asked for."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        asked, told = urlsplit(req.full_url), urlsplit(newurl)
        if (asked.scheme, asked.netloc) != (told.scheme, told.netloc):
            # urllib would leave the answer that redirects open.
            fp.close()
            raise URLError(f"it leads to another address, {told.scheme}://{told.hostname}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Body:
    """What PyAV reads: the bytes of a response, as they come."""

    def __init__(self, response: HTTPResponse, name: str) -> None:
        self._response, self.name = response, name
        self.kind = response.headers.get_content_type()
        self._head = b""

    def check_kind(self, timeout: float) -> None:
        """Raise ImageError for what cannot be read as it comes."""
        if self.kind.endswith(_PLAYLISTS):
            raise ImageError(
                f"{self.name} is a playlist, a list of further addresses, and none is followed",
                hint="give the address of the stream itself, by RTSP or as MPEG-TS",
            )
        try:
            # Servers go by a file's name, and .ts is text to some.
            if self.kind.startswith("text/") and not is_mpeg_ts(self._peek):
                raise ImageError(f"{self.name} answers with {self.kind}, no pictures")
            if index_is_at_the_end(self._peek):
                raise ImageError(
                    f"{self.name} is an mp4 whose index lies at its end, and a stream is read from "
                    "its start",
                    hint="download it and give the file",
                )
        except OSError as failure:
            raise broken(self.name, failure, f"gave no answer for {timeout:g} s") from failure

    def _peek(self, size: int) -> bytes:
        """Return the first bytes, fewer at the end; ``read`` gives them again."""
        # In pieces as they come: some of FFmpeg's readers take a first one of a byte for the end.
        while len(self._head) < size and (more := self._response.read1(_PIECE)):
            self._head += more
        return self._head[:size]

    def read(self, size: int) -> bytes:
        if self._head:
            found, self._head = self._head[:size], self._head[size:]
            return found
        return self._response.read1(size)

    def end(self) -> None:
        # A second descriptor of the same connection, so that the reading one stays valid.
        with (
            suppress(OSError, ValueError, AttributeError),
            socket.fromfd(
                self._response.fileno(), socket.AF_INET, socket.SOCK_STREAM
            ) as connection,
        ):
            connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._response.close()
