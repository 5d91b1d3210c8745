"""Cameras of Video4Linux: ``/dev/video0``, by FFmpeg's device of the same name."""

import errno
import stat
from pathlib import Path

from segpp.errors import ImageError
from segpp.runtime.media.live.packets import PacketReader, open_packets
from segpp.runtime.media.live.reader import LiveConfig

__all__ = ["open_v4l2"]

_HINTS = {
    errno.EBUSY: "another program has it open; close that one",
    errno.EACCES: "add yourself to its group: sudo usermod -aG video $USER, and log in again",
    errno.ENOTTY: "it is no camera; v4l2-ctl --list-devices lists them",
    errno.EINVAL: "it may not have that size or rate: v4l2-ctl --list-formats-ext lists them",
    errno.ENODEV: "v4l2-ctl --list-devices lists the cameras",
}


def open_v4l2(device: str, config: LiveConfig) -> PacketReader:
    """Open a camera.

    Args:
        device: Its node, ``/dev/video0`` or a link below ``/dev/v4l``.
        config: Size and rate that it is asked for, and the time limit.

    Raises:
        ImageError: It is not there, busy, no camera, or does not give that size or rate.
        MissingError: The package av is not installed.
    """
    _check_is_device(device)
    options = {}
    if config.size:
        options["video_size"] = f"{config.size[1]}x{config.size[0]}"
    if config.rate:
        options["framerate"] = f"{config.rate:g}"
    try:
        return open_packets(device, device, options, timeout=config.timeout, format_="v4l2")
    except ImageError as failure:
        number = getattr(failure.__cause__, "errno", None)
        hint = _HINTS.get(number or 0)
        raise ImageError(failure.problem, *failure.facts, hint=hint) from failure


def _check_is_device(device: str) -> None:
    try:
        mode = Path(device).stat().st_mode
    except OSError as failure:
        raise ImageError(
            f"the camera {device} is not there",
            failure.strerror or "",
            hint="v4l2-ctl --list-devices lists the cameras",
        ) from failure
    if not stat.S_ISCHR(mode):
        raise ImageError(f"{device} is no camera, nor any other device")
