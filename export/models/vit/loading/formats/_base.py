"""What a format says: whose names stand for which modules of ours, and with which numerics."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Literal

from segpp.export.models.vit.architecture import Ffn, Head, Numerics

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CheckpointFormat", "FeedForward", "Module"]

_LEAF = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_BLOCK, _NUMBER = re.escape("{j}"), r"\d{1,4}"
# Ranks of the weight of a layer that sees each pixel alone.
_MATRIX_RANK = 2


@dataclass(frozen=True)
class Module:
    """One module in a file, and that of ours which it is.

    ``{j}`` in both names is the block from 0. ``.weight``, ``.bias`` and the rest follow the name
    in the file, or stand at ``{leaf}``.

    Attributes:
        ours: Its name in our network; ``….qkv`` are q, k and v stacked by rows.
        theirs: Its name in the file.
        form: Of the weight: ``conv`` (out, in, 1, 1) where ours is (out, in), ``either`` that or
            as ours, ``transposed`` a matrix (in, out) under the very name, without a leaf,
            ``plain`` a tensor under the very name in either.
        parts: What stands for ``{part}`` in the name in the file: ours are these below one another.
    """

    ours: str
    theirs: str
    form: Literal["same", "conv", "either", "transposed", "plain"] = "same"
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
        return key.replace(_BLOCK, _NUMBER)


@dataclass(frozen=True)
class FeedForward:
    """One way in which a format saves the feed-forward part of a block."""

    kind: Ffn
    modules: tuple[Module, ...]

    def is_in(self, names: Collection[str]) -> bool:
        """Whether a file has its first layer in some block, with all that it is of."""
        keys = (re.escape(key).replace(_BLOCK, _NUMBER) for key in self.modules[0].keys("weight"))
        return all(any(re.fullmatch(key, name) for name in names) for key in keys)


@dataclass(frozen=True)
class CheckpointFormat:
    """The checkpoints of one codebase.

    Attributes:
        title: What its files are called in messages.
        numerics: What its code computes the weights with, unless a configuration says otherwise.
        prefix: Tokens before the patches, in their order; those that a file lacks it does without.
        positions: Name of the positions, of prefix and patches together, registers excepted; None
            where they are rotary.
        encoder: Modules outside of the blocks and in them, the patch embedding first.
        final_norm: The norm behind the last block, which a file may do without.
        feed_forwards: Ways to save the feed-forward parts; a file has one of them.
        registers: Name of any number of tokens behind the prefix, which have no positions.
        patch_positions: Whether the positions are of the patches alone, (N, C) or (1, N, C).
        policy: Modules of a trained policy by which patches share tokens; a file may have all of
            them or none.
        is_whole: Whether every file has the whole prefix, registers and final norm.
        may_lack_registers: Whether a file of these may still have no registers.
        heads: The modules of each head; the first is there with this head alone, or with those
            behind it.
        told_heads: A name that a file has with one head alone, where the first module is not so.
        exits: Of each head the modules of the auxiliary heads that its networks have inside, by
            which tokens leave early.
        has_exits: Whether every file has these heads; a file of others may have all or none.
        told_by: What tells more than the weights: ``variant.yml`` beside the file, the
            ``configuration`` of mmsegmentation inside, ``config.json`` of transformers, or nothing.
        spellings: What may stand for a word in braces in any of the names: one thing in a file.
        has_short_names: Whether some have no prefix, so that other networks may have them too.
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
    told_by: Literal["variant.yml", "configuration", "config.json", "nothing"]
    head_norm_eps: Mapping[Head, float] = field(default_factory=dict)
    exits: Mapping[Head, tuple[Module, ...]] = field(default_factory=dict)
    has_exits: bool = False
    unused: Mapping[str, str] = field(default_factory=dict)
    registers: str | None = None
    patch_positions: bool = False
    is_whole: bool = False
    may_lack_registers: bool = False
    told_heads: Mapping[Head, str] = field(default_factory=dict)
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_short_names: bool = False
    policy: tuple[Module, ...] = ()

    def of_file(self, tensors: "Mapping[str, Tensor]") -> "CheckpointFormat":
        """Return the format with the spellings alone that a file has, forms of weights included."""
        fmt = self
        for word, ways in self.spellings.items():
            fmt = fmt._with(word, next((w for w in ways if self._has(word, w, tensors)), ways[0]))
        way = next((way for way in fmt.feed_forwards if way.is_in(tensors)), fmt.feed_forwards[0])
        heads = {
            head: tuple(_as_stored(module, tensors) for module in modules)
            for head, modules in fmt.heads.items()
        }
        return replace(fmt, feed_forwards=(way,), heads=heads)

    def _has(self, word: str, way: str, names: Collection[str]) -> bool:
        """Whether a file has a name that is spelled so."""
        mark = re.escape(f"{{{word}}}")
        spelled = [p.replace(mark, re.escape(way)) for p in self._patterns() if mark in p]
        known = re.compile(self._any_spelling("|".join(spelled)))
        return any(known.fullmatch(name) for name in names)

    def _with(self, word: str, way: str) -> "CheckpointFormat":
        """Return the format with a word spelled in one way."""

        def spelled(name: str) -> str:
            return name.replace(f"{{{word}}}", way)

        def modules(own: tuple[Module, ...]) -> tuple[Module, ...]:
            return tuple(replace(module, theirs=spelled(module.theirs)) for module in own)

        return replace(
            self,
            prefix=tuple(map(spelled, self.prefix)),
            registers=self.registers and spelled(self.registers),
            positions=self.positions and spelled(self.positions),
            encoder=modules(self.encoder),
            final_norm=modules((self.final_norm,))[0],
            feed_forwards=tuple(
                replace(own, modules=modules(own.modules)) for own in self.feed_forwards
            ),
            heads={head: modules(own) for head, own in self.heads.items()},
            unused={spelled(start): why for start, why in self.unused.items()},
            spellings={other: ways for other, ways in self.spellings.items() if other != word},
        )

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

    @property
    def needed_tokens(self) -> tuple[str, ...]:
        """Names of those that every file has."""
        if not self.is_whole:
            return ()
        return self.prefix if self.may_lack_registers else self.tokens

    def modules(self, head: Head | None = None) -> Iterator[Module]:
        """Return its modules with one head, or with all of them."""
        yield from self.encoder
        yield self.final_norm
        yield from self.policy
        for way in self.feed_forwards:
            yield from way.modules
        for name, modules in (*self.heads.items(), *self.exits.items()):
            if head in {None, name}:
                yield from modules

    def head_of(self, names: Collection[str]) -> Head | None:
        """Return the first head of which a file has the first module."""
        for head, modules in self.heads.items():
            pattern = self.told_heads.get(head) or modules[0].pattern
            if any(re.fullmatch(pattern, name) for name in names):
                return head
        return None

    def has_policy(self, names: Collection[str]) -> bool:
        """Whether a file has anything of a trained policy."""
        roots = {module.theirs.partition(".")[0] + "." for module in self.policy}
        return any(name.startswith(tuple(roots)) for name in names)

    def knows(self, name: str) -> bool:
        """Whether a tensor of this name belongs to a network of this format."""
        return bool(self._known.fullmatch(name))

    def is_unused(self, name: str) -> bool:
        """Whether a tensor of this name takes no part in the result."""
        return name.startswith(self._unused_starts)

    def count_known(self, names: Collection[str]) -> int:
        """Return how many of the names the format knows.

        Where other networks have some of them, one end of the network must be there.
        """
        if self.has_short_names and not (self.has_encoder(names) or self.has_head(names)):
            return 0
        return sum(self.knows(name) or self.is_unused(name) for name in names)

    def has_encoder(self, names: Collection[str]) -> bool:
        """Whether there are the first weights of an encoder, with its positions."""
        first = self.encoder[0].key("weight")
        return all(self._is_there(one, names) for one in (first, *self.learned))

    def has_head(self, names: Collection[str]) -> bool:
        """Whether there are the last weights of a head."""
        lasts = (modules[-1].key("weight") for modules in self.heads.values())
        return any(self._is_there(last, names) for last in lasts)

    def has_both_ends(self, names: Collection[str]) -> bool:
        """Whether there are the first and the last weights of a network."""
        return self.has_encoder(names) and self.has_head(names)

    def _is_there(self, key: str, names: Collection[str]) -> bool:
        return any(way in names for way in self._spelled(key))

    def _spelled(self, key: str) -> list[str]:
        """Return a name in each of its spellings."""
        found = {word: ways for word, ways in self.spellings.items() if f"{{{word}}}" in key}
        spelled = []
        for ways in product(*found.values()):
            own = key
            for word, way in zip(found, ways, strict=True):
                own = own.replace(f"{{{word}}}", way)
            spelled.append(own)
        return spelled

    def _patterns(self) -> list[str]:
        single = [re.escape(name) for name in (*self.tokens, *self.learned)]
        return [*single, *(module.pattern for module in self.modules())]

    def _any_spelling(self, pattern: str) -> str:
        for word, ways in self.spellings.items():
            either = "|".join(map(re.escape, ways))
            pattern = pattern.replace(re.escape(f"{{{word}}}"), f"(?:{either})")
        return pattern

    @cached_property
    def _known(self) -> re.Pattern[str]:
        return re.compile(self._any_spelling("|".join(self._patterns())))

    @cached_property
    def _unused_starts(self) -> tuple[str, ...]:
        return tuple(way for start in self.unused for way in self._spelled(start))


def _as_stored(module: Module, tensors: "Mapping[str, Tensor]") -> Module:
    """Return a module with the one form that its weight has in a file."""
    if module.form != "either":
        return module
    weight = tensors.get(module.key("weight"))
    is_matrix = weight is not None and weight.ndim == _MATRIX_RANK
    return replace(module, form="same" if is_matrix else "conv")
