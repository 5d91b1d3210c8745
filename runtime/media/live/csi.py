"""Cameras on the ribbon of a Jetson, ``csi://0``: raw frames from a process of gst-launch-1.0.

Argus, which owns these cameras, is reached through GStreamer alone. The process writes frames of
one size, known beforehand, into a pipe; the chip's own converter has made RGBA of them.
"""

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import IO

import numpy as np

from segpp.errors import ImageError, MissingError
from segpp.images.preprocess import ImageArray
from segpp.runtime.media.live.reader import LiveConfig, LivePicture

__all__ = ["RawReader", "open_csi", "pipeline_of"]

_LAUNCH = "gst-launch-1.0"
_SIZE, _RATE = (720, 1280), 30.0
_RGBA = 4
_MOST_SAID = 3
_POLL_SECONDS = 0.2


def open_csi(sensor: int, config: LiveConfig) -> "RawReader":
    """Open a camera.

    Args:
        sensor: Its number, from 0.
        config: Size and rate that it is asked for, by default 720x1280 at 30 frames per second.

    Raises:
        ImageError: The process cannot be started.
        MissingError: There is no gst-launch-1.0.
    """
    launch = shutil.which(_LAUNCH)
    if launch is None:
        raise MissingError(
            f"csi cameras are read through {_LAUNCH}, which is not here",
            hint="on a Jetson: sudo apt install gstreamer1.0-tools nvidia-l4t-gstreamer; elsewhere "
            "a camera is /dev/video0",
        )
    size, rate = config.size or _SIZE, config.rate or _RATE

    def command(end: int) -> list[str]:
        return [launch, "-q", *pipeline_of(sensor, size, rate, end)]

    return RawReader(f"csi://{sensor}", command, size, rate)


def pipeline_of(sensor: int, size: tuple[int, int], rate: float, end: int) -> list[str]:
    """Return the words of a pipeline that writes RGBA frames (H, W, 4) to a descriptor."""
    height, width = size
    # As a fraction: 30/1, 15/2.
    over = f"{round(rate * 1000)}/1000"
    source = f"video/x-raw(memory:NVMM),width={width},height={height},framerate={over}"
    return [
        *("nvarguscamerasrc", f"sensor-id={sensor}", "!", source, "!"),
        *("nvvidconv", "!", f"video/x-raw,format=RGBA,width={width},height={height}", "!"),
        # The process too drops what nobody takes, rather than fall behind.
        *("queue", "leaky=downstream", "max-size-buffers=1", "!"),
        *("fdsink", f"fd={end}", "sync=false"),
    ]


class RawReader:
    """A process that writes raw RGBA frames into a pipe.

    Args:
        name: What the user calls it, for messages.
        command: Returns its words, given the descriptor that it writes to. Not to its standard
            output, where Argus prints messages of its own.
        size: Height and width of the frames.
        rate: Frames per second.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        size: tuple[int, int],
        rate: float,
    ) -> None:
        self._name, self._size, self.rate = name, size, rate
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        self._pipe, end = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - words, no shell
                command(end),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(end,),
            )
        except OSError as failure:
            os.close(self._pipe)
            self._said.close()
            raise ImageError(f"{name} cannot be opened", str(failure)) from failure
        finally:
            os.close(end)
        self._is_wanted = True

    def pictures(self) -> Iterator[LivePicture]:
        """Yield the frames, each in memory of its own."""
        height, width = self._size
        while (frame := self._frame(height * width * _RGBA)) is not None:
            shaped = np.frombuffer(frame, np.uint8).reshape(height, width, _RGBA)
            yield LivePicture(time.monotonic(), partial(_rgb, shaped))
        if self._is_wanted:
            raise ImageError(f"{self._name} broke off", *self._last_words())

    def interrupt(self) -> None:
        """End the process."""
        self._is_wanted = False
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait for that: only then is the camera free again."""
        self._process.kill()
        self._process.wait()
        os.close(self._pipe)
        self._said.close()

    def _frame(self, size: int) -> bytearray | None:
        """Return the next frame, None at the end."""
        frame = bytearray(size)
        view, filled = memoryview(frame), 0
        while filled < size:
            if not select.select([self._pipe], [], [], _POLL_SECONDS)[0]:
                if not self._is_wanted:
                    return None
                continue
            got = os.readv(self._pipe, [view[filled:]])
            if not got:
                return None
            filled += got
        return frame

    def _last_words(self) -> list[str]:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-_MOST_SAID:]


def _rgb(frame: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> ImageArray:
    return np.ascontiguousarray(frame[:, :, :3])
