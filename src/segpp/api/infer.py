"""Files run: a session to call on images, or a whole folder at once."""

from pathlib import Path
from typing import TYPE_CHECKING

from segpp.api._types import PathLike

if TYPE_CHECKING:
    from segpp.images.palette import Color
    from segpp.runtime.inference.predict_files import AfterEach, RunSummary
    from segpp.runtime.inference.session import Session

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
    output_name: str | None = None,
) -> "Session":
    """Load an exported network; call what is returned on images.

    Without a manifest beside it a file works too if it has one image input and an output that is
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        model: An ONNX file.
        backend: The library that runs it: ``onnxruntime``, ``openvino`` or ``auto``.
        provider: ONNX Runtime's execution provider (``cpu``, ``cuda``).
        threads: CPU threads; by default the library's choice, or as many as the CPUs that this
            process may use, where these are not all of the machine's.
        precision: What the file's FP32 is computed in: ``fp32``, or ``bf16`` with OpenVINO on CPUs
            that have it.
        cache: Keep what OpenVINO compiles in ``MODEL.onnx.cache`` beside the file.
        spin: Let idle threads spin between calls: fastest, but they keep the cores busy.
        min_agreement: Share of the first image's pixels that a lower precision must label as FP32
            does; None does without that check.
        output_name: The output to make masks of, where a file has several; by default labels, else
            logits.

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
    from segpp.runtime.inference.session import open_session  # noqa: PLC0415 - when it is called

    return open_session(
        model,
        backend=backend,
        provider=provider,
        threads=threads,
        precision=precision,
        cache=cache,
        spinning=spin,
        min_agreement=min_agreement,
        output_name=output_name,
    )


def predict(
    model: PathLike,
    source: PathLike,
    out: PathLike,
    *,
    save: str = "overlay",
    alpha: float = 0.5,
    class_names: PathLike | tuple[str, ...] | None = None,
    palette: "PathLike | tuple[Color, ...] | None" = None,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    spin: bool = True,
    min_agreement: float | None = 0.98,
    output_name: str | None = None,
    after_each: "AfterEach" = lambda _outcome, _total: None,
) -> "RunSummary":
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
        backend, provider, threads, precision, cache: As in ``load``.
        spin, min_agreement, output_name: As in ``load``.
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
    from segpp.runtime.inference.predict_files import predict_files  # noqa: PLC0415 - when called

    # A trailing slash says that a folder is meant, and a Path would lose it.
    return predict_files(
        str(model),
        str(source),
        str(out),
        save=save,
        alpha=alpha,
        class_names=Path(class_names) if isinstance(class_names, str) else class_names,
        palette=Path(palette) if isinstance(palette, str) else palette,
        settings={
            "backend": backend,
            "provider": provider,
            "threads": threads,
            "precision": precision,
            "cache": cache,
            "spinning": spin,
            "min_agreement": min_agreement,
            "output_name": output_name,
        },
        after_each=after_each,
    )
