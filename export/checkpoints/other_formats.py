"""Checkpoints of other kinds, each told for what it is and with the way out of it."""

import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from segpp.errors import CheckpointError

__all__ = ["check_folder", "check_not_encrypted", "check_not_quantized", "other_kind"]

_STATE_DICT = "torch.save(model.state_dict(), 'weights.pth')"
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_QUANTIZED = {"activation_post_process", "weight_fake_quant", "_packed_params", "parametrizations"}

_TAO = ("an encrypted model of NVIDIA TAO", "give the .pth from before its encryption")
_PADDLE = "rename and save its arrays as tensors in Python: segpp reads PyTorch checkpoints only"
_KERAS = "transformers 4 converts it: from_pretrained(folder, from_tf=True).save_pretrained(new)"

# By the ending of the name, where the bytes tell nothing or mislead: what it is, and what to do.
_ENDINGS = {
    ".pdparams": ("weights of PaddlePaddle, not of PyTorch", _PADDLE),
    ".gguf": ("a GGUF model, not a PyTorch checkpoint", "give the checkpoint it was made from"),
    ".etlt": _TAO,
    ".tlt": _TAO,
    ".h5": ("weights of Keras (HDF5), not of PyTorch", _KERAS),
}


def other_kind(path: Path) -> CheckpointError | None:
    """Return the refusal of a file that is a checkpoint of another kind, None for any other."""
    if path.suffix.lower() in _ENDINGS and path.is_file():
        says, hint = _ENDINGS[path.suffix.lower()]
        return CheckpointError(f"{path} holds {says}", hint=hint)
    if path.name in _ADAPTER or (path.is_file() and _is_export_archive(path)):
        return _adapter(path) if path.name in _ADAPTER else _exported(path)
    return None


def check_folder(folder: Path) -> None:
    """Raise CheckpointError if a folder has an adapter in it, alone or beside its base."""
    if any((folder / name).is_file() for name in _ADAPTER):
        raise _adapter(folder)


def check_not_encrypted(content: Any, path: Path) -> None:
    """Raise CheckpointError if a file says that its weights are encrypted."""
    if isinstance(content, Mapping) and content.get("state_dict_encrypted") is True:
        raise CheckpointError(
            f"{path} holds encrypted weights, as NVIDIA TAO writes them",
            hint="train or export there without an encryption key, and give that .pth",
        )


def check_not_quantized(names: Collection[str], path: Path) -> None:
    """Raise CheckpointError if names are those of a network prepared for, or in, 8 bits."""
    quantized = [name for name in names if not _QUANTIZED.isdisjoint(name.split("."))]
    if quantized:
        raise CheckpointError(
            f"{path} is of a network changed for quantisation or parametrised",
            f"found: {', '.join(quantized[:3])}",
            hint="give the checkpoint from before that change, in floating point",
        )


def _adapter(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} has a LoRA adapter of PEFT in it, which must be merged into its base first",
        hint="PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(folder), "
        "then give that folder",
    )


def _exported(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is a program of torch.export, not a checkpoint",
        hint=f"save the weights of the model: {_STATE_DICT}",
    )


def _is_export_archive(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return any(name.rpartition("/")[2] in {"archive_format", "model.json"} for name in names) and (
        not any(name.endswith("data.pkl") for name in names)
    )
