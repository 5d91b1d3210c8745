"""Attention heads, which no shape shows: said by the caller, by a configuration, or assumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import HEADS, SIZES, check_heads
from segpp.export.models.segformer.loading import hf_config
from segpp.manifest import Architecture, Origin

__all__ = ["check_heads_divide", "choose_heads", "unusual_shape_notes"]

# Of networks whose widths double from stage to stage.
_EXAMPLE_HEADS = (1, 2, 4, 8)


def choose_heads(
    given: tuple[int, ...] | None, config: Mapping[str, Any], trained: tuple[int, ...] | None
) -> tuple[tuple[int, ...], Origin]:
    """Return the heads per stage, and where they come from.

    Args:
        given: What the caller says.
        config: ``config.json``, empty without.
        trained: What the training configuration inside says.

    Raises:
        CheckpointError: They are not four positive whole numbers.
    """
    if given is not None:
        check_heads(given)
        return given, "given"
    if config:
        return hf_config.heads_of(config), "config"
    return (trained, "config") if trained else (HEADS, "assumed")


def check_heads_divide(dims: tuple[int, ...], heads: tuple[int, ...], path: Path) -> None:
    """Raise CheckpointError unless every stage's channels are a multiple of its heads."""
    for stage, (dim, count) in enumerate(zip(dims, heads, strict=True), start=1):
        if dim % count:
            raise CheckpointError(
                f"{path} has {dim} channels in stage {stage}, no multiple of {count} heads",
                f"widths: {dims}",
                f"heads:  {heads}",
                hint=_hint(dims),
            )


def unusual_shape_notes(architecture: Architecture, origin: Origin) -> tuple[str, ...]:
    """Return what is odd about a network's sizes or assumed of them, a sentence each."""
    if not _is_published(architecture.dims):
        return tuple(filter(None, [_assumed_heads(architecture, origin)]))
    notes = (_other_heads(architecture, origin), _other_depths(architecture))
    return tuple(filter(None, notes))


def _assumed_heads(architecture: Architecture, origin: Origin) -> str | None:
    if origin != "assumed":
        return None
    return (
        f"the widths {_listed(architecture.dims)} are no published ones and nothing tells the "
        f"attention heads: {_listed(architecture.heads)} are assumed, and with others masks are "
        "wrong (--heads)"
    )


def _other_heads(architecture: Architecture, origin: Origin) -> str | None:
    if origin != "given" or architecture.heads == HEADS:
        return None
    return (
        f"the widths {_listed(architecture.dims)} are published ones, with {_listed(HEADS)} "
        f"attention heads: masks are wrong unless it was trained with {_listed(architecture.heads)}"
    )


def _other_depths(architecture: Architecture) -> str | None:
    if (architecture.dims, architecture.depths) in SIZES.values():
        return None
    return (
        f"the numbers of blocks {_listed(architecture.depths)} are no published ones: masks are "
        "wrong if the file lacks a block"
    )


def _hint(dims: tuple[int, ...]) -> str:
    said = "say the heads that it was trained with"
    if _is_published(dims):
        return f"{said}; published networks of these widths have --heads {_listed(HEADS)}"
    fitting = not any(dim % count for dim, count in zip(dims, _EXAMPLE_HEADS, strict=True))
    return f"{said}, as --heads {_listed(_EXAMPLE_HEADS)}" if fitting else f"{said} (--heads)"


def _is_published(dims: tuple[int, ...]) -> bool:
    return dims in {widths for widths, _ in SIZES.values()}


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
