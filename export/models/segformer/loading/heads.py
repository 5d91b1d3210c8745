"""Attention heads, which no shape shows: said by the caller, by a configuration, or assumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import HEADS, SIZES, STAGES
from segpp.export.models.segformer.loading import hf_config
from segpp.manifest import Architecture, Origin

__all__ = ["check_heads_divide", "choose_heads", "unusual_shape_notes"]


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
        return _checked(given), "given"
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
                hint="say the heads that it was trained with, as --heads 1,2,4,8",
            )


def unusual_shape_notes(architecture: Architecture, origin: Origin) -> tuple[str, ...]:
    """Return what is assumed of a network of unpublished sizes, a sentence each."""
    dims, depths, heads = architecture.dims, architecture.depths, architecture.heads
    is_published = dims in {widths for widths, _ in SIZES.values()}
    if not is_published and origin == "assumed":
        note = (
            f"the widths {_listed(dims)} are no published ones and nothing tells the attention "
            f"heads: {_listed(heads)} are assumed, and with others masks are wrong (--heads)"
        )
        return (note,)
    if is_published and (dims, depths) not in SIZES.values():
        note = (
            f"the numbers of blocks {_listed(depths)} are no published ones: masks are wrong if "
            "the file lacks a block"
        )
        return (note,)
    return ()


def _checked(heads: tuple[int, ...]) -> tuple[int, ...]:
    if len(heads) != STAGES or min(heads) < 1:
        raise CheckpointError(
            f"--heads {_listed(heads)}", f"expected: {STAGES} whole numbers, as 1,2,5,8"
        )
    return heads


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
