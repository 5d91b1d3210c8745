"""Which texts name a camera or a stream, and what opens each."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from segpp.errors import ImageError
from segpp.runtime.media.items import ImageSource
from segpp.runtime.media.live.capture import Capture
from segpp.runtime.media.live.csi import open_csi
from segpp.runtime.media.live.reader import LiveConfig, LiveReader
from segpp.runtime.media.live.rtsp import open_rtsp, without_password
from segpp.runtime.media.live.v4l2 import open_v4l2

__all__ = ["is_live", "open_live"]

_KNOWN = "/dev/video0, csi://0, rtsp://HOST/PATH, http://HOST/PATH, https://HOST/PATH"
# Where nobody says how fast it is, and a film of it is written.
_USUAL_RATE = 25.0


def is_live(text: str) -> bool:
    """Return whether a text names a camera or a stream, plugged in or not."""
    if re.match(r"/dev/(video|v4l)|\w[\w+.-]*://", text):
        return True
    return Path(text).is_char_device()


def open_live(text: str, config: LiveConfig) -> ImageSource:
    """Open a camera or a stream, and wait for its first frame.

    Args:
        text: ``/dev/video0``, ``csi://0``, or an address of RTSP, HTTP or HTTPS.
        config: How it is read.

    Returns:
        A source whose ``stop`` ends it.

    Raises:
        ImageError: It is not there, busy or silent, or the text names nothing of the kind.
        MissingError: Something that reads it is not installed.
    """
    name, open_reader = _opener(text, config)
    capture = Capture(name, open_reader, config)
    return ImageSource(
        "video",
        name,
        capture.items,
        rate=capture.rate or _USUAL_RATE,
        live=capture.account,
        stop=capture.stop,
        close=capture.close,
        is_heard=capture.is_heard,
    )


def _opener(text: str, config: LiveConfig) -> tuple[str, Callable[[], LiveReader]]:
    """Return what a source is called, and what opens it."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text, partial(open_v4l2, text, config)
    if scheme == "v4l2":
        return rest, partial(open_v4l2, rest, config)
    if scheme == "csi":
        return text, partial(open_csi, _sensor(text, rest), config)
    from segpp.runtime.media.live.http_stream import open_http  # noqa: PLC0415 - TLS is slow to load

    openers: dict[str, Callable[[str, LiveConfig], LiveReader]] = {
        "rtsp": open_rtsp,
        "http": open_http,
        "https": open_http,
    }
    if scheme.lower() not in openers:
        raise ImageError(
            f"{without_password(text)} is no camera or stream that is read", f"read are: {_KNOWN}"
        )
    _check_address(text)
    return without_password(text), partial(openers[scheme.lower()], text, config)


def _sensor(text: str, number: str) -> int:
    if not re.fullmatch(r"\d{1,2}", number):
        raise ImageError(f"{text} names no camera", "cameras are numbered: csi://0")
    return int(number)


def _check_address(text: str) -> None:
    """Raise ImageError for what is no address, or would be another one for the next reader."""
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_whole = False
    if not is_whole or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ImageError(
            f"{without_password(text) if is_whole else 'the address'} is no address of a stream",
            "for example: rtsp://192.168.1.20:554/live",
        )
