"""What is shown of images, computed: their labels, and what single looks need besides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.images.channels import as_rgb
from segpp.images.drawing.confidence import confidence_of
from segpp.images.preprocess import ImageArray
from segpp.runtime.inference.session import AfterTiles, Result, Session, Timing
from segpp.runtime.media.looks.base import LOOKS, Segmented

__all__ = ["Seeing", "check_comparable"]


@dataclass(frozen=True)
class Seeing:
    """A network, and what is wanted of it besides labels.

    Args:
        session: The network.
        other: A second one of the same classes, to compare with.
        confidence: Compute the probability of the class shown.
    """

    session: Session
    other: Session | None = None
    confidence: bool = False

    def __call__(self, images: Sequence[ImageArray]) -> tuple[list[Segmented], Timing]:
        """Return what there is to show of each image (H, W, 3), and the first network's time."""
        result = self.session(images, logits=self.confidence)
        others = self.other(images).masks if self.other else [None] * len(images)
        shown = [
            Segmented(as_rgb(image), result.masks[i], self._confidence(result, i), others[i])
            for i, image in enumerate(images)
        ]
        return shown, result.timing

    @property
    def at_once(self) -> int:
        """How many calls can be under way."""
        return min(one.at_once for one in filter(None, (self.session, self.other)))

    @property
    def unseen(self) -> int | None:
        """The label of what a crop leaves out, None where neither network crops."""
        sessions = filter(None, (self.session, self.other))
        return next((one.unseen for one in sessions if one.unseen is not None), None)

    def watch_tiles(self, after_tiles: AfterTiles, *, alone: bool) -> None:
        """Have the tiles of every picture counted, if there is one ``alone``."""
        for session in filter(None, (self.session, self.other) if alone else ()):
            session.after_tiles = after_tiles

    def _confidence(self, result: Result, index: int) -> NDArray[np.float32] | None:
        if result.logits is None:
            return None
        [spec] = [one for one in self.session.manifest.outputs if one.kind == "logits"]
        return confidence_of(
            result.logits[index],
            result.masks[index].shape,
            align_corners=spec.align_corners,
            spec=self.session.input,
        )

    def check_can_show(self, kinds: Sequence[str]) -> None:
        """Raise InputError if a look needs what these networks do not give."""
        for kind in kinds:
            needs = LOOKS[kind].needs
            if needs == "others" and self.other is None:
                raise InputError(
                    f"{kind} needs a second network", hint="name it: --compare OTHER.onnx"
                )
            if needs == "confidence" and not _has_logits(self.session):
                raise InputError(
                    "a network that gives only labels does not tell how sure it is of them",
                    hint="export it with logits as output: --outputs logits",
                )


def check_comparable(session: Session, other: Session) -> None:
    """Raise InputError unless two networks have the same number of classes."""
    mine, theirs = len(session.classes.names), len(other.classes.names)
    if mine != theirs:
        raise InputError(
            f"one network has {mine} classes, the other {theirs}",
            hint="only networks of the same classes can be compared",
        )


def _has_logits(session: Session) -> bool:
    return any(output.kind == "logits" for output in session.manifest.outputs)
