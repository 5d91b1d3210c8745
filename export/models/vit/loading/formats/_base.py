"""What a format says: whose names stand for which modules of ours, and with which numerics."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from segpp.export.models.vit.architecture import Ffn, Head, Numerics

__all__ = ["CheckpointFormat", "FeedForward", "Module"]

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
        parts: What stands for ``{part}`` in the name in the file: ours are these below one another.
    """

    ours: str
    theirs: str
    form: Literal["same", "conv", "transposed", "plain"] = "same"
    parts: tuple[str, ...] = ()

    def key(self, leaf: str) -> str:
        """Return the name in the file of one of its tensors, ``{j}`` still in it."""
        if self.form in {"transposed", "plain"}:
            return self.theirs
        return (
            self.theirs.replace("{leaf}", leaf) if "{leaf}" in self.theirs
            else f"{self.theirs}.{leaf}"
        )  # fmt: skip

    def keys(self, leaf: str) -> tuple[str, ...]:
        """Return the names in the file of what is one of its tensors, several with ``parts``."""
        key = self.key(leaf)
        return tuple(key.replace("{part}", part) for part in self.parts) or (key,)

    @property
    def pattern(self) -> str:
        """A regular expression for the names of its tensors in a file."""
        mark = "\0"
        key = re.escape(self.key(mark)).replace(re.escape(mark), _LEAF)
        key = key.replace(re.escape("{part}"), f"({'|'.join(map(re.escape, self.parts))})")
        return key.replace(re.escape("{j}"), r"\d{1,4}")


@dataclass(frozen=True)
class FeedForward:
    """One way in which a format saves the feed-forward part of a block."""

    kind: Ffn
    modules: tuple[Module, ...]


@dataclass(frozen=True)
class CheckpointFormat:
    """The checkpoints of one codebase.

    Attributes:
        title: What its files are called in messages.
        numerics: What its code computes the weights with, unless a configuration says otherwise.
        prefix: Tokens before the patches, in their order; those that a file lacks it does without.
        positions: Name of the positions, of prefix and patches together; None where they are
            rotary.
        encoder: Modules outside of the blocks and in them, the patch embedding first.
        final_norm: The norm behind the last block, which a file may do without.
        feed_forwards: Ways to save the feed-forward parts; a file has one of them.
        registers: Name of any number of tokens behind the prefix.
        patch_positions: Whether the positions are of the patches alone, (N, C).
        is_whole: Whether every file has the whole prefix, registers and final norm.
        heads: The modules of each head; the first is there with this head alone.
        exits: Of each head the modules of the auxiliary heads that its networks have inside, by
            which tokens leave early.
        told_by: What tells more than the weights: ``variant.yml`` beside the file, the
            ``configuration`` of mmsegmentation inside, or ``config.json`` of transformers.
        head_norm_eps: Of the LayerNorms of single heads, where it is not that of the numerics.
        unused: Starts of names that stand in its files and take no part in the result, and why.
    """

    title: str
    numerics: Numerics
    prefix: tuple[str, ...]
    positions: str | None
    encoder: tuple[Module, ...]
    final_norm: Module
    feed_forwards: tuple[FeedForward, ...]
    heads: Mapping[Head, tuple[Module, ...]]
    told_by: Literal["variant.yml", "configuration", "config.json"]
    head_norm_eps: Mapping[Head, float] = field(default_factory=dict)
    exits: Mapping[Head, tuple[Module, ...]] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)
    registers: str | None = None
    patch_positions: bool = False
    is_whole: bool = False

    def of_file(self, names: Collection[str]) -> "CheckpointFormat":
        """Return the format with the way alone in which a file saves its feed-forward parts."""
        for way in self.feed_forwards:
            if any(re.fullmatch(way.modules[0].pattern, name) for name in names):
                return replace(self, feed_forwards=(way,))
        return replace(self, feed_forwards=self.feed_forwards[:1])

    def of_ffn(self, kind: Ffn) -> "CheckpointFormat":
        """Return the format with the way alone in which it saves such a feed-forward part."""
        ways = tuple(way for way in self.feed_forwards if way.kind == kind)
        return replace(self, feed_forwards=ways)

    @property
    def ffn(self) -> Ffn:
        """The feed-forward part of a file's format."""
        return self.feed_forwards[0].kind

    @property
    def is_scaled(self) -> bool:
        """Whether blocks have a LayerScale."""
        return any(module.ours.endswith(".gamma") for module in self.encoder)

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the positions, none where they are rotary."""
        return () if self.positions is None else (self.positions,)

    @property
    def tokens(self) -> tuple[str, ...]:
        """Names of the tokens before the patches, in their order."""
        return (*self.prefix, self.registers) if self.registers else self.prefix

    def modules(self, head: Head | None = None) -> Iterator[Module]:
        """Return its modules with one head, or with all of them."""
        yield from self.encoder
        yield self.final_norm
        for way in self.feed_forwards:
            yield from way.modules
        for name, modules in (*self.heads.items(), *self.exits.items()):
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
        return name.startswith(tuple(self.unused))

    def count_known(self, names: Collection[str]) -> int:
        """Return how many of the names the format knows."""
        return sum(self.knows(name) or self.is_unused(name) for name in names)

    def has_both_ends(self, names: Collection[str]) -> bool:
        """Whether there are the first and the last weights of a network."""
        first = self.encoder[0].key("weight")
        lasts = (modules[-1].key("weight") for modules in self.heads.values())
        return all(one in names for one in (first, *self.learned)) and any(
            last in names for last in lasts
        )

    @cached_property
    def _known(self) -> re.Pattern[str]:
        single = [re.escape(name) for name in (*self.tokens, *self.learned)]
        return re.compile("|".join([*single, *(module.pattern for module in self.modules())]))
