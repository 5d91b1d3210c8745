"""Files run: a session to call on images, or a whole folder at once."""

from collections.abc import Callable, Sequence
from pathlib import Path

from segpp.api._palette import colors_or_file
from segpp.api._types import OneOrMore, PathLike, SizeLike, WhiteLike, checked_settings, to_size
from segpp.images.palette import Color
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.predict_files import AfterEach, predict_files
from segpp.runtime.inference.session import AfterTiles, Session
from segpp.runtime.inference.summary import RunSummary
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.live.reader import LiveConfig
from segpp.utils import arguments

__all__ = ["load", "predict"]

# Of seconds, for what is waited for.
_DAY = 86_400


def load(
    model: PathLike,
    *,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    spin: bool = True,
    min_agreement: float | None = 0.98,
    fit: str | None = None,
    tile: bool = False,
    overlap: float | None = None,
    output_name: str | None = None,
    trust: bool = False,
    cuda_graph: bool = True,
    rebuild_if_stale: bool = False,
    white: WhiteLike | None = None,
    bands: Sequence[int] | None = None,
) -> Session:
    """Load an exported network; call what is returned on images.

    Without a manifest beside it a file works too if it has one image input and an output that is
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        model: An ONNX file, or an engine of ``build_engine``.
        backend: The library that runs it, as ``segpp-run -h`` names them; ``auto`` is ONNX Runtime
            where it is installed, and of an engine the library that built it.
        provider: ONNX Runtime's execution provider: ``cpu``, ``cuda``, ``tensorrt``,
            ``nv-tensorrt-rtx``; by default CUDA where a GPU answers and this ONNX Runtime has it,
            else the CPU.
        threads: CPU threads; by default the library's choice, or as many as the CPUs that this
            process may use, where these are not all of the machine's.
        precision: What the file's FP32 is computed in: ``fp32``, or ``bf16`` with OpenVINO on CPUs
            that have it.
        cache: Keep what a library compiles in ``MODEL.onnx.cache`` beside the file.
        spin: Let idle threads spin between calls: fastest, but they keep the cores busy.
        min_agreement: Share of the first image's pixels that a lower precision must label as FP32
            does; None does without that check.
        fit: How pictures fill the network, instead of the file's own way: ``stretch``,
            ``letterbox`` (keeps the shape and pads to the right and below) or ``crop`` (keeps
            it and cuts: what lies outside gets the label 255).
        tile: Cut pictures into tiles of the network's size at their own resolution instead, and
            blend the logits where they overlap.
        overlap: What neighbouring tiles share of a side, 0 to 0.9; by default a quarter.
        output_name: The output to make masks of, where a file has several; by default labels, else
            logits.
        trust: Load an engine that has no manifest beside it. An engine is code: only one that you
            built, or whose builder you know.
        cuda_graph: Let an engine replay its call as a CUDA graph, where it can.
        rebuild_if_stale: Build an engine for another version, GPU or plugin library again, of the
            ONNX file beside it that it was built from.
        white: Of picture files of more than 8 bits the value that is white, ``max`` or ``auto``,
            instead of what the manifest says; as in ``load_image``. Of no matter for arrays.
        bands: The channels of picture files that are taken, counted from 1, likewise.

    Raises:
        GraphError: The file is damaged, or no segmentation network with fixed shapes.
        ManifestError: Its manifest is damaged, or about another file.
        InputError: An argument is wrong.
        MissingError: The library or the provider is not installed.

    Example:
        >>> with segpp.load("b0.onnx") as session:
        ...     result = session(segpp.load_image("street.png"))
        >>> result.masks[0].shape
        (512, 1024)
    """
    file = arguments.path("model", model)
    settings = checked_settings(
        backend=backend,
        provider=provider,
        threads=threads,
        precision=precision,
        cache=cache,
        spin=spin,
        min_agreement=min_agreement,
        fit=fit,
        tile=tile,
        overlap=overlap,
        output_name=output_name,
        trust=trust,
        cuda_graph=cuda_graph,
        rebuild_if_stale=rebuild_if_stale,
        white=white,
        bands=bands,
    )
    return open_session(file, **settings)


def predict(
    model: PathLike,
    source: OneOrMore,
    out: PathLike | None = None,
    *,
    save: str | None = None,
    alpha: float = 0.5,
    class_names: PathLike | Sequence[str] | None = None,
    palette: PathLike | Sequence[Color] | None = None,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    spin: bool = True,
    min_agreement: float | None = 0.98,
    fit: str | None = None,
    tile: bool = False,
    overlap: float | None = None,
    output_name: str | None = None,
    trust: bool = False,
    cuda_graph: bool = True,
    rebuild_if_stale: bool = False,
    white: WhiteLike | None = None,
    bands: Sequence[int] | None = None,
    after_each: AfterEach = lambda _outcome, _total: None,
    after_tiles: AfterTiles = lambda _done, _total: None,
    legend: str = "panel",
    contours: bool = False,
    compare: PathLike | None = None,
    show: bool = False,
    serve: str | None = None,
    html: PathLike | None = None,
    force: bool = False,
    start: float = 0.0,
    duration: float | None = None,
    every: int = 1,
    frames: int | None = None,
    reconnect: int = 10,
    timeout: float = 10.0,
    camera_size: SizeLike | None = None,
    camera_rate: float | None = None,
    after_break: Callable[[str], object] = lambda _said: None,
    after_serve: Callable[[str], object] = lambda _url: None,
) -> RunSummary:
    """Segment images, videos, folders, patterns, a camera or a stream, and write what is seen.

    A camera or a stream waits for nobody: a newer frame replaces the one that the network has not
    taken yet. Ctrl-C ends it as its own end would, so that what is written is whole.

    Args:
        model: An ONNX file or an engine.
        source: An image, a video, a folder or a pattern of them (``a/*.png``), numbered images
            that are a video (``frames/%06d.png``), a camera (``/dev/video0``, ``csi://0``) or a
            stream (``rtsp://…``, ``http://…``); or several of them in a list, the last two only
            alone. Whatever FFmpeg can play is a video, whatever its ending.
        out: An image or .mp4 for one input, else a folder (``street.overlay.png``). By default
            ``street.overlay.png`` in the current folder, for several inputs the folder
            ``segpp-out``, where each of several videos has a folder of its own; nothing of a
            camera or a stream. ``summary.out`` tells.
        save: ``overlay`` (colors over the image), ``mask`` (class numbers with a palette),
            ``side-by-side`` (image and overlay), ``compare`` (the overlays of two networks and
            where they differ), ``confidence`` (probability of the class shown); several separated
            by commas, or ``both`` for overlay and mask. By default ``overlay``, with ``compare``
            that.
        alpha: Share of the color in an overlay, 0 to 1.
        class_names: Instead of those in the manifest; names, or a file of one per line.
        palette: Instead of that in the manifest; (R, G, B) of each class, 0 to 255, or a file of
            one ``R G B`` per line.
        backend, provider, threads, precision, cache, spin, min_agreement: As in ``load``.
        output_name, fit, tile, overlap, trust, cuda_graph, rebuild_if_stale: As in ``load``.
        white, bands: As in ``load``.
        after_each: Called with each image's outcome and the number of images, if it is known.
        after_tiles: With ``tile``, of a single image: called with how many tiles are done, and of
            how many.
        legend: What the colors mean: ``panel`` (beside or below the picture), ``inside`` (in a
            corner of it) or ``none``.
        contours: Draw a line between the classes.
        compare: A second ONNX file of the same classes.
        show: Show the pictures in a window too, and write only if ``out`` is given; ``q`` quits.
        serve: Show them in browsers too, at an address and port (``127.0.0.1:8090``), and write
            only if ``out`` is given.
        html: A file for a report with all of it, which opens without a network.
        force: Replace files that segpp did not write, too; never one that is read.
        start: Begin with a video so many seconds after its start.
        duration: End it after so many seconds, of a video by its own clock.
        every: Take the first frame of a video, a camera or a stream, and each so-manieth after it.
        frames: End it after so many frames.
        reconnect: How often in a row a camera or a stream that broke off is opened again, with
            growing pauses; 0 for never.
        timeout: Seconds without a frame that are a break.
        camera_size: What a camera is asked for, height first: ``(720, 1280)`` or ``"720x1280"``.
        camera_rate: Frames per second that it is asked for, and that numbered images are (25).
        after_break: Called with a sentence when a source breaks off or is back, from the thread
            that reads it.
        after_serve: Called with the address of the page once it is served.

    Returns:
        What was done and what failed, with times and the share of each class; ``summary.live``
        counts the frames of a camera or a stream.

    Raises:
        ImageError: Nothing can be read; one damaged image of several is in ``failed`` instead.
        OutputError: An output cannot be written, or would replace an input or a foreign file.
        InputError: An argument is wrong, or ``serve`` names a port in use.
        MissingError: ``show``, and there is no display or no tkinter; or what reads a video, a
            camera or a stream is not installed.
        SegppError: The model cannot be loaded or run.

    Example:
        >>> summary = segpp.predict("b0.onnx", "street.png", "street.overlay.png")
        >>> [str(path) for path in summary.done[0].outputs]
        ['street.overlay.png']
    """
    settings = checked_settings(
        backend=backend,
        provider=provider,
        threads=threads,
        precision=precision,
        cache=cache,
        spin=spin,
        min_agreement=min_agreement,
        fit=fit,
        tile=tile,
        overlap=overlap,
        output_name=output_name,
        trust=trust,
        cuda_graph=cuda_graph,
        rebuild_if_stale=rebuild_if_stale,
        white=white,
        bands=bands,
    )
    # A trailing slash says that a folder is meant, and a Path would lose it.
    return predict_files(
        arguments.path_text("model", model),
        arguments.several(_source, "source", source, least=1),
        arguments.optional(arguments.path_text, "out", out),
        save=arguments.optional(arguments.text, "save", save),
        alpha=arguments.share("alpha", alpha),
        class_names=_names_or_file(class_names),
        palette=colors_or_file(palette),
        settings=settings,
        after_each=arguments.function("after_each", after_each),
        after_tiles=arguments.function("after_tiles", after_tiles),
        legend=arguments.text("legend", legend),
        contours=arguments.flag("contours", contours),
        compare=arguments.optional(arguments.path_text, "compare", compare),
        show=arguments.flag("show", show),
        serve=arguments.optional(arguments.text, "serve", serve),
        html=arguments.optional(arguments.path, "html", html),
        force=arguments.flag("force", force),
        live=LiveConfig(
            size=to_size(camera_size, "camera_size"),
            rate=arguments.optional(_rate, "camera_rate", camera_rate),
            timeout=arguments.number("timeout", timeout, least=0.1, most=_DAY),
            reconnect=arguments.whole_number("reconnect", reconnect, least=0),
            after_break=arguments.function("after_break", after_break),
        ),
        cut=Cut(
            start=_seconds("start", start),
            duration=arguments.optional(_duration, "duration", duration),
            every=_count("every", every),
            frames=arguments.optional(_count, "frames", frames),
        ),
        after_serve=arguments.function("after_serve", after_serve),
    )


def _rate(name: str, value: object) -> float:
    return arguments.number(name, value, least=0.1, most=1000)


def _seconds(name: str, value: object) -> float:
    return arguments.number(name, value, least=0)


def _duration(name: str, value: object) -> float:
    return arguments.number(name, value, least=0.001)


def _count(name: str, value: object) -> int:
    return arguments.whole_number(name, value, least=1)


def _source(name: str, value: object) -> str:
    return arguments.path_text(name, value, hint="segpp.load segments arrays")


def _names_or_file(given: PathLike | Sequence[str] | None) -> Path | tuple[str, ...] | None:
    if given is None or isinstance(given, str | Path):
        return arguments.optional(arguments.path, "class_names", given)
    return arguments.several(arguments.text, "class_names", given, least=1)
