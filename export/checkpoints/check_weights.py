"""Whether a path can hold a checkpoint, by its first bytes: without torch."""

from pathlib import Path

from segpp.errors import CheckpointError
from segpp.export.checkpoints.other_formats import check_folder, other_kind
from segpp.utils.file_type import FileKind, kind_of
from segpp.utils.files import check_file

__all__ = ["CONFIG", "check_weights", "weights_kind"]

CONFIG = "config.json"

_LISTED = 5


def check_weights(path: Path) -> None:
    """Raise CheckpointError unless ``path`` is a file or a folder of weights, as far as one sees.

    Args:
        path: A file of ``torch.save`` or safetensors, or a folder of ``save_pretrained``.
    """
    if refusal := other_kind(path):
        raise refusal
    if not path.is_dir():
        weights_kind(path)
        return
    check_folder(path)
    if not (path / CONFIG).is_file():
        inside = sorted(child.name for child in path.iterdir())
        raise CheckpointError(
            f"folder {path} has no {CONFIG}",
            f"it holds: {', '.join(inside[:_LISTED]) or 'nothing'}"
            f"{' …' if len(inside) > _LISTED else ''}",
            hint="give the checkpoint file itself, or a folder written by save_pretrained",
        )


def weights_kind(path: Path) -> FileKind:
    """Return what a file of weights is.

    Raises:
        CheckpointError: It is missing, empty, or none.
    """
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is a device or a pipe, not a checkpoint")
    check_file(path, kind="checkpoint", error=CheckpointError)
    kind = kind_of(path)
    if kind.holds is None:
        raise CheckpointError(f"{path} is {kind.says}, not a checkpoint", hint=kind.hint)
    return kind
