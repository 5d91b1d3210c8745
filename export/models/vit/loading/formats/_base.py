"""What a format says: whose names stand for which modules of ours, and with which numerics."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from segpp.export.models.vit.architecture import Head, Numerics

__all__ = ["CheckpointFormat", "Module"]

_LEAF = r"(weight|bias|running_mean|running_var|num_batches_tracked)"


@dataclass(frozen=True)
class Module:
    """One module in a file, and that of ours which it is.

    ``{j}`` in both names is the block from 0. ``.weight``, ``.bias`` and the rest follow the name
    in the file, or stand at ``{leaf}``.

    Attributes:
        ours: Its name in our network; ``….qkv`` are q, k and v stacked by rows.
        theirs: Its name in the file.
        form: Of the weight: ``conv`` (out, in, 1, 1) where ours is (out, in), ``transposed`` a
            matrix (in, out) under the very name, without a leaf, ``plain`` a tensor under the very
            name in either.
    """

    ours: str
    theirs: str
    form: Literal["same", "conv", "transposed", "plain"] = "same"

    def key(self, leaf: str) -> str:
        """Return the name in the file of one of its tensors, ``{j}`` still in it."""
        if self.form in {"transposed", "plain"}:
            return self.theirs
        return (
            self.theirs.replace("{leaf}", leaf) if "{leaf}" in self.theirs
            else f"{self.theirs}.{leaf}"
        )  # fmt: skip

    @property
    def pattern(self) -> str:
        """A regular expression for the names of its tensors in a file."""
        mark = "\0"
        key = re.escape(self.key(mark)).replace(re.escape(mark), _LEAF)
        return key.replace(re.escape("{j}"), r"\d{1,4}")


@dataclass(frozen=True)
class CheckpointFormat:
    """The checkpoints of one codebase.

    Attributes:
        title: What its files are called in messages.
        numerics: What its code computes the weights with, unless a configuration says otherwise.
        prefix: Tokens before the patches, in their order; those that a file lacks it does without.
        positions: Name of the positions, of prefix and patches together.
        encoder: Modules outside of the blocks and in them, the patch embedding first.
        final_norm: The norm behind the last block, which a file may do without.
        heads: The modules of each head; the first is there with this head alone.
        told_by: What tells more than the weights: ``variant.yml`` beside the file, or the
            ``configuration`` of mmsegmentation inside.
        head_norm_eps: Of the LayerNorms of single heads, where it is not that of the numerics.
        unused: Starts of names that stand in its files and take no part in the result.
    """

    title: str
    numerics: Numerics
    prefix: tuple[str, ...]
    positions: str
    encoder: tuple[Module, ...]
    final_norm: Module
    heads: Mapping[Head, tuple[Module, ...]]
    told_by: Literal["variant.yml", "configuration"]
    head_norm_eps: Mapping[Head, float] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def modules(self, head: Head | None = None) -> Iterator[Module]:
        """Return its modules with one head, or with all of them."""
        yield from self.encoder
        yield self.final_norm
        for name, modules in self.heads.items():
            if head in {None, name}:
                yield from modules

    def head_of(self, names: Collection[str]) -> Head | None:
        """Return the first head of which a file has the first module."""
        for head, modules in self.heads.items():
            if any(re.fullmatch(modules[0].pattern, name) for name in names):
                return head
        return None

    def knows(self, name: str) -> bool:
        """Whether a tensor of this name belongs to a network of this format."""
        return bool(self._known.fullmatch(name))

    def is_unused(self, name: str) -> bool:
        """Whether a tensor of this name takes no part in the result."""
        return name.startswith(self.unused)

    def count_known(self, names: Collection[str]) -> int:
        """Return how many of the names the format knows."""
        return sum(self.knows(name) or self.is_unused(name) for name in names)

    def has_both_ends(self, names: Collection[str]) -> bool:
        """Whether there are the first and the last weights of a network."""
        first = self.encoder[0].key("weight")
        lasts = (modules[-1].key("weight") for modules in self.heads.values())
        return first in names and self.positions in names and any(last in names for last in lasts)

    @cached_property
    def _known(self) -> re.Pattern[str]:
        single = [re.escape(name) for name in (*self.prefix, self.positions)]
        return re.compile("|".join([*single, *(module.pattern for module in self.modules())]))
