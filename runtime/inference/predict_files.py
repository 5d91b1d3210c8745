"""A whole run: images, a video, a camera or a stream in; masks or overlays out."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from segpp.errors import InputError
from segpp.images.channels import GRAY_NOTE
from segpp.images.palette import Color, read_class_names, read_palette
from segpp.runtime.html_report.run_page import Album, write_run_page
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.predict import FailedImage, Prediction, predict_all
from segpp.runtime.inference.seeing import Seeing, check_comparable
from segpp.runtime.inference.session import AfterTiles, Session
from segpp.runtime.inference.summary import RunSummary
from segpp.runtime.media.files import as_film
from segpp.runtime.media.films.cut import WHOLE, Cut
from segpp.runtime.media.films.kinds import VIDEO_SUFFIXES
from segpp.runtime.media.films.sound import sound_problem
from segpp.runtime.media.items import ImageName, ImageSource
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.live.signals import ended_by_signals
from segpp.runtime.media.looks.base import LEGENDS, LOOKS, RenderConfig, Segmented, kinds_of
from segpp.runtime.media.mosaics import goes_by_windows, segment_by_windows
from segpp.runtime.media.sources import find_sources
from segpp.runtime.media.window import Window, open_window
from segpp.runtime.media.writers import (
    OutputTarget,
    Write,
    check_output,
    default_output,
    open_writer,
    resolve_output,
)
from segpp.runtime.serve.address import ServeAddress, parse_address
from segpp.runtime.serve.view import LiveView
from segpp.utils.choices import check_choice
from segpp.utils.overwrite import check_distinct, check_output_file

__all__ = ["RunSummary", "predict_files"]

T = TypeVar("T")

# Called with each image's outcome, and how many there will be, if that is known.
AfterEach = Callable[[Prediction | FailedImage, int | None], object]


def predict_files(
    model: str,
    inputs: Sequence[str],
    out: str | None,
    *,
    save: str | None = None,
    alpha: float = 0.5,
    class_names: Path | tuple[str, ...] | None = None,
    palette: Path | tuple[Color, ...] | None = None,
    settings: Mapping[str, Any],
    after_each: AfterEach = lambda _outcome, _total: None,
    after_tiles: AfterTiles = lambda _done, _total: None,
    legend: str = "panel",
    contours: bool = False,
    compare: str | None = None,
    show: bool = False,
    serve: str | None = None,
    html: Path | None = None,
    force: bool = False,
    live: LiveConfig = LiveConfig(),  # noqa: B008 - frozen
    cut: Cut = WHOLE,
    after_serve: Callable[[str], object] = lambda _url: None,
) -> RunSummary:
    """Segment everything that the inputs name and write what it gives.

    Args:
        model: The network's file.
        inputs: Images, folders and patterns, or one video, camera or stream.
        out: A file or a folder; None for places named after the inputs, or none where the result
            is shown or the source is live.
        save: Names of ``LOOKS``, separated by commas, or "both" for overlay and mask; None for
            "overlay", with ``compare`` for that.
        alpha: Share of the color in an overlay, 0 to 1.
        class_names: Instead of the manifest's; names, or a file of them.
        palette: Instead of the manifest's; colors, or a file of them.
        settings: More of ``open_session``.
        after_each: Called after every image.
        after_tiles: Called after every batch of tiles of a single image, with how many are done of
            how many.
        legend: "panel", "inside" or "none".
        contours: Draw lines between the classes.
        compare: A second network's file.
        show: Show the pictures in a window too; ``q`` ends the run.
        serve: Show them in browsers too: address and port.
        html: A file for a report with all of it.
        force: Replace files that segpp did not write, too; never one that is read.
        live: How a camera or a stream is read.
        cut: The part of a video, a camera or a stream that is wanted.
        after_serve: Called with the address of the page once it is served.

    Raises:
        SegppError: Nothing can be read, loaded or written; a single damaged image of several ends
            up in ``failed`` instead.
    """
    usual = "overlay" if compare is None else "compare"
    kinds = kinds_of(usual if save is None else save)
    _check_looks(legend, alpha)
    # All that can be found out is found out before the network is loaded.
    address = None if serve is None else parse_address(serve)
    with ExitStack() as stack:
        live = replace(live, duration=cut.duration, every=cut.every)
        source = _film_or_images(find_sources(inputs, live, cut), out)
        stack.callback(source.close)
        _check_can_be_cut(source, cut)
        read = [Path(file) for file in (model, compare) if file]
        read += [given for given in (class_names, palette) if isinstance(given, Path)]
        output = None
        if out is not None or not (show or serve or source.live):
            output = _output(out, source, kinds)
            check_output(output, source, kinds, inputs=read, force=force)
        if html:
            check_distinct([html, *_single_files(output, source, kinds)])
            check_output_file(html, "report", inputs=[*read, *source.files], force=force)
        screens = _Screens(
            window=stack.enter_context(open_window(model)) if show else None,
            view=_serve(stack, address, f"{Path(model).name}: {source.name}", source, after_serve),
        )
        seeing = _open_all(stack, model, compare, kinds, settings)
        seeing.watch_tiles(after_tiles, alone=source.kind == "image")
        summary = _summary(seeing.session, class_names)
        render = RenderConfig(
            kinds=kinds,
            palette=_palette(seeing.session, palette),
            alpha=alpha,
            names=summary.names,
            legend=legend,
            contours=contours,
            models=_short(model, compare),
            film=source.kind == "video" or source.has_films,
            force=force,
            unseen=seeing.unseen,
        )
        summary.out, summary.live = _named(output, source, kinds), source.live
        summary.remarks = _remarks(output, source)
        screens.begin(render, with_album=html is not None)
        start = time.perf_counter()
        if output is not None and goes_by_windows(
            source, output, seeing.session, alone=not (compare or show or serve or html)
        ):
            summary.add(
                done := segment_by_windows(
                    seeing.session, source, output.path, _palette(seeing.session, palette)
                )
            )
            after_each(done, 1)
            summary.seconds = time.perf_counter() - start
            summary.notes += (*source.notes, *seeing.session.notes)
            return summary
        with (
            _ended(source),
            _writer(output, render, source) as write,
            closing(predict_all(seeing, source, screens.also(write))) as outcomes,
        ):
            for outcome in outcomes:
                summary.add(outcome)
                screens.tell(outcome)
                after_each(outcome, source.count)
                if screens.closed or _is_enough(summary, cut):
                    break
        summary.seconds = time.perf_counter() - start
        summary.notes += (*source.notes, *seeing.session.notes)
        if html and screens.album:
            write_run_page(html, summary, screens.album)
        if screens.window:
            screens.window.wait()
    return summary


def _film_or_images(source: ImageSource, out: str | None) -> ImageSource:
    """Return an animation as a video where it is to become one."""
    wants_film = out is not None and Path(out).suffix.lower() in VIDEO_SUFFIXES
    return (as_film(source) or source) if wants_film else source


def _check_looks(legend: str, alpha: float) -> None:
    check_choice(legend, LEGENDS, kind="place of the legend")
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"alpha is {alpha}", "expected: between 0 (image) and 1 (colours)")


@dataclass
class _Screens:
    """Where results are seen besides in files; all of it in the caller's thread."""

    window: Window | None
    view: LiveView | None
    album: Album | None = None
    render: RenderConfig | None = None

    def begin(self, render: RenderConfig, *, with_album: bool) -> None:
        """Say what the results look like, once the network has told its classes."""
        self.render = render
        self.album = Album(render) if with_album else None
        if self.view:
            self.view.render = render

    def also(self, write: Write) -> Write:
        """Return what writes, and shows and keeps what it writes."""

        def write_all(named: ImageName, shown: Segmented) -> list[Path]:
            if self.view:
                self.view.show(shown)
            if self.window and self.render:
                look = LOOKS[self.render.kinds[0]]
                self.window.show(look.in_color(shown, self.render), named.name)
            if self.album:
                self.album.add(named.name, shown)
            return write(named, shown)

        return write_all

    def tell(self, outcome: Prediction | FailedImage) -> None:
        if self.view and isinstance(outcome, Prediction):
            self.view.tell(outcome)

    @property
    def closed(self) -> bool:
        return self.window is not None and self.window.closed


def _serve(
    stack: ExitStack,
    address: ServeAddress | None,
    title: str,
    source: ImageSource,
    after_serve: Callable[[str], object],
) -> LiveView | None:
    if address is None:
        return None
    from segpp.runtime.serve.server import serve  # noqa: PLC0415 - for those who serve alone

    view = LiveView(title, source.live)
    after_serve(stack.enter_context(serve(view, address)).url)
    return view


def _check_can_be_cut(source: ImageSource, cut: Cut) -> None:
    if source.kind != "video" and not source.has_films and not cut.is_whole:
        raise InputError(
            f"{source.name} is no video, and ends by itself",
            hint="`start`, `every`, `frames` and `duration` are for videos, cameras and streams",
        )
    if source.live and cut.start:
        raise InputError(f"{source.name} is live: there is nothing before its `start`")


def _remarks(output: OutputTarget | None, source: ImageSource) -> tuple[str, ...]:
    if output is None or output.holds != "video":
        return ()
    problem = sound_problem(source.film) if source.film else None
    if source.is_heard:
        problem = f"the sound of {source.name} is dropped: films of live sources have none"
    return (problem,) if problem else ()


def _is_enough(summary: RunSummary, cut: Cut) -> bool:
    # What is stored, and a camera whose time is up, end by themselves.
    if summary.live is None or cut.frames is None:
        return False
    return summary.count + len(summary.failed) >= cut.frames


@contextmanager
def _ended(source: ImageSource) -> Iterator[None]:
    """Have Ctrl-C end what does not end by itself, and anything else as ever."""
    if source.live is None:
        yield
        return
    with ended_by_signals(source.stop):
        yield


def _output(out: str | None, source: ImageSource, kinds: tuple[str, ...]) -> OutputTarget:
    """Return where the outputs go."""
    return default_output(source, kinds) if out is None else resolve_output(out, source, kinds)


def _named(output: OutputTarget | None, source: ImageSource, kinds: tuple[str, ...]) -> str:
    """Return what was written, for a message: the single files, else their folder."""
    if output is None:
        return ""
    if output.one_file or source.kind != "image":
        return str(output.path)
    if output.path == Path():
        return " and ".join(map(str, output.paths(source.files[0].stem, kinds)))
    return str(output.path)


def _single_files(
    output: OutputTarget | None, source: ImageSource, kinds: tuple[str, ...]
) -> list[Path]:
    """Return the files that are written, as far as they are known now."""
    if output is None or (source.kind == "video" and not output.one_file):
        return []
    if output.one_file:
        return [output.path]
    return [path for name in source.known_names for path in output.paths(name, kinds)]


@contextmanager
def _writer(
    output: OutputTarget | None, render: RenderConfig, source: ImageSource
) -> Iterator[Write]:
    if output is None:
        yield lambda _named, _shown: []
        return
    with open_writer(output, render, source) as write:
        yield write


def _open_all(
    stack: ExitStack,
    model: str,
    compare: str | None,
    kinds: tuple[str, ...],
    settings: Mapping[str, Any],
) -> Seeing:
    # The threads of a network that waits for its turn would slow the other down.
    session = stack.enter_context(open_session(model, **settings, alone=compare is None))
    other = None
    if compare is not None:
        other = stack.enter_context(open_session(compare, **settings, alone=False))
        check_comparable(session, other)
    needs_confidence = any(LOOKS[kind].needs == "confidence" for kind in kinds)
    seeing = Seeing(session, other, confidence=needs_confidence)
    seeing.check_can_show(kinds)
    return seeing


def _short(model: str, compare: str | None) -> tuple[str, str]:
    """Return what two files are called: their names, or their paths where the names are one."""
    first, second = Path(model), Path(compare or "")
    if first.name == second.name:
        return model, str(second)
    return first.name, second.name


def _palette(session: Session, given: Path | tuple[Color, ...] | None) -> tuple[Color, ...]:
    if given is None:
        return session.classes.palette
    return _fitting(given, read_palette, session, "colours")


def _summary(session: Session, class_names: Path | tuple[str, ...] | None) -> RunSummary:
    names = session.classes.names
    if class_names is not None:
        names = _fitting(class_names, read_class_names, session, "names")
    return RunSummary(
        backend=session.description,
        input_size=(session.input.height, session.input.width),
        fit=session.fit,
        names=names,
        notes=(
            *(session.manifest.notes if session.assumed else ()),
            *((GRAY_NOTE,) if session.input.channels == 1 else ()),
        ),
    )


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
