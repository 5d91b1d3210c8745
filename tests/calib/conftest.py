"""Small SegFormers of every form as files, and pictures, for the tests of calibration."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from segpp.calib.pictures.find import Picture
from segpp.utils.files import sha256_of
from tests.helpers.commands import in_process

SIZE = (128, 160)

# Head, channels of the input, further flags of the export -> the file.
TinyFile = Callable[..., Path]
MakePictures = Callable[..., tuple[Picture, ...]]


def _save(path: Path, head: str, channels: int) -> None:
    torch = pytest.importorskip("torch", reason="torch makes the checkpoint")
    # The tests that need no network start without torch.
    from tests.helpers.checkpoints import lively, theirs  # noqa: PLC0415

    fmt = {"conv-bn": "mmsegmentation", "linear": "huggingface"}[head]
    torch.save(lively(theirs(fmt, classes=5, channels=channels)), path)


def _export(path: Path, head: str, channels: int, flags: Sequence[str]) -> None:
    checkpoint = path.with_suffix(".pth")
    _save(checkpoint, head, channels)
    size = "x".join(map(str, SIZE))
    done = in_process("export", checkpoint, path, "--size", size, "--no-check", *flags)
    if done.returncode:
        pytest.fail(f"the export ended with {done.returncode}:\n{done.stderr}")


# Of a file, with what is written beside it.
_LONGEST_NAME = 200


@pytest.fixture(scope="session")
def tiny_file(session_folder: Path) -> TinyFile:
    """Export five blocks of few channels: ``tiny_file("linear", 4, "--preset", "hq")``.

    Each file is made once, its manifest beside it.
    """

    def export(head: str = "conv-bn", channels: int = 3, *flags: str) -> Path:
        name = "_".join([head, str(channels), *(flag.strip("-") for flag in flags)])
        if len(name) > _LONGEST_NAME:
            name = sha256(name.encode()).hexdigest()
        path = session_folder / "calib" / f"{name}.onnx"
        path.parent.mkdir(exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _export(path, head, channels, flags)
        return path

    return export


@pytest.fixture(scope="session")
def make_pictures(tmp_path_factory: pytest.TempPathFactory) -> MakePictures:
    """Write pictures of patches and grain, the same ones anew: ``make_pictures(5, channels=4)``."""

    def make(count: int, *, channels: int = 3) -> tuple[Picture, ...]:
        folder = tmp_path_factory.mktemp("pictures")
        draw = np.random.default_rng(3)
        paths = [_write(folder / f"{number:02}", channels, draw) for number in range(count)]
        return tuple(Picture(path, sha256_of(path)) for path in paths)

    return make


def _write(stem: Path, channels: int, draw: np.random.Generator) -> Path:
    coarse = draw.integers(0, 256, (SIZE[0] // 16, SIZE[1] // 16, channels))
    pixels = coarse.repeat(16, 0).repeat(16, 1)
    pixels = np.clip(pixels + draw.integers(-20, 21, pixels.shape), 0, 255).astype(np.uint8)
    if channels == 3:
        Image.fromarray(pixels).save(path := stem.with_suffix(".png"))
    else:
        np.save(path := stem.with_suffix(".npy"), pixels)
    return path
