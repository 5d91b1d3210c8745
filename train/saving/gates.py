"""Tensors written beside a network's, in the file that these lie in: gates, heads, a policy.

safetensors   more entries in the header, and numbers behind the others
torch.save    more tensors in the state dict; the pickle is written anew, so it must hold
              nothing but tensors and plain values
alone         the network's tensors and its gates in a new safetensors file
"""

import json
import struct
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors.torch import save_file
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.check_weights import weights_kind
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.export.checkpoints.weights import WeightsFile
from segpp.export.models.loading import FoundWeights, find_weights
from segpp.train.saving.plain import check_plain

__all__ = ["add_gates", "check_room", "names_beside", "with_counters", "write_alone"]

_STATISTIC, _COUNTER = ".running_mean", ".num_batches_tracked"

# A safetensors header is filled with spaces up to a multiple of it.
_ALIGNED = 8


def check_room(files: Sequence[Path]) -> None:
    """Raise CheckpointError if tensors cannot be added to files of weights."""
    if weights_kind(files[-1]).holds == "safetensors":
        return
    if len(files) > 1:
        raise CheckpointError(
            f"{files[-1]} is one of {len(files)} parts, to which tensors cannot be added",
            hint="write the weights alone: -o NAME.safetensors",
        )
    check_plain(
        files,
        why="to add tensors to it, the file has to be written as a whole",
        hint="write the weights alone: -o NAME.safetensors",
    )


def names_beside(found: FoundWeights, gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return gates under the names that they have in a flat file beside a network's tensors."""
    networks = [found.state_dict.tensors, *found.state_dict.twins]
    homes = [home for network in networks for home in _homes(found.weights.content, network)]
    return {f"{prefix}{name}": t for _, prefix in homes for name, t in gates.items()}


def with_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with the counters of their BatchNorms, which torch misses where they lack."""
    norms = [n.removesuffix(_STATISTIC) for n in tensors if n.endswith(_STATISTIC)]
    return {**tensors, **{f"{norm}{_COUNTER}": torch.tensor(0) for norm in norms}}


def add_gates(
    part: Path, choices: ReadChoices, named: Mapping[str, Tensor], gates: Mapping[str, Tensor]
) -> None:
    """Write gates into a file of weights.

    Args:
        part: Changed in place.
        choices: How its network is read.
        named: The gates as ``names_beside`` returns them.
        gates: The same under their own names.
    """
    if weights_kind(part).holds == "safetensors":
        _append(part, named)
    else:
        _insert(part, choices, gates)


def write_alone(part: Path, tensors: Mapping[str, Tensor], gates: Mapping[str, Tensor]) -> None:
    """Write a network's tensors and its gates, and nothing else."""
    own = {name: tensor.contiguous().clone() for name, tensor in {**tensors, **gates}.items()}
    save_file(own, part)


def _append(path: Path, tensors: Mapping[str, Tensor]) -> None:
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + size]), [raw[8 + size :]]
    end = len(data[0])
    for name, tensor in tensors.items():
        is_real = tensor.is_floating_point()
        own = tensor.float() if is_real else tensor.long()
        data.append(own.contiguous().numpy().tobytes())
        offsets = [end, end + len(data[-1])]
        kind = "F32" if is_real else "I64"
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": offsets}
        end = offsets[1]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    path.write_bytes(b"".join([struct.pack("<Q", len(text)), text, *data]))


def _insert(path: Path, choices: ReadChoices, gates: Mapping[str, Tensor]) -> None:
    is_zip = is_zipfile(path)
    weights = WeightsFile(read_pickle(path), "")
    found = find_weights(path, choices, weights=weights).state_dict
    for network in (found.tensors, *found.twins):
        for mapping, prefix in list(_homes(weights.content, network)):
            mapping.update({f"{prefix}{name}": tensor for name, tensor in gates.items()})
    # Not into the file itself: what was read from it is mapped.
    made = BytesIO()
    torch.save(weights.content, made, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(made.getvalue())


def _homes(
    content: Any, network: Mapping[str, Tensor]
) -> Iterator[tuple[MutableMapping[str, Any], str]]:
    """Iterate over the mappings with a network's first tensor, and what stands before its name."""
    name, tensor = next(iter(network.items()))
    waiting, seen = [content], set()
    for value in waiting:
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, MutableMapping):
            for key, child in value.items():
                is_it = isinstance(child, Tensor) and child.data_ptr() == tensor.data_ptr()
                if is_it and str(key).endswith(name):
                    yield value, str(key).removesuffix(name)
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
