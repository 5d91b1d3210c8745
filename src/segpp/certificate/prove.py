"""From pictures, labels and a file's own masks to what a manifest says of them."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from segpp.certificate.agreement import agreement_of, min_agreement_of
from segpp.certificate.archive import Probe
from segpp.certificate.round_trip import round_trips
from segpp.errors import CheckError
from segpp.manifest import Certificate, Manifest, ProbeResult, RoundTrip
from segpp.utils.files import certificate_path

__all__ = ["Proof", "check_round_trips", "not_run", "prove", "versions_here"]


@dataclass(frozen=True)
class Proof:
    """What a certificate is made of besides its pictures.

    Attributes:
        reference: Whose labels they are.
        ran_with: What gave the masks.
        ran: Whether that was a library that the file is for.
        tie_margin: How close two logits are for either class to be right.
    """

    reference: str
    ran_with: str
    tie_margin: float
    ran: bool = True


def prove(
    manifest: Manifest, probes: Sequence[Probe], masks: Sequence[NDArray[Any]], proof: Proof
) -> Manifest:
    """Return the manifest of a file with what is proved of it; ``sealed`` completes it.

    Args:
        manifest: Of the file.
        probes: Pictures and their labels.
        masks: What the file made of each, (H, W).
        proof: The circumstances.

    Raises:
        CheckError: Masks do not come back to the pixel.
    """
    results = tuple(
        _result(probe, agreement_of(mask, probe.expected), manifest.precision)
        for probe, mask in zip(probes, masks, strict=True)
    )
    trips = check_round_trips(round_trips(manifest.input))
    return _with_certificate(manifest, results, trips, proof)


def not_run(manifest: Manifest, certificate: Certificate) -> Manifest:
    """Return the manifest of a file that has not been run, and must give what another one must.

    Args:
        manifest: Of the file.
        certificate: Of the file that it was made of.
    """
    results = tuple(replace(one, agreement=None) for one in certificate.probes)
    proof = Proof(certificate.reference, "", certificate.tie_margin, ran=False)
    return _with_certificate(manifest, results, certificate.round_trips, proof)


def _with_certificate(
    manifest: Manifest,
    results: tuple[ProbeResult, ...],
    trips: tuple[RoundTrip, ...],
    proof: Proof,
) -> Manifest:
    certificate = Certificate(
        name=certificate_path(Path(manifest.file.name)).name,
        sha256="",
        bytes=0,
        reference=proof.reference,
        ran_with=proof.ran_with,
        ran=proof.ran,
        tie_margin=proof.tie_margin,
        probes=results,
        round_trips=trips,
        versions=versions_here(),
    )
    return replace(manifest, certificate=certificate)


def check_round_trips(trips: tuple[RoundTrip, ...]) -> tuple[RoundTrip, ...]:
    """Return what became of drawn masks.

    Raises:
        CheckError: One did not come back to the pixel.
    """
    for trip in trips:
        if trip.different:
            height, width = trip.size
            raise CheckError(
                f"a mask of {height}x{width} does not come back to the pixel through {trip.fit}",
                f"{trip.different:,} of its {height * width:,} pixels are of another class",
                hint="numpy or Pillow computes otherwise than segpp expects; please report it",
            )
    return trips


def versions_here() -> dict[str, str]:
    """Return the versions of what every picture and mask depends on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "machine": platform.machine(),
    }


def _result(probe: Probe, agreement: float, precision: str) -> ProbeResult:
    expected = probe.expected
    height, width = expected.labels.shape
    return ProbeResult(
        name=probe.picture.name,
        size=(height, width),
        classes=len(np.unique(expected.labels)),
        ties=int(expected.ties.sum()),
        agreement=agreement,
        min_agreement=min_agreement_of(agreement, precision),
    )
