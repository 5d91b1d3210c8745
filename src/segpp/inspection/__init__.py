"""What a file is: a checkpoint, an ONNX file, an engine or a manifest, one kind per module."""
# ruff: noqa: PLC0415 - torch and onnx are for checkpoints and graphs alone

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpp.errors import InputError
from segpp.inspection.board.boards import board_named
from segpp.inspection.manifest import inspect_engine, inspect_manifest
from segpp.inspection.report import Report
from segpp.ops.grid import Size
from segpp.utils.file_type import ENGINE_SUFFIXES, kind_of
from segpp.utils.files import check_file

if TYPE_CHECKING:
    from segpp.export.checkpoints.choices import ReadChoices
    from segpp.export.reduction.config import ReductionChoice
    from segpp.inspection.board.boards import Board

__all__ = ["Report", "inspect_file"]


def inspect_file(
    path: Path,
    *,
    size: Size | None = None,
    ratio: float | None = None,
    reduce: Sequence[str] = (),
    board: str | None = None,
    **reading: Any,
) -> Report:
    """Return what a file is, chosen by its first bytes and its suffix.

    Args:
        path: The file, or a Hugging Face folder.
        size: For a checkpoint: the input that tokens and costs are counted for.
        ratio: For a checkpoint: add a column for this share of merged tokens.
        reduce: For a checkpoint: add a column with these sites.
        board: For a checkpoint or an ONNX file: estimate what this board needs for it.
        reading: For a checkpoint: the fields of ``ReadChoices``.

    Raises:
        InputError: It is none of these, or an argument for checkpoints goes with another file.
    """
    from segpp.export.checkpoints.choices import ReadChoices

    choices = ReadChoices(**reading)
    chosen = None if board is None else board_named(board)
    if not path.is_dir():
        check_file(path, kind="file")
    if path.is_dir() or kind_of(path).holds:
        return _inspect_checkpoint(path, size, _asked(ratio, reduce), choices, chosen)
    asked = {"size": size, "ratio": ratio, "reduce": reduce or None}
    unread = {n: v for n, v in reading.items() if v != getattr(ReadChoices(), n)}
    if unused := [f"`{name}`" for name, value in {**asked, **unread}.items() if value is not None]:
        raise InputError(f"{unused[0]} goes with a checkpoint, and {path} is none")
    return _inspect_other(path, chosen)


def _inspect_other(path: Path, board: "Board | None") -> Report:
    kind, suffix = kind_of(path), path.suffix.lower()
    is_onnx = suffix == ".onnx" or "ONNX" in kind.says
    if board is not None and not is_onnx:
        raise InputError(f"`board` goes with a checkpoint or an ONNX file, and {path} is neither")
    if suffix == ".json":
        return inspect_manifest(path)
    if suffix in ENGINE_SUFFIXES:
        return inspect_engine(path)
    if is_onnx:
        from segpp.inspection.onnx_graph import inspect_onnx

        return inspect_onnx(path, board)
    raise InputError(
        f"{path} is {kind.says}",
        "known are checkpoints, ONNX files, engines and manifests",
    )


def _asked(ratio: float | None, reduce: Sequence[str]) -> "dict[str, ReductionChoice]":
    from segpp.export.reduction.config import ReductionChoice

    if ratio is None and not reduce:
        return {}
    name = "asked" if reduce else f"ratio {ratio:g}"
    return {name: ReductionChoice(ratio=ratio, reduce=tuple(reduce))}


def _inspect_checkpoint(
    path: Path,
    size: Size | None,
    asked: "dict[str, ReductionChoice]",
    choices: "ReadChoices",
    board: "Board | None",
) -> Report:
    _check_before_torch(path, size, asked, choices)
    from segpp.inspection.checkpoint import inspect_checkpoint

    return inspect_checkpoint(path, size=size, asked=asked, choices=choices, board=board)


def _check_before_torch(
    path: Path,
    size: Size | None,
    asked: "dict[str, ReductionChoice]",
    choices: "ReadChoices",
) -> None:
    """Raise InputError for what no checkpoint could make right: torch takes seconds to import."""
    from segpp.export.checkpoints.check_weights import check_weights
    from segpp.export.checkpoints.choices import check_choices
    from segpp.export.models.base import ModelFamily, check_with_any, families_for

    def check(family: ModelFamily) -> None:
        if size is not None:
            family.check_size(size)
        if choices.heads is not None:
            family.check_heads(choices.heads)
        for choice in asked.values():
            family.reduction_config(choice)

    check_choices(choices)
    families_for(choices.checkpoint_format)
    check_with_any(check)
    check_weights(path)
