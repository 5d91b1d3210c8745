"""Every mapping of a checkpoint's content that has tensors in it, wherever it lies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from segpp.errors import CheckpointError

__all__ = ["TensorMapping", "tensor_mappings"]

# Trainers nest two or three deep; what is made to harm may nest without end.
_MAX_DEPTH = 4
_MAX_VISITED = 100_000

# What torch.compile, FSDP and activation checkpointing put around modules, at any depth.
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# What DataParallel and its kin put around the whole network.
_OUTER = "module."


@dataclass(frozen=True)
class TensorMapping:
    """One mapping with tensors, as a state dict is.

    Attributes:
        where: The keys that lead to it, from the outside in.
        tensors: By name, without the components that wrappers put there.
        context: The entries around it that are no tensors: ``meta`` and the like.
        others: Names of entries inside that are no tensors.
    """

    where: tuple[str, ...]
    tensors: dict[str, Tensor]
    context: dict[str, Any]
    others: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the keys in one word."""
        return ".".join(self.where)

    def full(self, name: str) -> str:
        """Return the keys and a name inside in one word."""
        return ".".join((*self.where, name))


def tensor_mappings(content: Any, path: Path) -> list[TensorMapping]:
    """Return the mappings with tensors in what a file holds, the outer ones first.

    Raises:
        CheckpointError: There are none, or two tensors of one have the same name.
    """
    found = [
        TensorMapping(where, tensors, context, _others(mapping, tensors))
        for where, mapping, context in _walk(content)
        if (tensors := _named_tensors(mapping, path))
    ]
    if not found:
        raise CheckpointError(
            f"{path} holds no named tensors",
            f"found: {_described(content)}",
            hint="save the weights with torch.save(model.state_dict(), 'weights.pth')",
        )
    return found


def _walk(content: Any) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any], dict[str, Any]]]:
    waiting: list[tuple[tuple[str, ...], Any, dict[str, Any]]] = [((), content, {})]
    seen: set[int] = set()
    for where, value, context in waiting:
        # The list grows while it is read: outer mappings come before inner ones.
        if id(value) in seen or len(seen) > _MAX_VISITED:
            continue
        seen.add(id(value))
        if isinstance(value, Mapping):
            yield where, value, context
        elif isinstance(value, list | tuple) and where:
            yield where, dict(enumerate(value)), context
        if len(where) < _MAX_DEPTH:
            waiting += [
                (key, child, context | _beside(value, child))
                for key, child in _inside(where, value)
            ]


def _inside(where: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for key, child in items:
        if isinstance(child, Mapping | list | tuple):
            yield (*where, str(key)), child


def _beside(value: Any, child: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(key): other
        for key, other in value.items()
        if other is not child and not isinstance(other, Tensor)
    }


def _named_tensors(mapping: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for full, value in mapping.items():
        if not isinstance(value, Tensor):
            continue
        name = _unwrapped(str(full))
        if name in tensors:
            raise CheckpointError(
                f"{path} has two tensors for {name}",
                f"one of them is called {full}",
                hint="save the state dict of one network alone",
            )
        tensors[name] = value.detach()
    return tensors


def _unwrapped(name: str) -> str:
    name = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
    while name.startswith(_OUTER):
        name = name.removeprefix(_OUTER)
    return name


def _others(mapping: Mapping[Any, Any], tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    names = (str(key) for key, value in mapping.items() if not isinstance(value, Tensor))
    return tuple(name for name in names if name not in tensors)


def _described(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    return ", ".join(str(key)[:60] for key in list(content)[:5]) or "nothing"
