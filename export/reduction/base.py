"""What every token reduction promises: static counts, a merge and its inverse."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import (
    TYPE_CHECKING,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from segpp.errors import ReductionError
from segpp.export.reduction.sites import Side, Site
from segpp.manifest.consistency import MOST
from segpp.ops.grid import Grid
from segpp.utils.choices import check_choice

if TYPE_CHECKING:
    # A board lists methods and counts tokens without torch.
    from torch import Tensor

__all__ = ["Method", "TokenAssignment", "TokenReduction"]

_Method = TypeVar("_Method", bound="Method")


class TokenAssignment(Protocol):
    """Which of N tokens become which of M, decided for the images of one batch."""

    def merge(self, x: "Tensor") -> "Tensor":
        """Return tokens (B, N, C) merged to (B, M, C)."""
        ...

    def unmerge(self, y: "Tensor") -> "Tensor":
        """Return tokens (B, M, C) spread to (B, N, C), each where its members were."""
        ...


class Method(ABC):
    """Anything that ``--reduce`` names; a frozen dataclass whose fields are its keys there.

    A field is a number, or one of the words of its ``Literal``.

    Attributes:
        name: What the command line calls it.
        unusual: Settings that are told only where they are not at their default.
    """

    name: ClassVar[str]
    unusual: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the names of the settings."""
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]  # subclasses are dataclasses

    @classmethod
    def defaults(cls) -> tuple[str, ...]:
        """Return ``KEY=VALUE`` for every setting, with the value it has when it is left out."""
        return tuple(f"{field.name}={_text(field.default)}" for field in fields(cls))  # type: ignore[arg-type]  # as above

    @classmethod
    def words(cls) -> dict[str, tuple[str, ...]]:
        """Return what each setting can be that is a word, not a number."""
        hints = get_type_hints(cls)
        literals = (key for key in cls.keys() if get_origin(hints[key]) is Literal)  # noqa: SIM118 - a method
        return {key: get_args(hints[key]) for key in literals}

    def to_string(self) -> str:
        """Return ``METHOD:KEY=VALUE,…``, which ``--reduce`` reads back."""
        values = {key: getattr(self, key) for key in self.keys()}
        return f"{self.name}:" + ",".join(self.told(values))

    @classmethod
    def told(cls, settings: Mapping[str, float | str]) -> list[str]:
        """Return ``KEY=VALUE`` for each of some settings that is to be told."""
        usual = {field.name: field.default for field in fields(cls) if field.name in cls.unusual}  # type: ignore[arg-type]  # as above
        return [f"{k}={_text(v)}" for k, v in settings.items() if k not in usual or v != usual[k]]

    @classmethod
    def parse(cls: type[_Method], settings: str) -> _Method:  # noqa: PYI019 - Self comes with 3.11
        """Read ``KEY=VALUE,KEY=VALUE``; what is left out has its default.

        Raises:
            ReductionError: A key is unknown or given twice, or a value is not a number or, where a
                word is needed, none of the words.
        """
        values: dict[str, float | int | str] = {}
        for item in filter(None, settings.split(",")):
            key, _, text = item.partition("=")
            check_choice(key, cls.keys(), kind=f"key of {cls.name}", error=ReductionError)
            if key in values:
                raise ReductionError(f"{cls.name} has the key {key!r} twice")
            values[key] = cls._value(key, text)
        return cls(**values)

    @classmethod
    def _value(cls, key: str, text: str) -> float | int | str:
        hint = get_type_hints(cls)[key]
        if get_origin(hint) is Literal:
            cls._check_word(key, text)
            return text
        kind = int if hint is int else float
        try:
            value = kind(text)
        except ValueError:
            needed = "a whole number" if kind is int else "a number"
            raise ReductionError(f"{cls.name} needs {needed} for {key}, not {text!r:.80}") from None
        if isinstance(value, int) and abs(value) > MOST:
            raise ReductionError(
                f"{cls.name} cannot count with {key}={text:.80}", f"no engine counts beyond {MOST}"
            )
        return value

    @classmethod
    def _check_word(cls, key: str, word: str) -> None:
        words = get_args(get_type_hints(cls)[key])
        check_choice(word, words, kind=f"{key} of {cls.name}", error=ReductionError)


class TokenReduction(Method):
    """A method that makes fewer tokens.

    It never depends on the data for a *count*: ``tokens_out`` is known from the grid alone,
    which is what keeps the exported graph static.

    Attributes:
        sides: Where it may work: at queries, keys and values, the feed-forward part, all that
            follows, or a grid.
        is_content_based: Whether it looks at the tokens; otherwise the grid alone decides.
        is_weighted: Whether means count for how many patches a token stands.
        is_trained: Whether weights of the checkpoint decide, which the network hands over.
    """

    sides: ClassVar[tuple[Side, ...]] = ("q", "kv", "ffn", "tokens")
    is_content_based: ClassVar[bool] = True
    is_weighted: ClassVar[bool] = False
    is_trained: ClassVar[bool] = False

    @abstractmethod
    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if these settings cannot work on ``grid``."""

    @abstractmethod
    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens leave when those of ``grid`` arrive."""

    @abstractmethod
    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Decide, from the tokens x (B, N, C) on ``grid`` with N tokens, which become which."""

    @property
    def serves_blocks(self) -> bool:
        """Whether a match of every block is made, which several of them could share."""
        return self.is_content_based

    @property
    def leaves_by(self) -> str | None:
        """By what tokens leave before the block, to come back behind the last one.

        None where they merge in it, for whatever follows.
        """
        return None

    def compared_pairs(self, grid: Grid) -> int:
        """Return how many pairs of tokens one match compares; 0 where the grid alone decides."""
        del grid
        return 0

    def compared_channels(self, channels: int) -> int:
        """Return how long the compared vectors are, of tokens with so many channels."""
        return channels

    def decision_macs(self, grid: Grid, channels: int) -> int:
        """Count the multiply-accumulates of one decision, for tokens with so many channels."""
        return self.compared_pairs(grid) * self.compared_channels(channels)

    def destinations(self, grid: Grid) -> int:
        """Return how many tokens others merge into by a one-hot product; 0 without one."""
        del grid
        return 0

    def shortfall(self, grid: Grid) -> str | None:
        """Return how much less merges on ``grid`` than the settings ask for, or None."""
        del grid
        return None

    def check_side(self, site: Site) -> None:
        """Raise ReductionError if the method cannot work on the site's side."""
        if site.side not in self.sides:
            *others, last = self.sides
            sides = f"{', '.join(others)} and {last}" if others else last
            raise ReductionError(f"{self.name} cannot merge at {site}", f"it merges {sides} only")


def _text(value: float | str) -> str:
    # Whole numbers as they are: of a million on another format would round them.
    return f"{value:g}" if isinstance(value, float) else str(value)
