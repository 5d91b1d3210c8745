"""What a camera or a stream is read through, and what is wanted of one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from segpp.images.preprocess import ImageArray

__all__ = ["LiveConfig", "LivePicture", "LiveReader"]


@dataclass(frozen=True)
class LiveConfig:
    """How a camera or a stream is read.

    Args:
        size: Height and width that a camera is asked for; None for what it gives by itself.
        rate: Frames per second that a camera is asked for; None as above.
        timeout: Seconds without a frame that are a break.
        reconnect: How often in a row a source that broke off is opened again; 0 for never.
        duration: Seconds after which it ends by itself.
        every: Of the frames that come, the first is taken and each so-manieth.
        after_break: Called with a sentence when a source breaks off or comes back, from the
            thread that reads it.
    """

    size: tuple[int, int] | None = None
    rate: float | None = None
    timeout: float = 10.0
    reconnect: int = 10
    duration: float | None = None
    every: int = 1
    after_break: Callable[[str], object] = lambda _said: None


@dataclass(frozen=True)
class LivePicture:
    """One frame, which becomes pixels only if somebody wants it.

    Args:
        captured: When it came, by ``time.monotonic``, before it was decoded.
        pixels: Returns RGB (H, W, 3).
    """

    captured: float
    pixels: Callable[[], ImageArray]


class LiveReader(Protocol):
    """An open camera or stream."""

    @property
    def rate(self) -> float | None:
        """Frames per second, as far as it says."""

    def pictures(self) -> Iterator[LivePicture]:
        """Yield the frames as they come, to the end of the stream.

        Raises:
            ImageError: It broke off.
        """

    def interrupt(self) -> None:
        """Have ``pictures`` end soon, from any thread."""

    def close(self) -> None:
        """Give back the device or the connection, from the thread that reads."""
