"""Which texts are cameras and streams, and which are nothing."""

import pytest

from segpp.errors import ImageError
from segpp.runtime.media.live.addresses import is_live, open_live
from segpp.runtime.media.live.reader import LiveConfig


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("/dev/video0", True),
        ("/dev/v4l/by-id/usb", True),
        ("/dev/null", True),
        ("v4l2:///dev/video0", True),
        ("csi://0", True),
        ("rtsp://host/a", True),
        ("https://host/a", True),
        ("drive.mp4", False),
        ("frames/*.png", False),
        ("C:/a.png", False),
    ],
)
def test_what_is_live_shows_in_its_name(text: str, live: bool) -> None:  # noqa: FBT001 - a case
    assert is_live(text) is live


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file:///etc/passwd", "no camera or stream that is read"),
        ("concat://a|b", "no camera or stream that is read"),
        ("csi://front", "names no camera"),
        ("rtsp://", "no address of a stream"),
        ("rtsp://host:99999/a", "no address of a stream"),
        ("http://host/a b", "no address of a stream"),
        ("http://host/a\r\nHost: x", "no address of a stream"),
        ("v4l2:///dev/video97", "the camera /dev/video97 is not there"),
    ],
)
def test_what_names_nothing_is_said(text: str, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        open_live(text, LiveConfig())
