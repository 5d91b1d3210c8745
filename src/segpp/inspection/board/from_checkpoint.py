"""The same estimate for a checkpoint: for the file that its export would write."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto

from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.config import ExportConfig
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.gates.config import ChannelGates
from segpp.inspection.board.boards import Board
from segpp.inspection.board.estimate import BoardEstimate, estimate_file
from segpp.inspection.board.layers import PRECISIONS
from segpp.ops.grid import Size

__all__ = ["estimate_checkpoint"]


def estimate_checkpoint(
    path: Path,
    board: Board,
    *,
    size: Size,
    reductions: Mapping[str, ReductionConfig],
    gates: Mapping[str, ChannelGates],
    choices: ReadChoices,
) -> dict[str, dict[str, BoardEstimate]]:
    """Return an estimate for each reduction and each precision of ``PRECISIONS``.

    Exports the checkpoint with labels as its output, without a check, once for each reduction:
    seconds for a small network, a minute for a large one.

    Args:
        path: The checkpoint.
        board: One of ``BOARDS``.
        size: Of the input in pixels.
        reductions: By name.
        gates: Channel gates besides, by the same names.
        choices: How to read the checkpoint.
    """
    models = {
        name: _exported(path, size, reduction, gates.get(name, {}), choices)
        for name, reduction in reductions.items()
    }
    return {
        name: {one: estimate_file(model, board, assumed=one) for one in PRECISIONS}
        for name, model in models.items()
    }


def _exported(
    path: Path,
    size: Size,
    reduction: ReductionConfig,
    gates: ChannelGates,
    choices: ReadChoices,
) -> ModelProto:
    with TemporaryDirectory(prefix="segpp-") as folder:
        out = Path(folder) / "estimated.onnx"
        config = ExportConfig(
            checkpoint=path,
            out=out,
            reduction=reduction,
            gates=gates,
            size=size,
            outputs="labels",
            check=False,
            **asdict(choices),
        )
        export_onnx(config)
        return onnx.load(out)
