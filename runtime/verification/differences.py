"""Where masks differ from a certificate's, to look at: one PNG for each picture."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segpp.certificate.archive import Probe
from segpp.errors import OutputError
from segpp.images.channels import as_rgb
from segpp.images.drawing.differences import mark_differences
from segpp.images.drawing.panels import arrange
from segpp.images.palette import overlay
from segpp.images.preprocess import ImageArray
from segpp.runtime.verification.replay import Replayed
from segpp.runtime.verification.verify import Verified
from segpp.utils.files import atomic_write
from segpp.utils.overwrite import MARK, check_output_file

__all__ = ["pictures_folder", "write_pictures"]

_SHARE = 0.6
# Small pictures are drawn larger, pixel by pixel, so that theirs can be told apart.
_LEAST_WIDTH = 480


@contextmanager
def pictures_folder(folder: Path, paths: Sequence[Path]) -> Iterator[None]:
    """Find out before anything runs whether pictures can be written; an empty folder is not left.

    Raises:
        OutputError: The folder cannot be made, or two files would write the same pictures.
    """
    names = [path.name for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OutputError(
            f"two files are called {twice}, and their pictures would be one", hint="verify in turn"
        )
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        raise OutputError(f"cannot make the folder {folder}", reason) from failure
    try:
        yield
    finally:
        if is_new:
            # Only an empty one goes.
            with suppress(OSError):
                folder.rmdir()


def write_pictures(
    done: Verified, probes: Sequence[Probe], folder: Path, *, force: bool = False
) -> tuple[Path, ...]:
    """Write ``b0.onnx.street.png`` for each picture, and return which.

    Raises:
        OutputError: One cannot be written, or would replace a file that segpp did not write.
    """
    written = []
    for picture, probe in zip(done.pictures, probes, strict=False):
        path = folder / f"{done.path.name}.{picture.name}.png"
        check_output_file(path, "picture", inputs=[done.path], force=force)
        text = PngInfo()
        text.add_text("Software", MARK)
        with atomic_write(path) as (part,):
            sheet = Image.fromarray(_sheet(done, picture, probe))
            sheet.save(part, format="PNG", pnginfo=text)
        written.append(path)
    return tuple(written)


def _sheet(done: Verified, picture: Replayed, probe: Probe) -> ImageArray:
    image, palette = as_rgb(probe.picture.pixels), done.manifest.classes.palette
    expected, mask = probe.expected.labels, picture.mask
    marked = mark_differences(image, mask, expected, ~probe.expected.ties)
    panels = [
        ("picture", image),
        (f"{1 - picture.agreement:.2%} of the pixels differ", marked),
        (done.proof.reference, overlay(image, expected, palette, _SHARE)),
        (done.backend, overlay(image, mask, palette, _SHARE)),
    ]
    scale = max(1, _LEAST_WIDTH // image.shape[1])
    enlarged = [(title, panel.repeat(scale, 0).repeat(scale, 1)) for title, panel in panels]
    return arrange(enlarged, columns=2)
