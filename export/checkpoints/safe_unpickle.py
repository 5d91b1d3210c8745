"""Checkpoints written by ``torch.save``, read without running anything that they ask for.

PyTorch's restricted unpickler is the lock: it builds tensors and plain values and refuses every
other function or class. The few harmless classes that training frameworks leave in their files
are given to it as stand-ins that do nothing.
"""

import re
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from segpp.errors import CheckpointError
from segpp.export.checkpoints.pickle_globals import globals_in

__all__ = ["read_pickle"]


class _Inert:
    """Takes the place of a class that a file names, and forgets whatever it is given."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# Losses and learning rates that mmengine logs, as arrays of NumPy; settings of trainers.
_INERT = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{kind}" for kind in ("float16", "float32", "float64", "int32", "int64", "uint8")),
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float16", "Float32", "Float64", "Int64")),
    "argparse.Namespace",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
)
_DICTIONARIES = (
    "addict.addict.Dict",
    "mmcv.utils.config.ConfigDict",
    "mmengine.config.config.ConfigDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)
_STAND_INS = dict.fromkeys(_INERT, _Inert) | dict.fromkeys(_DICTIONARIES, OrderedDict)

_HARMLESS = {*_STAND_INS, "collections.OrderedDict", "collections.Counter", "_codecs.encode"}
# Packed tensors are unpacked into memory; a B5 with its optimizer's state has 1 GB.
_MOST_UNPACKED = 1 << 30
# What attacks reach for. It decides on the wording alone; everything unknown is refused.
_DANGEROUS = {"ctypes", "importlib", "marshal", "nt", "os", "pickle", "posix", "pty", "runpy"}
_DANGEROUS |= {"shutil", "socket", "subprocess", "sys", "webbrowser"}
_DANGEROUS_BUILTINS = {"__import__", "apply", "compile", "eval", "exec", "execfile", "open"}


def read_pickle(path: Path) -> Any:
    """Return what ``torch.save`` put into ``path``, on the CPU.

    Weights stay on the disk until they are used, where the file allows it.

    Raises:
        CheckpointError: The file is cut short, was written by something else, or asks for a
            function or class that is neither a tensor's nor known to be harmless.
    """
    mapped = _starts_like_zip(path) and _check_torch_archive(path)
    stand_ins = [(stand_in, name) for name, stand_in in _STAND_INS.items()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]  # the stub lacks the documented (class, name) form
            # Told about protocols and old storages, a user could do nothing.
            warnings.simplefilter("ignore")
            return torch.load(path, "cpu", weights_only=True, mmap=mapped)  # noqa: TID251 - the one place, behind the lock
    except Exception as failure:
        # Bytes made to harm may raise anything at all.
        raise _refusal(path, failure) from failure


def _starts_like_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _check_torch_archive(path: Path) -> bool:
    """Raise CheckpointError unless the zip is a whole one of torch.save's.

    Returns:
        Whether its weights may be mapped: PyTorch would map packed ones as they are, in silence.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as failure:
        raise CheckpointError(
            f"{path} is cut short or damaged",
            f"found: {path.stat().st_size:,} bytes of a zip archive without its end",
            hint="download or copy the file again",
        ) from failure
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise CheckpointError(
            f"{path} is a TorchScript program, not a checkpoint",
            hint="save the weights of the model: torch.save(model.state_dict(), 'weights.pth')",
        )
    if "data.pkl" not in names:
        first = ", ".join(entry.filename for entry in entries[:3])
        raise CheckpointError(
            f"{path} is a zip archive that torch.save did not write",
            f"it holds: {first or 'nothing'}",
            hint="if a checkpoint is packed inside, unpack it first",
        )
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if (size := sum(entry.file_size for entry in packed)) > _MOST_UNPACKED:
        raise CheckpointError(
            f"{path} is {path.stat().st_size:,} bytes and unpacks to {size:,}",
            "torch.save packs nothing, and no SegFormer is that large",
            hint="load it where it was made, and save the weights alone again",
        )
    return not packed


def _refusal(path: Path, failure: Exception) -> CheckpointError:
    name = _forbidden(path, str(failure))
    if name is None:
        return CheckpointError(
            f"{path} cannot be read as a PyTorch checkpoint",
            f"{type(failure).__name__}: {_first_line(failure)}",
            hint="it may be cut short: download or copy it again",
        )
    hint = "where the file was made, save the weights alone: torch.save(model.state_dict(), path)"
    if _is_dangerous(name):
        hint = "do not open this file with other programs: no checkpoint needs this"
    return CheckpointError(
        f"{path} asks for {name} and was not read",
        "a checkpoint may hold tensors and plain values; nothing in this file was run",
        hint=hint,
    )


def _forbidden(path: Path, message: str) -> str | None:
    """Return the name to refuse the file for: an attack if it shows one, else the first."""
    # Protocol 2 writes the builtins as Python 2 called them.
    asked = [name.replace("__builtin__.", "builtins.") for name in globals_in(path)]
    if attack := next((name for name in asked if _is_dangerous(name)), None):
        return attack
    if refused := re.search(r"GLOBAL ([\w.]+)", message):
        return refused[1]
    return next((n for n in asked if n not in _HARMLESS and not n.startswith("torch.")), None)


def _is_dangerous(name: str) -> bool:
    module, _, rest = name.partition(".")
    return module in _DANGEROUS or (module == "builtins" and rest in _DANGEROUS_BUILTINS)


def _first_line(failure: Exception) -> str:
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    # PyTorch puts pages of advice on how to switch the lock off before the reason.
    reasons = [line for line in lines if "WeightsUnpickler error" in line] or lines or ["no reason"]
    return reasons[0][:200]
