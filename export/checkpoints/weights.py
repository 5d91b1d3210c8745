"""A checkpoint as it lies on the disk: one file, or a folder of Hugging Face's."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from segpp.errors import CheckpointError
from segpp.export.checkpoints.check_weights import CONFIG, check_weights, weights_kind
from segpp.export.checkpoints.other_formats import check_folder, other_kind
from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.utils.files import sha256_of

__all__ = ["WeightsFile", "read_weights", "weights_files"]

_PREPROCESSOR = "preprocessor_config.json"
# In the order of preference; an index lists the parts of weights that were split.
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")

# The JSON of a checkpoint is a few kilobytes, an index of a thousand tensors a hundred.
_MAX_JSON_BYTES = 4 << 20

# What transformers' Trainer calls the folders below its output folder.
_CHECKPOINT = re.compile(r"checkpoint-\d+")


@dataclass(frozen=True)
class WeightsFile:
    """What was read, before anything is made of it.

    Attributes:
        content: Whatever the file holds, usually nested dictionaries with tensors.
        sha256: Of the file; of the parts' hashes, in order, where the weights are split.
        config: ``config.json`` of a Hugging Face folder; empty for a lone file.
        preprocessor: ``preprocessor_config.json`` of a Hugging Face folder; empty without.
        notes: What a person must know of the choice of files, one sentence each.
    """

    content: Any
    sha256: str
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_weights(path: Path, model_types: Collection[str]) -> WeightsFile:
    """Read a checkpoint file, or a folder with ``config.json`` and weights.

    A weights file inside such a folder is read together with the JSON beside it.

    Args:
        path: The file or the folder.
        model_types: What ``config.json`` may call the network.

    Raises:
        CheckpointError: There is nothing to read, or it is damaged, dangerous or of another kind.
    """
    if refusal := other_kind(path):
        raise refusal
    if path.is_dir():
        return _folder(path, model_types)
    if path.name in _WEIGHTS and (path.parent / CONFIG).is_file():
        return _with_json(path.parent, [path], model_types)
    return WeightsFile(_content(path), sha256_of(path))


def weights_files(path: Path) -> tuple[Path, ...]:
    """Return the files whose tensors ``read_weights`` reads: one, or the parts of a folder.

    Raises:
        CheckpointError: A folder has no weights.
    """
    return tuple(_weights_in(path)) if path.is_dir() else (path,)


def _folder(folder: Path, model_types: Collection[str]) -> WeightsFile:
    check_weights(folder)
    return _with_json(folder, _weights_in(folder), model_types)


def _weights_in(folder: Path) -> list[Path]:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
    for name in _INDEXES:
        if (folder / name).is_file():
            return _parts(folder / name)
    raise CheckpointError(
        f"folder {folder} has a {CONFIG} and no weights",
        f"expected one of: {', '.join((*_WEIGHTS, *_INDEXES))}",
        hint="download the weights too; with Git, run: git lfs pull",
    )


def _with_json(folder: Path, weights: list[Path], model_types: Collection[str]) -> WeightsFile:
    config = _json(folder / CONFIG)
    if "model_type" in config and (kind := config["model_type"]) not in model_types:
        expected = " or ".join(map(repr, model_types))
        raise CheckpointError(
            f"{folder} holds the network {kind!r}", f"expected: model_type {expected}"
        )
    check_folder(folder)
    preprocessor, above = _preprocessor(folder)
    content: dict[Any, Any] = {}
    for part in weights:
        tensors = _mapping(part)
        if twice := content.keys() & tensors.keys():
            raise CheckpointError(
                f"{folder} has {len(twice)} tensors in two of its parts",
                f"found: {min(map(str, twice))}, again in {part.name}",
                hint="parts of two checkpoints lie here: save the weights into an empty folder",
            )
        content |= tensors
    hashes = [sha256_of(part) for part in weights]
    return WeightsFile(
        content,
        hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
        config,
        preprocessor,
        tuple(note for note in (above, _newer_beside(folder, weights[0])) if note),
    )


def _preprocessor(folder: Path) -> tuple[dict[str, Any], str | None]:
    """Return the processor's settings, and a sentence where they lie one folder up."""
    beside = folder / _PREPROCESSOR
    if beside.is_file():
        return _json(beside), None
    # Trainers save checkpoints in folders below the one that has the processor.
    above = folder.resolve().parent / _PREPROCESSOR
    if not _CHECKPOINT.fullmatch(folder.resolve().name) or not above.is_file():
        return {}, None
    return _json(above), f"mean, std and size are from {_PREPROCESSOR} one folder up"


def _newer_beside(folder: Path, used: Path) -> str | None:
    """Return a sentence if the weights that are used are older than others beside them."""
    if used.name not in _WEIGHTS:
        # Parts of an index are read only where there is no whole file.
        return None
    others = [folder / name for name in (*_WEIGHTS, *_INDEXES) if name != used.name]
    for other in others:
        if other.is_file() and other.stat().st_mtime > used.stat().st_mtime:
            return f"{used.name} is read, and {other.name} beside it is newer: {_way_to(other)}"
    return None


def _way_to(other: Path) -> str:
    if other.name in _INDEXES:
        return "move the old file away for the parts that it lists"
    return "give that file instead"


def _parts(index: Path) -> list[Path]:
    names = _json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointError(f"{index} lists no weights", "expected: a weight_map")
    # A name with a folder in it would read files that do not belong to the checkpoint.
    for name in names.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(f"{index} points outside its folder", f"found: {name!r:.80}")
    return [index.parent / name for name in sorted(set(names.values()))]


def _mapping(path: Path) -> Mapping[Any, Any]:
    content = _content(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not named tensors")
    return content


def _content(path: Path) -> Any:
    is_safetensors = weights_kind(path).holds == "safetensors"
    return _safetensors(path) if is_safetensors else read_pickle(path)


def _safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError) as failure:
        raise CheckpointError(
            f"{path} is a damaged safetensors file",
            str(failure)[:200],
            hint="download or copy the file again",
        ) from failure


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise CheckpointError(f"{path} is {path.stat().st_size:,} bytes, too large to be read")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as failure:
        raise CheckpointError(f"{path} is not JSON", str(failure)) from failure
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, not an object")
    return value
