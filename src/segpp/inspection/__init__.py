"""What a file is: a checkpoint, an ONNX file, an engine or a manifest, one kind per module."""

from collections.abc import Sequence
from pathlib import Path

from segpp.errors import InputError
from segpp.inspection.manifest import inspect_engine, inspect_manifest
from segpp.inspection.report import Report
from segpp.ops.grid import Size
from segpp.utils.file_type import ENGINE_SUFFIXES, kind_of
from segpp.utils.files import check_file

__all__ = ["Report", "inspect_file"]


def inspect_file(
    path: Path,
    *,
    size: Size | None = None,
    ratio: float | None = None,
    reduce: Sequence[str] = (),
    checkpoint_format: str | None = None,
) -> Report:
    """Return what a file is, chosen by its first bytes and its suffix.

    Args:
        path: The file, or a Hugging Face folder.
        size: For a checkpoint: the input that tokens and costs are counted for.
        ratio: For a checkpoint: add a column for this share of merged tokens.
        reduce: For a checkpoint: add a column with these sites.
        checkpoint_format: Whose code trained it, where its keys do not tell.

    Raises:
        InputError: It is none of these, or an argument for checkpoints goes with another file.
    """
    asked = {"size": size, "ratio": ratio, "reduce": reduce, "checkpoint_format": checkpoint_format}
    if not path.is_dir():
        check_file(path, kind="file")
    if path.is_dir() or kind_of(path).holds:
        return _inspect_checkpoint(path, size, ratio, reduce, checkpoint_format)
    if unused := [f"`{name}`" for name, value in asked.items() if value not in (None, (), [])]:
        raise InputError(f"{unused[0]} goes with a checkpoint, and {path} is none")
    return _inspect_other(path)


def _inspect_other(path: Path) -> Report:
    kind, suffix = kind_of(path), path.suffix.lower()
    if suffix == ".json":
        return inspect_manifest(path)
    if suffix in ENGINE_SUFFIXES:
        return inspect_engine(path)
    if suffix == ".onnx" or "ONNX" in kind.says:
        from segpp.inspection.onnx_graph import inspect_onnx  # noqa: PLC0415 - needs onnx

        return inspect_onnx(path)
    raise InputError(
        f"{path} is {kind.says}",
        "known are checkpoints, ONNX files, engines and manifests",
    )


def _inspect_checkpoint(
    path: Path,
    size: Size | None,
    ratio: float | None,
    reduce: Sequence[str],
    checkpoint_format: str | None,
) -> Report:
    from segpp.export.reduction.config import ReductionChoice  # noqa: PLC0415 - for checkpoints
    from segpp.inspection.checkpoint import inspect_checkpoint  # noqa: PLC0415 - torch

    choices = {}
    if ratio is not None or reduce:
        name = "asked" if reduce else f"ratio {ratio:g}"
        choices[name] = ReductionChoice(ratio=ratio, reduce=tuple(reduce))
    return inspect_checkpoint(path, size=size, choices=choices, checkpoint_format=checkpoint_format)
