"""A student in its teacher's layout: which numbers go where, tried out before they are known."""

import shutil
from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segpp.errors import CheckError, CheckpointError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.export.checkpoints.weights import WeightsFile, read_weights, weights_files
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import FoundWeights, find_weights
from segpp.export.reduction.gates.trained import GATES_PREFIX
from segpp.train.saving.archive import renew_sums
from segpp.train.saving.beside import beside_of
from segpp.train.saving.gates import add_gates, names_beside, with_counters, write_alone
from segpp.train.saving.places import Place, extent, numbers_at, places_of
from segpp.train.saving.plain import check_plain
from segpp.train.saving.sink import save
from segpp.utils.files import atomic_write, sha256_of

__all__ = ["Layout", "layout_of"]

_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Layout:
    """How a teacher's checkpoint lies, so that a student can lie likewise.

    Attributes:
        source: The checkpoint as it was given.
        choices: How it was read.
        checkpoint: What was read.
        found: Where in it the network lies.
        files: The files of its weights.
        places: Where each tensor lies, by its name in the file without prefixes, and where again;
            nothing where the whole file has to be written anew.
        alone: Whether a student is the network's tensors in a safetensors file of their own.
        beside: What the files hold that belong to it by name and folder alone; None of those that
            are not there.
    """

    source: Path
    choices: ReadChoices
    checkpoint: Checkpoint
    found: FoundWeights
    files: tuple[Path, ...]
    places: Mapping[str, tuple[Place, ...]]
    alone: bool = False
    beside: Mapping[str, bytes | None] = field(default_factory=dict)

    @property
    def added(self) -> tuple[str, ...]:
        """Names in the file of what the network was given besides, and the file does not have."""
        own = self.found.state_dict.tensors
        return tuple(n for n in self.checkpoint.stored(self.checkpoint.state) if n not in own)

    def write(
        self,
        state: Mapping[str, Tensor],
        parts: Sequence[Path],
        gates: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write the weights files with another state in the network's place.

        Args:
            state: Under our names, FP32; all of the network.
            parts: The file to write for each of ``files``, or the one for the weights alone.
            gates: What to add beside it, FP32.

        Raises:
            CheckpointError: The checkpoint was changed since it was read.
            CheckError: What was written is not read back as the same weights.
        """
        self._check_unchanged()
        stored = self.checkpoint.stored(state)
        more = {**(gates or {}), **with_counters({name: stored[name] for name in self.added})}
        stored = {name: tensor for name, tensor in stored.items() if name not in more}
        before = self.checkpoint.stored(self.checkpoint.state)
        if self.alone:
            write_alone(parts[0], self._changed(stored, before), more)
        else:
            self._write_parts(parts, stored, before)
            if more:
                add_gates(parts[-1], self.choices, names_beside(self.found, more), more)
        self._check_read_back(state, gates or {}, parts)

    def try_out(self, out: Path, gates: Mapping[str, Tensor] | None = None) -> None:
        """Write other weights beside ``out``, read them back and remove them.

        Args:
            out: The student to be.
            gates: What to add, with any numbers.

        Raises:
            CheckError, CheckpointError: As in ``write``.
            OutputError: Nothing can be written there.
        """
        other = {
            name: tensor * 1.25 + 0.125 if self._is_stored(name, tensor) else tensor
            for name, tensor in self.checkpoint.state.items()
        }
        count = 1 if self.alone else len(self.files)
        names = [out.with_name(f"{out.name}.{i}.try") for i in range(count)]
        with suppress(_TriedError), atomic_write(*names) as parts:
            self.write(other, parts, gates)
            raise _TriedError

    def _is_stored(self, name: str, tensor: Tensor) -> bool:
        return tensor.is_floating_point() and name not in self.checkpoint.constant

    def _write_parts(
        self, parts: Sequence[Path], stored: Mapping[str, Tensor], before: Mapping[str, Tensor]
    ) -> None:
        for file, part in zip(self.files, parts, strict=True):
            if self.places:
                self._patch(file, part, stored, before)
            else:
                self._rewrite(file, part, stored, before)

    def _changed(
        self, stored: Mapping[str, Tensor], before: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the network's tensors as they are in the file, with other numbers."""
        own = {name: self.found.state_dict.tensors[name].clone() for name in stored}
        for name, tensor in own.items():
            _replace(tensor, stored[name], before[name])
        return own

    def _check_unchanged(self) -> None:
        if self.found.weights.sha256 != _sha256(self.files):
            raise CheckpointError(f"{self.source} was changed while its student was trained")

    def _patch(
        self, file: Path, part: Path, stored: Mapping[str, Tensor], before: Mapping[str, Tensor]
    ) -> None:
        """Copy a file and replace the network's numbers in the copy."""
        shutil.copyfile(file, part)
        own = [(n, p) for n, places in self.places.items() for p in places if p.file == file]
        with part.open("r+b") as copy:
            for name, place in own:
                copy.seek(place.offset)
                raw = bytearray(copy.read(extent(place)))
                _replace(numbers_at(place, raw), stored[name], before[name])
                copy.seek(place.offset)
                copy.write(raw)
        if _starts_with(part, _ZIP):
            renew_sums(part, [place.offset for _, place in own])

    def _rewrite(
        self, file: Path, part: Path, stored: Mapping[str, Tensor], before: Mapping[str, Tensor]
    ) -> None:
        """Write a file of before PyTorch 1.6, or a packed one, anew: it holds plain values."""
        weights = WeightsFile(read_pickle(file), self.found.weights.sha256)
        found = find_weights(file, self.choices, weights=weights)
        for name, tensor in _with_twins(found, list(stored)):
            _replace(tensor, stored[name], before[name])
        save(weights.content, part, is_zip=_starts_with(file, _ZIP))

    def _check_read_back(
        self, state: Mapping[str, Tensor], gates: Mapping[str, Tensor], parts: Sequence[Path]
    ) -> None:
        """Raise CheckError unless the parts hold the weights, and compute as the teacher's do."""
        read = self._read_back(parts)
        self._check_gates(read, gates)
        stored = self.found.state_dict.tensors
        coarse = max(torch.finfo(t.dtype).eps for t in stored.values() if t.is_floating_point())
        for name, tensor in state.items():
            if name in read.state and not _is_close(read.state[name], tensor, coarse):
                raise CheckError(
                    f"a copy of {self.source} with other weights is not read as those weights",
                    f"the first that differs: {name}",
                    hint="save its network again with torch.save(model.state_dict(), path)",
                )

    def _check_gates(self, read: Checkpoint, gates: Mapping[str, Tensor]) -> None:
        own = {name.removeprefix(GATES_PREFIX): tensor for name, tensor in gates.items()}
        is_same = own.keys() == read.gates.keys() and all(
            torch.equal(own[name], read.gates[name]) for name in own
        )
        if not is_same:
            raise CheckError(
                f"trained gates beside the network of {self.source} are not read back",
                hint="write the weights alone: -o NAME.safetensors",
            )
        checkpoint = self.checkpoint
        is_computed_alike = (read.architecture, read.numeric_settings) == (
            checkpoint.architecture,
            checkpoint.numeric_settings,
        )
        if not is_computed_alike:
            raise CheckError(
                f"the weights of {self.source} alone would be computed in another way",
                f"with what lies beside them: {checkpoint.architecture}",
                f"alone: {read.architecture}",
                hint="say its heads (`heads`), or write in the teacher's own layout",
            )

    def _read_back(self, parts: Sequence[Path]) -> Checkpoint:
        contents: list[Any] = [_content(part) for part in parts]
        # A lone file may hold anything, parts hold named tensors.
        content = contents[0] if len(contents) == 1 else dict(ChainMap(*contents))
        weights = replace(self.found.weights, content=content)
        choices = self.choices
        if self.alone:
            weights = WeightsFile(content, self.found.weights.sha256)
            choices = replace(choices, prefix=None, weights="raw", ignore_tensors=())
        return find_weights(self.source, choices, weights=weights).checkpoint(self.source, choices)


def layout_of(path: Path, choices: ReadChoices) -> Layout:
    """Read a checkpoint, and find out where its numbers lie.

    Raises:
        CheckpointError: It cannot be read, or a student could not be written likewise.
    """
    found = find_weights(path, choices)
    checkpoint = found.checkpoint(path, choices)
    files = weights_files(path)
    names = list(checkpoint.stored(checkpoint.state))
    tensors = _with_twins(found, names)
    places = places_of([tensor for _, tensor in tensors], found.weights.content, files)
    by_name: dict[str, tuple[Place, ...]] = {}
    if None in places:
        check_plain(files)
    else:
        for (name, _), place in zip(tensors, places, strict=True):
            by_name[name] = (*by_name.get(name, ()), *filter(None, [place]))
    beside = beside_of(path, checkpoint.beside)
    return Layout(path, choices, checkpoint, found, files, by_name, beside=beside)


def _with_twins(found: FoundWeights, names: Sequence[str]) -> list[tuple[str, Tensor]]:
    """Return the network's tensors by name, those too that lie in the file a second time."""
    own = found.state_dict.tensors
    tensors = [(name, own[name]) for name in names]
    for twin in found.state_dict.twins:
        # Averaged weights may stand in for the raw ones, whose twin is no twin of theirs.
        tensors += [(n, twin[n]) for n in names if n in twin and torch.equal(twin[n], own[n])]
    return tensors


class _TriedError(Exception):
    """Ends a trial, so that nothing of it is kept."""


def _replace(kept: Tensor, new: Tensor, before: Tensor) -> None:
    """Write numbers in place where they changed; what did not keeps every bit, in any type."""
    new, before = new.reshape(kept.shape), before.reshape(kept.shape)
    kept.copy_(torch.where(new == before, kept, new.to(kept.dtype)))


def _is_close(read: Tensor, meant: Tensor, coarse: float) -> bool:
    return bool(
        ((read - meant).abs() <= coarse * meant.abs() + torch.finfo(torch.float16).tiny).all()
    )


def _content(part: Path) -> Any:
    return read_weights(part, ()).content


def _sha256(files: Sequence[Path]) -> str:
    hashes = [sha256_of(file) for file in files]
    return hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
