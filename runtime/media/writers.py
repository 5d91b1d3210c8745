"""Masks and overlays on the disk: where they go, checked early, and how they are written."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segpp.errors import OutputError
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.runtime.media.films.film_writer import VideoWriter
from segpp.runtime.media.films.kinds import VIDEO_SUFFIXES
from segpp.runtime.media.films.look import PLAIN, look_of
from segpp.runtime.media.geotiff import TIFF_SUFFIXES, check_tiff_writing, write_mask
from segpp.runtime.media.items import ImageName, ImageSource
from segpp.runtime.media.looks.base import LOOKS, RenderConfig, Segmented
from segpp.utils.files import atomic_write, check_writable
from segpp.utils.overwrite import MARK, OutputKind, check_output_file

__all__ = [
    "OutputTarget",
    "Write",
    "check_output",
    "default_output",
    "open_writer",
    "resolve_output",
]

# Beside the current folder, where several pictures go whose place nobody named.
_DEFAULT_FOLDER = "segpp-out"

_MASK = "mask"
_JPEG = {".jpg", ".jpeg"}
_VIDEO = ".mp4"
_WRITTEN = {".png", *_JPEG, _VIDEO, *TIFF_SUFFIXES}
# From where on two endings look like one with a slip: .pngg, .pn, .jepg, and not .v2.
_ALIKE = 0.7

# Takes what an image is called and what is known of it; returns the files it wrote.
Write = Callable[[ImageName, Segmented], list[Path]]


@dataclass(frozen=True)
class OutputTarget:
    """Where the outputs go: one file, or a folder that gets one file per image and kind."""

    path: Path
    one_file: bool

    def paths(self, name: str, kinds: tuple[str, ...]) -> list[Path]:
        """Return the files for one image: ``street`` gets ``street.mask.png`` in a folder."""
        if self.one_file:
            return [self.path]
        return [self.path / f"{name}.{kind}.png" for kind in kinds]

    @property
    def holds(self) -> OutputKind:
        """What is written there, as ``check_output_file`` calls it."""
        return "video" if self.one_file and self.path.suffix.lower() == _VIDEO else "picture"


def default_output(source: ImageSource, kinds: tuple[str, ...]) -> OutputTarget:
    """Return where the outputs go if nobody says: named after the input, in the current folder.

    One picture becomes ``street.overlay.png``, a video ``drive.overlay.mp4``; several pictures get
    the folder ``segpp-out``, and so do the frames of a video with several looks.
    """
    if source.kind == "image":
        return OutputTarget(Path(), one_file=False)
    if source.kind == "video" and len(kinds) == 1:
        stem = source.stem or source.files[0].stem
        return OutputTarget(Path(f"{stem}.{kinds[0]}{_VIDEO}"), one_file=True)
    return OutputTarget(Path(_DEFAULT_FOLDER), one_file=False)


def resolve_output(out: str, source: ImageSource, kinds: tuple[str, ...]) -> OutputTarget:
    """Return where the outputs go, given what they are.

    Args:
        out: A file or a folder, as the user typed it; a folder may end in "/" or be missing.
        source: The images.
        kinds: What is written of each, names of ``LOOKS``.

    Raises:
        OutputError: A file is named where several belong, or its format does not fit.
    """
    path, suffix = Path(out), Path(out).suffix.lower()
    if suffix in (IMAGE_SUFFIXES | VIDEO_SUFFIXES) - _WRITTEN and not out.endswith("/"):
        raise OutputError(f"cannot write {path}", f"written are: {', '.join(sorted(_WRITTEN))}")
    near = [] if suffix in _WRITTEN else get_close_matches(suffix, _WRITTEN, 1, _ALIKE)
    if near and not out.endswith("/") and not path.is_dir():
        raise OutputError(
            f"{path} ends in {suffix}, which is no format that is written",
            hint=f"name it {path.with_suffix(near[0]).name}, or end it in / for a folder",
        )
    if out.endswith("/") or path.is_dir() or suffix not in _WRITTEN:
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file", hint="give a folder, or a name ending in .png")
        return OutputTarget(path, one_file=False)
    if source.kind == "images" or len(kinds) > 1:
        contents = "several images" if source.kind == "images" else " and ".join(kinds)
        raise OutputError(f"{contents} do not fit into {path}", hint="give a folder")
    if (source.kind == "video") != (suffix == _VIDEO):
        raise OutputError(
            f"{'a video' if source.kind == 'video' else 'an image'} cannot become {path}",
            hint="name a .png (a mask also .tif) for an image, a .mp4 for a video, or a folder",
        )
    if suffix in TIFF_SUFFIXES:
        check_tiff_writing()
        if kinds != (_MASK,):
            raise OutputError(f"{path} can hold a mask alone", hint="`save=mask`, or name a .png")
    if LOOKS[kinds[0]].lossless and suffix in _JPEG:
        raise OutputError(f"{path} would lose class numbers: JPEG", hint="name a .png")
    return OutputTarget(path, one_file=True)


def check_output(
    output: OutputTarget,
    source: ImageSource,
    kinds: tuple[str, ...] = (),
    *,
    inputs: Sequence[Path] = (),
    force: bool = False,
) -> None:
    """Find out now, before the network runs, whether the outputs can be written.

    Args:
        output: Where they go.
        source: The images.
        kinds: What is written of each.
        inputs: What else is read: the network, a palette.
        force: Replace files that segpp did not write, too.

    Raises:
        OutputError: They cannot, or would replace what is read or what segpp did not write.
    """
    read = (*source.files, *inputs)
    folders = {file.resolve().parent for file in source.files}
    if output.one_file:
        check_output_file(output.path, output.holds, inputs=read, force=force)
        return
    if source.kind == "images" and output.path.resolve() in folders:
        # A second run would take the masks of the first for images.
        raise OutputError(f"{output.path} holds the input images", hint="write to another folder")
    existing = next(
        path for path in (output.path, *output.path.absolute().parents) if path.exists()
    )
    check_writable(existing / "segpp-run")
    # Of a video nobody knows how many there will be; each is checked when it is written.
    for path in (path for name in source.known_names for path in output.paths(name, kinds)):
        if os.path.lexists(path):
            check_output_file(path, output.holds, inputs=read, force=force)


@contextmanager
def open_writer(output: OutputTarget, config: RenderConfig, source: ImageSource) -> Iterator[Write]:
    """Yield a function that writes one image's outputs and returns their paths.

    Args:
        output: Where they go.
        config: What they look like.
        source: What they are of; a film of a film has its times, sound, colors and shape.

    Raises:
        OutputError: The folder or a file cannot be written.
        MissingError: It is a video, and PyAV or its encoder is not there.
    """
    if output.holds == "video" and source.rate is not None:
        with _video_writer(output.path, config, source, source.rate) as write:
            yield write
        return
    if not output.one_file:
        _make_folder(output.path)
    made = {output.path}

    def write_files(named: ImageName, shown: Segmented) -> list[Path]:
        paths = output.paths(named.name, config.kinds)
        if source.has_films and (folder := paths[0].parent) not in made:
            _make_folder(folder)
            made.add(folder)
        for path in filter(os.path.lexists, paths):
            check_output_file(path, output.holds, force=config.force)
        with atomic_write(*paths) as parts:
            for kind, path, part in zip(config.kinds, paths, parts, strict=True):
                if path.suffix.lower() in TIFF_SUFFIXES:
                    rows, size = [shown.labels], shown.labels.shape[:2]
                    write_mask(part, rows, size, config.palette, source=Path(named.file))
                else:
                    _save(LOOKS[kind].draw(shown, config), path.suffix.lower(), part)
        return paths

    yield write_files


@contextmanager
def _video_writer(
    path: Path, config: RenderConfig, source: ImageSource, rate: float
) -> Iterator[Write]:
    look = look_of(source.film) if source.film else PLAIN
    with (
        atomic_write(path) as (part,),
        VideoWriter(part, rate, look, sound=source.film, whole=source.is_whole) as video,
    ):

        def write_frame(named: ImageName, shown: Segmented) -> list[Path]:
            [kind] = config.kinds
            video.write(LOOKS[kind].in_color(shown, config), named.time, named.lasting)
            return [path]

        yield write_frame


def _save(picture: Image.Image, suffix: str, part: Path) -> None:
    if suffix in _JPEG:
        picture.save(part, format="JPEG", quality=95, subsampling=0, comment=MARK.encode())
    else:
        # Level 1 is several times faster than the default and costs a seventh in size.
        text = PngInfo()
        text.add_text("Software", MARK)
        picture.save(part, format="PNG", compress_level=1, pnginfo=text)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        raise OutputError(f"cannot make the folder {path}", reason) from failure
