"""The networks in a checkpoint's mappings, each under the prefix that some wrapper gave it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.mappings import TensorMapping

__all__ = ["FoundNetwork", "Knowledge", "choose", "networks_in", "twins_of"]

# Wrappers nest a few modules deep.
_MAX_PREFIX = 6
_MAX_LISTED = 8
_MAX_PROPOSED = 3
_AVERAGED = {"ema", "swa", "averaged", "average"}


@dataclass(frozen=True)
class Knowledge:
    """What is known of the names of networks, whatever the families.

    Attributes:
        is_network: Whether names have the first and the last weights of some known network.
        count_known: How many of the names the best of the known formats knows.
    """

    is_network: Callable[[Collection[str]], bool]
    count_known: Callable[[Collection[str]], int]


@dataclass(frozen=True)
class FoundNetwork:
    """A network in a mapping.

    Attributes:
        mapping: Where it lies.
        prefix: What stands before each of its names, with the dot; may be empty.
    """

    mapping: TensorMapping
    prefix: str

    @property
    def label(self) -> str:
        """Return the keys and the prefix that lead to it."""
        return ".".join(part for part in (*self.mapping.where, self.prefix.rstrip(".")) if part)

    @property
    def is_averaged(self) -> bool:
        """Whether the last key or the prefix says that these are averaged weights."""
        names = [*self.mapping.where[-1:], *self.prefix.split(".")]
        return any(part in _AVERAGED for name in names for part in name.lower().split("_"))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Return what lies below the prefix, without it."""
        return {
            name.removeprefix(self.prefix): tensor
            for name, tensor in self.mapping.tensors.items()
            if name.startswith(self.prefix)
        }


def networks_in(mappings: Sequence[TensorMapping], known: Knowledge) -> list[FoundNetwork]:
    """Return every network in the mappings; if there is none whole, the most likely part of one."""
    groups = [(m, prefix, names) for m in mappings for prefix, names in _by_prefix(m.tensors)]
    if whole := [FoundNetwork(m, prefix) for m, prefix, names in groups if known.is_network(names)]:
        return whole
    counts = [known.count_known(names) for _, _, names in groups]
    if max(counts):
        mapping, prefix, _ = groups[counts.index(max(counts))]
        return [FoundNetwork(mapping, prefix)]
    largest = max(mappings, key=lambda mapping: len(mapping.tensors))
    return [FoundNetwork(largest, _common_prefix(largest.tensors))]


def choose(
    found: Sequence[FoundNetwork], prefix: str | None, weights: str, path: Path
) -> FoundNetwork:
    """Return the one network that is meant.

    Raises:
        CheckpointError: There are several, or none is called ``prefix``.
    """
    if prefix is not None:
        found = _called(prefix, found, path)
    else:
        averaged = [network for network in found if network.is_averaged]
        raw = [network for network in found if not network.is_averaged]
        found = (averaged or raw) if weights == "ema" else (raw or averaged)
    first, *others = found
    if rivals := [other for other in others if not _same(first.tensors, other.tensors)]:
        labels = [network.label or "(no prefix)" for network in (first, *rivals)]
        named = [network.label for network in (first, *rivals) if network.label]
        raise CheckpointError(
            f"{path} holds {len(labels)} networks",
            f"they lie under: {_listed(labels)}",
            hint=f"say which: {_proposed(named)}",
        )
    return first


def twins_of(network: FoundNetwork, found: Sequence[FoundNetwork]) -> tuple[dict[str, Tensor], ...]:
    """Return the tensors of the other networks that are the same as one, number by number."""
    own = network.tensors
    others = (other.tensors for other in found if other is not network)
    return tuple(tensors for tensors in others if _same(own, tensors))


def _by_prefix(names: Iterable[str]) -> list[tuple[str, set[str]]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        parts = name.split(".")
        for depth in range(min(len(parts), _MAX_PREFIX + 1)):
            prefix = "".join(f"{part}." for part in parts[:depth])
            groups[prefix].add(name.removeprefix(prefix))
    return sorted(groups.items(), key=lambda group: group[0].count("."))


def _called(prefix: str, found: Sequence[FoundNetwork], path: Path) -> list[FoundNetwork]:
    name = prefix.strip(".")
    exact = [network for network in found if network.label == name]
    ending = [network for network in found if network.label.endswith(f".{name}")]
    if not (called := exact or ending):
        raise CheckpointError(
            f"{path} holds no network under {prefix!r:.80}",
            f"found: {_listed([network.label or '(no prefix)' for network in found])}",
            hint=_proposed([network.label for network in found if network.label]),
        )
    return called


def _proposed(labels: Sequence[str]) -> str:
    flags = [f"--prefix {label[:120]}" for label in labels[:_MAX_PROPOSED]]
    return " or ".join(flags) if flags else "leave --prefix out: it holds one network"


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[name].shape == b[name].shape
        and a[name].dtype == b[name].dtype
        and (a[name] is b[name] or torch.equal(a[name], b[name]))
        for name in a
    )


def _common_prefix(names: Collection[str]) -> str:
    prefix, [first, *_] = "", list(names)
    for part in first.split(".")[:-1]:
        if not all(name.startswith(f"{prefix}{part}.") for name in names):
            break
        prefix += f"{part}."
    return prefix


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MAX_LISTED} more" if len(labels) > _MAX_LISTED else ""
    return ", ".join(label[:120] for label in labels[:_MAX_LISTED]) + more
