"""The channels that fixed gates leave out of a student: chosen once, before the first step.

They are chosen as an export chooses them, on some of the pictures to learn from, and what leaves is
zero in the student, which keeps its layout. Zeros on both sides of a channel have no gradient, so
it stays out; and an export with the same gates leaves out those very channels, whatever images it
is given, because the zeros tell it which.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from segpp.errors import ImageError, InputError
from segpp.export.models.gating import mask_of
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import Channels, Place
from segpp.export.reduction.gates.running_moments import Draw
from segpp.manifest import ChannelSite
from segpp.manifest.consistency import channel_problems
from segpp.train.pictures.reading import Reader, left_out

__all__ = ["check_kept", "drawn_from", "kept_at", "masks_of"]

# Moments of activations settle on a few thousand tokens each; more pictures only take time.
_CHOSEN_ON = 32


def drawn_from(pictures: Sequence[Path], reader: Reader) -> list[Draw]:
    """Return what channels are chosen on: some pictures, evenly spaced, of those that can be read.

    Raises:
        ImageError: None of them can be read.
    """
    count = min(_CHOSEN_ON, len(pictures))
    spaced = [pictures[len(pictures) * number // count] for number in range(count)]
    images = [image for path in spaced if (image := _read(path, reader)) is not None]
    if not images:
        raise ImageError(
            f"none of the {count} pictures to choose channels on can be read",
            f"the first: {spaced[0]}",
        )
    return [partial(_held, image) for image in images]


def masks_of(
    kept: Mapping[Place, Mapping[str, Tensor]], channels: Mapping[Place, Channels]
) -> dict[str, str]:
    """Return the channels that stay as hexadecimal digits, by ``STAGE.BLOCK.{hidden,qk,v}``."""
    return {
        f"{place.stage}.{name}": mask_of(stays, channels[place].width)
        for place, by_block in kept.items()
        for name, stays in by_block.items()
    }


def kept_at(gates: ChannelGates, masks: Mapping[str, str]) -> dict[Place, dict[str, str]]:
    """Return the same by place and block, as a manifest has them."""
    found: dict[Place, dict[str, str]] = {}
    for place in gates:
        ends = (".hidden",) if place.part == "hidden" else (".qk", ".v")
        first = f"{place.stage}."
        own = {n.removeprefix(first): m for n, m in masks.items() if n.startswith(first)}
        found[place] = {name: mask for name, mask in own.items() if name.endswith(ends)}
    return found


def check_kept(
    sites: Sequence[ChannelSite], masks: Mapping[str, str], depths: Sequence[int], path: Path
) -> None:
    """Raise InputError unless masks tell for every block with fixed gates what stays, and no more.

    Args:
        sites: What the gates make of the channels, given these masks.
        masks: As ``masks_of`` gives them.
        depths: How many blocks each stage has.
        path: Of the state that has them, for the message.
    """
    expected = {
        f"{site.stage}.{block}.{layer}"
        for site in sites
        if site.method == "fixed"
        for block in range(1, depths[site.stage - 1] + 1)
        for layer in (("hidden",) if site.part == "hidden" else ("qk", "v"))
    }
    wrong = next((problem for site in sites for problem in channel_problems(site)), None)
    if wrong or masks.keys() != expected:
        raise InputError(
            f"{path} is no training that can be gone on with",
            f"it {wrong or 'tells of the channels of other blocks than those with fixed gates'}",
            hint="begin anew: `restart=True`",
        )


def _read(path: Path, reader: Reader) -> NDArray[np.float32] | None:
    try:
        return reader.whole(path)
    except ImageError as failure:
        left_out(failure)
        return None


def _held(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return image
