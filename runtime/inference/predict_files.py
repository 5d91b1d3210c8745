"""A whole run: an image, a folder, a pattern or a video in; masks or overlays out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from segpp.errors import InputError
from segpp.images.channels import GRAY_NOTE
from segpp.images.palette import Color, read_class_names, read_palette
from segpp.runtime.inference.predict import FailedImage, Prediction, predict_all
from segpp.runtime.inference.session import Session, open_session
from segpp.runtime.media.sources import find_source
from segpp.runtime.media.writers import (
    KINDS,
    RenderConfig,
    check_output,
    open_writer,
    resolve_output,
)
from segpp.utils.choices import check_choice

__all__ = ["RunSummary", "predict_files"]

T = TypeVar("T")

# Called with each image's outcome, and how many there will be, if that is known.
AfterEach = Callable[[Prediction | FailedImage, int | None], object]


@dataclass
class RunSummary:
    """What became of the images.

    Args:
        backend: Library, version and device in words.
        input_size: Height and width of the network's input.
        names: Of the classes.
        notes: What was assumed for want of a manifest and is done to pictures, a sentence each.
        done: The images that were segmented and written.
        failed: Those that could not be read.
        seconds: Wall time of all.
    """

    backend: str
    input_size: tuple[int, int]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    done: list[Prediction] = field(default_factory=list)
    failed: list[FailedImage] = field(default_factory=list)
    seconds: float = 0.0


def predict_files(
    model: str,
    source_text: str,
    out: str,
    *,
    save: str = "overlay",
    alpha: float = 0.5,
    class_names: Path | tuple[str, ...] | None = None,
    palette: Path | tuple[Color, ...] | None = None,
    settings: Mapping[str, Any],
    after_each: AfterEach = lambda _outcome, _total: None,
) -> RunSummary:
    """Segment everything that a source names and write what it gives.

    Args:
        model: The network's file.
        source_text: An image, a folder, a pattern or a video.
        out: A file or a folder.
        save: "overlay", "mask" or "both".
        alpha: Share of the color in an overlay, 0 to 1.
        class_names: Instead of the manifest's; names, or a file of them.
        palette: Instead of the manifest's; colors, or a file of them.
        settings: More of ``open_session``.
        after_each: Called after every image.

    Raises:
        SegppError: Nothing can be read, loaded or written; a single damaged image of several ends
            up in ``failed`` instead.
    """
    check_choice(save, KINDS, kind="thing to save")
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"alpha is {alpha}", "expected: between 0 (image) and 1 (colours)")
    # All that can be found out is found out before the network is loaded.
    source = find_source(source_text)
    output = resolve_output(out, source, KINDS[save])
    check_output(output, source)
    with open_session(model, **settings) as session:
        summary = _summary(session, class_names)
        colors = session.classes.palette
        if palette is not None:
            colors = _fitting(palette, read_palette, session, "colours")
        render = RenderConfig(KINDS[save], colors, alpha)
        start = time.perf_counter()
        with open_writer(output, render, rate=source.rate) as write:
            for outcome in predict_all(session, source, write):
                _add(summary, outcome)
                after_each(outcome, source.count)
        summary.seconds = time.perf_counter() - start
    return summary


def _summary(session: Session, class_names: Path | tuple[str, ...] | None) -> RunSummary:
    names = session.classes.names
    if class_names is not None:
        names = _fitting(class_names, read_class_names, session, "names")
    return RunSummary(
        backend=session.description,
        input_size=(session.input.height, session.input.width),
        names=names,
        notes=(
            *(session.manifest.notes if session.assumed else ()),
            *((GRAY_NOTE,) if session.input.channels == 1 else ()),
        ),
    )


def _add(summary: RunSummary, outcome: Prediction | FailedImage) -> None:
    if isinstance(outcome, Prediction):
        summary.done.append(outcome)
    else:
        summary.failed.append(outcome)


def _fitting(
    given: Path | tuple[T, ...],
    read: Callable[[Path], tuple[T, ...]],
    session: Session,
    what: str,
) -> tuple[T, ...]:
    """Return what the caller gave, if it is one for each of the network's classes."""
    values = read(given) if isinstance(given, Path) else given
    # Ready labels without a manifest do not tell how many classes there are.
    kinds = {output.kind for output in session.manifest.outputs}
    is_known = not session.assumed or "logits" in kinds
    if is_known and len(values) != len(session.classes.names):
        origin = given if isinstance(given, Path) else "the caller"
        raise InputError(
            f"{origin} has {len(values)} {what}, the network {len(session.classes.names)} classes"
        )
    return values
