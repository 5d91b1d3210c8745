"""Files run: a session to call on images, or a whole folder at once."""

from collections.abc import Sequence
from pathlib import Path

from segpp.api._types import PathLike, checked_settings
from segpp.errors import InputError
from segpp.images.palette import Color
from segpp.runtime.inference.predict_files import AfterEach, RunSummary, predict_files
from segpp.runtime.inference.session import Session, open_session
from segpp.utils import arguments

__all__ = ["load", "predict"]


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
) -> Session:
    """Load an exported network; call what is returned on images.

    Without a manifest beside it a file works too if it has one image input and one output that is
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        model: An ONNX file.
        backend: The library that runs it, as ``segpp-run -h`` names them; ``auto`` is ONNX Runtime
            where it is installed.
        provider: ONNX Runtime's execution provider (``cpu``, ``cuda``).
        threads: CPU threads; by default the library's choice.
        precision: What the file's FP32 is computed in: ``fp32``, or ``bf16`` with OpenVINO on CPUs
            that have it.
        cache: Keep what OpenVINO compiles in ``MODEL.onnx.cache`` beside the file.
        spin: Let idle threads spin between calls: fastest, but they keep the cores busy.
        min_agreement: Share of the first image's pixels that a lower precision must label as FP32
            does; None does without that check.

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
    )
    return open_session(file, **settings)


def predict(
    model: PathLike,
    source: PathLike,
    out: PathLike,
    *,
    save: str = "overlay",
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
    after_each: AfterEach = lambda _outcome, _total: None,
) -> RunSummary:
    """Segment an image, a folder, a pattern or a video, and write masks or overlays.

    Args:
        model: An ONNX file.
        source: An image, a folder, a pattern (``a/*.png``) or a video.
        out: An image or .mp4 for one input, else a folder (``street.overlay.png``).
        save: ``overlay`` (colors over the image), ``mask`` (class numbers with a palette), or
            ``both``.
        alpha: Share of the color in an overlay, 0 to 1.
        class_names: Instead of those in the manifest; names, or a file of one per line.
        palette: Instead of that in the manifest; (R, G, B) of each class, 0 to 255, or a file of
            one ``R G B`` per line.
        backend, provider, threads, precision, cache, spin, min_agreement: As in ``load``.
        after_each: Called with each image's outcome and the number of images, if it is known.

    Returns:
        What was done and what failed, with times and the share of each class.

    Raises:
        ImageError: Nothing can be read; one damaged image of several is in ``failed`` instead.
        OutputError: An output cannot be written, or would replace an input.
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
    )
    # A trailing slash says that a folder is meant, and a Path would lose it.
    return predict_files(
        arguments.path_text("model", model),
        arguments.path_text("source", source, hint="segpp.load segments arrays"),
        arguments.path_text("out", out),
        save=arguments.text("save", save),
        alpha=arguments.share("alpha", alpha),
        class_names=_names_or_file(class_names),
        palette=_colors_or_file(palette),
        settings=settings,
        after_each=arguments.function("after_each", after_each),
    )


def _names_or_file(given: PathLike | Sequence[str] | None) -> Path | tuple[str, ...] | None:
    if given is None or isinstance(given, str | Path):
        return arguments.optional(arguments.path, "class_names", given)
    return arguments.several(arguments.text, "class_names", given, least=1)


def _colors_or_file(given: PathLike | Sequence[Color] | None) -> Path | tuple[Color, ...] | None:
    if given is None or isinstance(given, str | Path):
        return arguments.optional(arguments.path, "palette", given)
    return arguments.several(_color, "palette", given, least=1)


def _color(name: str, value: object) -> Color:
    try:
        red, green, blue = arguments.several(_channel, name, value)
    except (InputError, ValueError) as failure:
        expected = "(R, G, B), three whole numbers from 0 to 255, for each class"
        raise arguments.wrong(name, value, expected) from failure
    return red, green, blue


def _channel(name: str, value: object) -> int:
    return arguments.whole_number(name, value, least=0, most=255)
