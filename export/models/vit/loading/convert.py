"""Weights from a file's names and forms to ours."""

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from segpp.export.models._common.tensors import owned
from segpp.export.models.vit.architecture import Head
from segpp.export.models.vit.loading.formats import CheckpointFormat, Module

__all__ = ["expected_tensors", "names_of", "to_ours"]

_STACKED = ("q", "k", "v")
_BLOCK = re.compile(r"\b(stages|exits|head\.blocks|head\.convs|head\.upscaling)\.(\d+)\.")
# These are read or made apart from the rest, and are no module's.
_OWN = ("patch_embed.positions", "patch_embed.prefix", "turns")


def expected_tensors(
    fmt: CheckpointFormat, head: Head, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a format that hold our state dict, without its prefix and positions.

    Args:
        fmt: The format.
        head: Of the network.
        state: Ours; counters are left out. Tensors on ``meta`` give names and shapes alone.
    """
    parts: dict[str, list[Tensor]] = {}
    for name, tensor in _weights(state).items():
        keys, module = _keys_of(fmt, head, name)
        turned = _turned(tensor, module, name, back=True)
        for key, part in zip(keys, turned.chunk(len(keys)), strict=True):
            parts.setdefault(key, []).append(part)
    # q, k and v below one another: (C, C) each, (3 * C, C) together.
    return {key: torch.cat(own) if len(own) > 1 else own[0] for key, own in parts.items()}


def to_ours(
    fmt: CheckpointFormat, head: Head, state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return a file's tensors under our names, as copies in FP32.

    Args:
        fmt: The format.
        head: Of the network.
        state: Ours, for its names.
        tensors: All of those that ``expected_tensors`` returns, of these shapes.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    modules: dict[str, Module] = {}
    for name in _weights(state):
        keys, modules[name] = _keys_of(fmt, head, name)
        names.setdefault(keys, []).append(name)
    return {
        name: owned(_turned(part, modules[name], name, back=False))
        for keys, own in names.items()
        for name, part in zip(own, _joined(keys, tensors).chunk(len(own)), strict=True)
    }


def names_of(
    fmt: CheckpointFormat, head: Head, state: Mapping[str, Tensor], theirs: Collection[str]
) -> tuple[str, ...]:
    """Return our names of those tensors that are one of ``theirs`` or several in a file."""
    found = {name: _keys_of(fmt, head, name)[0] for name in _weights(state)}
    return tuple(name for name, keys in found.items() if set(keys) <= set(theirs))


def _joined(keys: tuple[str, ...], tensors: Mapping[str, Tensor]) -> Tensor:
    """Return tensors below one another; a single one as it is."""
    return tensors[keys[0]] if len(keys) == 1 else torch.cat([tensors[key] for key in keys])


def _weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n: t for n, t in state.items() if t.is_floating_point() and n not in _OWN}


def _keys_of(fmt: CheckpointFormat, head: Head, name: str) -> tuple[tuple[str, ...], Module]:
    """Return the names in a file of what is one of our tensors, and the module it belongs to."""
    block = _BLOCK.search(name)
    template = _BLOCK.sub(r"\1.{j}.", name)
    owner, _, leaf = template.rpartition(".")
    modules = {part: module for module in fmt.modules(head) for part in _parts(module.ours)}
    module = modules.get(template) or modules[owner]
    number = block[2] if block else ""
    return tuple(key.replace("{j}", number) for key in module.keys(leaf)), module


def _parts(module: str) -> tuple[str, ...]:
    parent, _, last = module.rpartition(".")
    return tuple(f"{parent}.{part}" for part in _STACKED) if last == "qkv" else (module,)


def _turned(tensor: Tensor, module: Module, name: str, *, back: bool) -> Tensor:
    if module.form == "transposed":
        return tensor.T
    if module.form == "conv" and name.endswith(".weight"):
        return tensor[:, :, None, None] if back else tensor.flatten(1)
    return tensor
