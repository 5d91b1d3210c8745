"""Streams by RTSP, over one connection: the camera's answers cannot lead to other protocols."""

from urllib.parse import urlsplit, urlunsplit

from segpp.runtime.media.live.packets import PacketReader, open_packets
from segpp.runtime.media.live.reader import LiveConfig

__all__ = ["open_rtsp", "without_password"]

# Over UDP lost packets smear the picture, and firewalls drop all of them.
_OPTIONS = {
    "rtsp_transport": "tcp",
    "protocol_whitelist": "rtsp,tcp,rtp",
    "format_whitelist": "rtsp,sdp,rtp,mpegts",
}


def open_rtsp(address: str, config: LiveConfig) -> PacketReader:
    """Open a stream.

    Args:
        address: ``rtsp://user:password@host:554/path``.
        config: The time limit.

    Raises:
        ImageError: Nobody answers in time, or not with pictures.
        MissingError: The package av is not installed.
    """
    name = without_password(address)
    return open_packets(address, name, _OPTIONS, timeout=config.timeout, format_="rtsp")


def without_password(address: str) -> str:
    """Return an address as it may be shown."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
