"""The named tensors of a checkpoint, out of whatever they are wrapped in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from segpp.errors import CheckpointError

__all__ = ["Unwrapped", "unwrap"]

_WRAPPERS = ("state_dict", "model", "model_state_dict")
_DEEPEST = 4
# What DataParallel, an outer module and torch.compile put before every name.
_PREFIXES = ("module.", "model.", "_orig_mod.")


@dataclass(frozen=True)
class Unwrapped:
    """The tensors of a network, and what stood around them.

    Attributes:
        tensors: By name, without the prefixes of wrapping modules.
        context: The entries beside the tensors: ``meta`` and the like.
        ignored: Names inside that are no tensors of the network, averaged copies included.
    """

    tensors: dict[str, Tensor]
    context: dict[str, Any]
    ignored: tuple[str, ...]


def unwrap(content: Any, path: Path) -> Unwrapped:
    """Find the named tensors in what a checkpoint file holds.

    Raises:
        CheckpointError: There are none, or two of them have the same name.
    """
    context: dict[str, Any] = {}
    for _ in range(_DEEPEST):
        inner = _inner(content)
        if inner is None:
            break
        context |= {str(key): value for key, value in content.items() if value is not inner}
        content = inner
    if not isinstance(content, Mapping):
        raise _without_tensors(path, f"found: a {type(content).__name__}")
    named = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not named:
        keys = ", ".join(str(key) for key in list(content)[:5]) or "nothing"
        raise _without_tensors(path, f"found: {keys}")
    return _stripped(named, context, [str(key) for key in content if str(key) not in named], path)


def _inner(content: Any) -> Mapping[Any, Any] | None:
    if not isinstance(content, Mapping):
        return None
    inner = (content.get(wrapper) for wrapper in _WRAPPERS)
    return next((value for value in inner if isinstance(value, Mapping)), None)


def _stripped(
    named: dict[str, Tensor], context: dict[str, Any], ignored: list[str], path: Path
) -> Unwrapped:
    tensors: dict[str, Tensor] = {}
    for full, tensor in named.items():
        name = _without_prefixes(full)
        if name.startswith("ema_"):
            ignored.append(full)
            continue
        if name in tensors:
            raise CheckpointError(
                f"{path} has two tensors for {name}",
                f"one of them is called {full}",
                hint="save the state dict of one network alone",
            )
        tensors[name] = tensor.detach()
    return Unwrapped(tensors, context, tuple(ignored))


def _without_prefixes(name: str) -> str:
    while prefix := next((p for p in _PREFIXES if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    return name


def _without_tensors(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"{path} holds no named tensors",
        found,
        hint="save the weights with torch.save(model.state_dict(), 'weights.pth')",
    )
