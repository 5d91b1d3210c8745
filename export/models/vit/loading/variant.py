"""``variant.yml``, which Segmenter's own code writes beside its checkpoints.

It says what no shape shows, heads and normalisation, and much that the weights show too: where the
two disagree it is another network's, and nothing is exported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from segpp.errors import CheckpointError, MissingError
from segpp.ops.grid import Size

__all__ = ["VARIANT", "Variant", "read_variant"]

VARIANT = "variant.yml"

# Such files have two kilobytes. Aliases can make a small text a large value.
_MAX_BYTES = 64 << 10
_MAX_ALIASES = 16
# Items of a list that a message shows.
_MAX_SHOWN = 4
# yaml.dump writes tuples so; nothing else of Python is taken.
_TUPLE = "tag:yaml.org,2002:python/tuple"

_DECODERS = {"mask_transformer": "mask-transformer", "linear": "linear"}
_NORMALIZATIONS = ("vit", "deit")
_REDUCING = "ade20k"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Variant:
    """What the file says; None where it says nothing.

    Attributes:
        dim: Channels of a token.
        depth: Blocks of the encoder.
        heads: Of every attention.
        patch: Side of a patch.
        classes: K.
        head: ``mask-transformer`` or ``linear``.
        head_blocks: Blocks of the former.
        distilled: Whether there is a distillation token.
        size: Of the crops that it was trained on.
        normalization: ``vit`` (0.5) or ``deit`` (as of ImageNet).
        reduce_labels: Whether label 0 of its data set counts for nothing.
        slides: Whether it is tested with a sliding window.
        policy: How many patches a policy for sharing tokens leaves alone and how many superpatches
            share one.
    """

    dim: int | None = None
    depth: int | None = None
    heads: int | None = None
    patch: int | None = None
    classes: int | None = None
    head: str | None = None
    head_blocks: int | None = None
    distilled: bool | None = None
    size: Size | None = None
    normalization: str | None = None
    reduce_labels: bool = False
    slides: bool = False
    policy: tuple[int, int] | None = None


def read_variant(checkpoint: Path) -> Variant | None:
    """Return what the file beside a checkpoint says, None without one.

    Raises:
        CheckpointError: It is no such file, or damaged.
        MissingError: The package that reads YAML is not installed.
    """
    path = checkpoint.parent / VARIANT
    if not path.is_file():
        return None
    values = _read(path)
    if not isinstance(values, Mapping) or not isinstance(values.get("net_kwargs"), Mapping):
        raise CheckpointError(
            f"{path} does not describe a Segmenter", "expected: a mapping with net_kwargs"
        )
    network = _Section(values["net_kwargs"], "net_kwargs", path)
    data = _Section(values.get("dataset_kwargs"), "dataset_kwargs", path)
    decoder = _Section(network.values.get("decoder"), "net_kwargs.decoder", path)
    return Variant(
        dim=network.number("d_model"),
        depth=network.number("n_layers"),
        heads=network.number("n_heads"),
        patch=network.number("patch_size"),
        classes=network.number("n_cls"),
        head=_DECODERS.get(decoder.word("name", _DECODERS) or ""),
        head_blocks=decoder.number("n_layers"),
        distilled=network.one("distilled", bool),
        size=network.size("image_size"),
        normalization=network.word("normalization", _NORMALIZATIONS),
        # Only the 150 classes without a name for the rest are counted from label 1.
        reduce_labels=data.values.get("dataset") == _REDUCING,
        slides=isinstance(values.get("inference_kwargs"), Mapping),
        policy=network.pair("policy_schedule", "patches alone and superpatches that share"),
    )


@dataclass(frozen=True)
class _Section:
    given: Any
    name: str
    path: Path

    @property
    def values(self) -> Mapping[Any, Any]:
        return self.given if isinstance(self.given, Mapping) else {}

    def one(self, key: str, kind: type[_T]) -> _T | None:
        value = self.values.get(key)
        if value is None or type(value) is kind:
            return value
        # What aliases made large is never written out.
        raise CheckpointError(
            f"{self.path} gives {self.name}.{key} as a {type(value).__name__}",
            f"expected: {kind.__name__}",
        )

    def number(self, key: str) -> int | None:
        value = self.one(key, int)
        if value is not None and value < 1:
            raise CheckpointError(f"{self.path} gives {self.name}.{key} as {value}")
        return value

    def word(self, key: str, known: "Mapping[str, str] | tuple[str, ...]") -> str | None:
        value = self.one(key, str)
        if value is not None and value not in known:
            raise CheckpointError(
                f"{self.path} gives {self.name}.{key} as {value[:80]!r}",
                f"known: {', '.join(known)}",
            )
        return value

    def size(self, key: str) -> Size | None:
        value = self.values.get(key)
        if type(value) is int and value > 0:
            return Size(value, value)
        sides = self.pair(key, "pixels")
        return None if sides is None else Size(*sides)

    def pair(self, key: str, what: str) -> tuple[int, int] | None:
        value = self.values.get(key)
        if value is None:
            return None
        if (
            isinstance(value, list | tuple)
            and len(value) == 2  # noqa: PLR2004 - a pair
            and all(type(one) is int and one > 0 for one in value)
        ):
            return value[0], value[1]
        raise CheckpointError(
            f"{self.path} gives {self.name}.{key} as {_shown(value)}",
            f"expected: two whole numbers above 0, {what}",
        )


def _shown(value: Any) -> str:
    # What aliases made large is never written out.
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) <= _MAX_SHOWN and all(type(one) in (bool, int, float, str) for one in items):
        return f"{value!r:.80}"
    return f"a {type(value).__name__}"


def _read(path: Path) -> Any:
    try:
        import yaml  # noqa: PLC0415 - of all that reads checkpoints this alone
    except ImportError as failure:
        raise MissingError(
            f"{path} is YAML, and the package that reads it is not installed",
            hint="pip install pyyaml",
        ) from failure

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # it comes without types
        """Plain values and tuples of them, and few aliases."""

        aliases = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                self.aliases += 1
                if self.aliases > _MAX_ALIASES:
                    raise yaml.YAMLError(f"it has more than {_MAX_ALIASES} aliases")
            return super().compose_node(parent, index)

    Loader.add_constructor(_TUPLE, yaml.SafeLoader.construct_yaml_seq)
    if path.stat().st_size > _MAX_BYTES:
        raise CheckpointError(
            f"{path} is {path.stat().st_size:,} bytes, too large to be a {VARIANT}"
        )
    try:
        return yaml.load(path.read_bytes(), Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, OSError) as bad:
        told = " ".join(str(bad).split())[:200]
        raise CheckpointError(f"{path} is not YAML that segpp reads", told) from bad
