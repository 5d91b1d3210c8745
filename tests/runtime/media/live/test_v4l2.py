"""Cameras of V4L2 that are not there, no camera, or somebody else's."""

import errno
from pathlib import Path

import pytest

from segpp.errors import ImageError
from segpp.runtime.media.live import v4l2
from segpp.runtime.media.live.packets import PacketReader, broken
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.live.v4l2 import open_v4l2

pytest.importorskip("av", reason="PyAV (segpp[video]) reads cameras")


def test_a_camera_that_is_not_there_is_said() -> None:
    with pytest.raises(
        ImageError, match=r"the camera /dev/video97 is not there[\s\S]*list-devices"
    ):
        open_v4l2("/dev/video97", LiveConfig())


def test_a_device_that_is_no_camera_is_said() -> None:
    with pytest.raises(ImageError, match=r"/dev/null cannot be opened[\s\S]*it is no camera"):
        open_v4l2("/dev/null", LiveConfig(size=(720, 1280), rate=30))


def test_a_file_is_no_camera(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"x")

    with pytest.raises(ImageError, match="is no camera, nor any other device"):
        open_v4l2(str(tmp_path / "video0"), LiveConfig())


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.EBUSY, "another program has it open"), (errno.EACCES, "usermod -aG video")],
)
def test_what_the_kernel_answers_comes_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    """A busy camera cannot be had in a test; its error number can."""

    def busy(source: str, *_: object, **__: object) -> PacketReader:
        failure = OSError(number, "as the kernel says")
        raise broken(source, failure, "cannot be opened") from failure

    monkeypatch.setattr(v4l2, "open_packets", busy)

    with pytest.raises(ImageError, match=f"cannot be opened[\\s\\S]*{says}"):
        open_v4l2("/dev/null", LiveConfig())
