"""The student's files: one, or a folder as its teacher's, with what was done beside them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from segpp.errors import OutputError
from segpp.export.checkpoints.check_weights import weights_kind
from segpp.train.report import TrainingResult, WrittenFile
from segpp.train.saving.beside import to_write_beside
from segpp.train.saving.gates import check_room, names_beside
from segpp.train.saving.student import Layout
from segpp.utils.files import atomic_write, manifest_path, sha256_of

__all__ = ["check_target", "with_target", "write_student"]

Result = TypeVar("Result", bound=TrainingResult)

_CONFIG, _PREPROCESSOR = "config.json", "preprocessor_config.json"
# Of an index or a configuration; a trainer's log beside them is none of the model.
_MAX_JSON_BYTES = 4 << 20
_LOG = "trainer_state.json"
_SAFETENSORS = ".safetensors"
_INDEX = ".index.json"


def with_target(layout: Layout, out: Path, *, as_folder: bool, gated: bool = False) -> Layout:
    """Return how a student is going to lie: as its teacher, or its weights alone.

    Args:
        layout: Of the teacher.
        out: The file or the folder to write.
        as_folder: Whether it is a folder.
        gated: Whether trained gates are to lie beside the network.

    Raises:
        OutputError: ``out`` is not named as what is going to be written there, or would be read
            as another network is.
        CheckpointError: The teacher's layout has no room for gates.
    """
    is_safe = weights_kind(layout.files[0]).holds == "safetensors"
    whole = is_safe and len(layout.files) == 1
    if gated and not as_folder and not whole and out.suffix.lower() == _SAFETENSORS:
        return replace(layout, alone=True)
    check_target(layout, out, as_folder=as_folder)
    if gated:
        check_room(layout.files)
    return layout


def check_target(layout: Layout, out: Path, *, as_folder: bool) -> None:
    """Raise OutputError unless ``out`` is named, and will be read, as what is written there."""
    if as_folder:
        return
    to_write_beside(layout.beside, layout.source, out)
    [first, *more] = layout.files
    if more:
        raise OutputError(
            f"{layout.source} has {1 + len(more)} files of weights, and {out} is one",
            hint=f"name a folder: {out.with_suffix('')}",
        )
    if _CONFIG in layout.beside and layout.found.weights.config and out.name != first.name:
        raise OutputError(
            f"{out} would be read without the {_CONFIG} that describes it",
            hint=f"name a folder: {out.with_suffix('')}, or {out.with_name(first.name)}",
        )
    is_safe = weights_kind(first).holds == "safetensors"
    if is_safe != (out.suffix.lower() == _SAFETENSORS):
        suffix = _SAFETENSORS if is_safe else (first.suffix or ".pth")
        raise OutputError(
            f"{out} is not named as what is written: the layout of {first.name}",
            hint=f"name it {out.with_suffix(suffix).name}",
        )


def write_student(
    layout: Layout,
    state: Mapping[str, Tensor],
    out: Path,
    result_of: Callable[[WrittenFile], Result],
    *,
    as_folder: bool,
    gates: Mapping[str, Tensor] | None = None,
) -> Result:
    """Write weights and what was done, all or nothing.

    Args:
        layout: Of the teacher.
        state: The student's, under our names.
        out: The file or the folder.
        result_of: What was done, given what was written.
        as_folder: Whether it is a folder.
        gates: Trained gates to add, under the names that they have in a checkpoint.

    Raises:
        CheckpointError: The teacher was changed meanwhile.
        CheckError: What was written is not read back as these weights.
        OutputError: It cannot be written.
    """
    gates = gates or {}
    if not as_folder:
        beside = to_write_beside(layout.beside, layout.source, out)
        return _write(
            layout, state, out, gates=gates, targets=[out], beside=beside, result_of=result_of
        )
    is_new = not out.exists()
    out.mkdir(exist_ok=True)
    try:
        targets = [out / file.name for file in layout.files]
        beside = {
            target: _with_gates(path, layout, gates)
            for target, path in _beside(layout, out).items()
        }
        return _write(
            layout, state, out, gates=gates, targets=targets, beside=beside, result_of=result_of
        )
    except BaseException:
        if is_new:
            out.rmdir()
        raise


def _write(
    layout: Layout,
    state: Mapping[str, Tensor],
    out: Path,
    *,
    gates: Mapping[str, Tensor],
    targets: list[Path],
    beside: Mapping[Path, bytes],
    result_of: Callable[[WrittenFile], Result],
) -> Result:
    # Weights come last: a folder without them is no checkpoint, one without settings a wrong one.
    with atomic_write(*beside, manifest_path(out), *targets) as parts:
        for content, part in zip(beside.values(), parts, strict=False):
            part.write_bytes(content)
        weights = parts[len(beside) + 1 :]
        layout.write(state, weights, gates)
        hashes = [sha256_of(part) for part in weights]
        whole = hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()
        size = sum(part.stat().st_size for part in weights)
        result = result_of(WrittenFile(out.name, whole, size))
        parts[len(beside)].write_text(result.json() + "\n", encoding="utf-8")
    return result


def _with_gates(path: Path, layout: Layout, gates: Mapping[str, Tensor]) -> bytes:
    """Return what is in a JSON file; in an index of weights also where gates lie."""
    content = path.read_bytes()
    if not gates or not path.name.endswith(_INDEX):
        return content
    index = json.loads(content)
    named = names_beside(layout.found, gates)
    index["weight_map"] |= dict.fromkeys(named, layout.files[-1].name)
    total = index.get("metadata", {})
    if "total_size" in total:
        total["total_size"] += sum(tensor.nbytes for tensor in named.values())
    return (json.dumps(index, indent=2) + "\n").encode()


def _beside(layout: Layout, out: Path) -> dict[Path, Path]:
    """Return the JSON files that make a folder of weights a model, by where they go."""
    folder = layout.source
    found = {
        out / path.name: path
        for path in sorted(folder.glob("*.json"))
        if path.is_file() and path.name != _LOG and path.stat().st_size <= _MAX_JSON_BYTES
    }
    above = folder.resolve().parent / _PREPROCESSOR
    # A trainer's checkpoint has the processor one folder up.
    if layout.found.weights.preprocessor and out / _PREPROCESSOR not in found and above.is_file():
        found[out / _PREPROCESSOR] = above
    return found
