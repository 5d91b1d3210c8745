"""The certificate of an INT8 file: that of the float file, whose labels stay the truth.

A float file without a certificate is asked itself what it makes of the drawn pictures. The user's
pictures are in no certificate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.certificate.archive import Probe
from segpp.certificate.labels import Expected
from segpp.certificate.pictures import Picture, pictures_for
from segpp.certificate.prove import Proof, prove
from segpp.certificate.sealed import read_certificate, sealed
from segpp.images.preprocess import ImageArray
from segpp.manifest import Manifest
from segpp.utils.files import certificate_path

__all__ = ["Masks", "ReferenceProof", "Seen", "proved", "reference_proof"]


@dataclass(frozen=True)
class Seen:
    """What a file made of pictures.

    Attributes:
        masks: (H, W) of each.
        ran_with: The library that ran it, in words.
    """

    masks: Sequence[NDArray[Any]]
    ran_with: str


# A file with its manifest beside it, and pictures (H, W, C): its masks.
Masks = Callable[[Path, Sequence[ImageArray]], Seen]


@dataclass(frozen=True)
class ReferenceProof:
    """What an INT8 file is held to.

    Attributes:
        probes: Pictures and their labels.
        reference: Whose labels they are.
        tie_margin: How close two logits are for either class to be right.
    """

    probes: tuple[Probe, ...]
    reference: str
    tie_margin: float


def reference_proof(model: Path, manifest: Manifest, masks: Masks) -> ReferenceProof:
    """Return the pictures and labels of a float file.

    Raises:
        ManifestError: Its certificate is damaged, or another one's.
    """
    if manifest.certificate is not None and certificate_path(model).exists():
        _, proof, probes = read_certificate(model)
        return ReferenceProof(probes, proof.reference, proof.tie_margin)
    pictures = pictures_for(manifest.input.channels)
    seen = masks(model, [picture.pixels for picture in pictures])
    pairs = zip(pictures, seen.masks, strict=True)
    probes = tuple(_probe(picture, mask) for picture, mask in pairs)
    return ReferenceProof(probes, f"{model.name}, {manifest.precision}", 0.0)


def proved(
    manifest: Manifest, reference: ReferenceProof, seen: Seen, *, ran: bool
) -> tuple[Manifest, bytes]:
    """Return the manifest of an INT8 file with its certificate, and the latter's bytes.

    Args:
        manifest: Of the file, complete but for the certificate.
        reference: What it is held to.
        seen: What it made of the pictures.
        ran: Whether the library that it is for ran it.

    Raises:
        CheckError: Masks do not come back to the pixel.
    """
    proof = Proof(reference.reference, seen.ran_with, reference.tie_margin, ran=ran)
    return sealed(prove(manifest, reference.probes, seen.masks, proof), reference.probes)


def _probe(picture: Picture, mask: NDArray[Any]) -> Probe:
    # A mask alone does not tell where two classes are close.
    return Probe(picture, Expected(mask, np.zeros(mask.shape, bool)))
