"""The student's files: one, or a folder as its teacher's, with what was done beside them."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from torch import Tensor

from segpp.errors import OutputError
from segpp.export.checkpoints.check_weights import weights_kind
from segpp.train.report import DistillResult, WrittenFile
from segpp.train.saving.student import Layout
from segpp.utils.files import atomic_write, manifest_path, sha256_of

__all__ = ["check_target", "write_student"]

_PREPROCESSOR = "preprocessor_config.json"
# Of an index or a configuration; a trainer's log beside them is none of the model.
_MAX_JSON_BYTES = 4 << 20
_LOG = "trainer_state.json"
_SAFETENSORS = ".safetensors"


def check_target(layout: Layout, out: Path, *, as_folder: bool) -> None:
    """Raise OutputError unless ``out`` is named as what is going to be written there."""
    if as_folder:
        return
    [first, *more] = layout.files
    if more:
        raise OutputError(
            f"{layout.source} has {1 + len(more)} files of weights, and {out} is one",
            hint=f"name a folder: {out.with_suffix('')}",
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
    result_of: Callable[[WrittenFile], DistillResult],
    *,
    as_folder: bool,
) -> DistillResult:
    """Write weights and what was done, all or nothing.

    Args:
        layout: Of the teacher.
        state: The student's, under our names.
        out: The file or the folder.
        result_of: What was done, given what was written.
        as_folder: Whether it is a folder.

    Raises:
        CheckpointError: The teacher was changed meanwhile.
        CheckError: What was written is not read back as these weights.
        OutputError: It cannot be written.
    """
    if not as_folder:
        return _write(layout, state, out, targets=[out], beside={}, result_of=result_of)
    is_new = not out.exists()
    out.mkdir(exist_ok=True)
    try:
        targets = [out / file.name for file in layout.files]
        beside = _beside(layout, out)
        return _write(layout, state, out, targets=targets, beside=beside, result_of=result_of)
    except BaseException:
        if is_new:
            out.rmdir()
        raise


def _write(
    layout: Layout,
    state: Mapping[str, Tensor],
    out: Path,
    *,
    targets: list[Path],
    beside: Mapping[Path, Path],
    result_of: Callable[[WrittenFile], DistillResult],
) -> DistillResult:
    # Weights come last: a folder without them is no checkpoint, one without settings a wrong one.
    with atomic_write(*beside, manifest_path(out), *targets) as parts:
        for source, part in zip(beside.values(), parts, strict=False):
            part.write_bytes(source.read_bytes())
        weights = parts[len(beside) + 1 :]
        layout.write(state, weights)
        hashes = [sha256_of(part) for part in weights]
        whole = hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()
        size = sum(part.stat().st_size for part in weights)
        result = result_of(WrittenFile(out.name, whole, size))
        parts[len(beside)].write_text(result.json() + "\n", encoding="utf-8")
    return result


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
