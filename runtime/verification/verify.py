"""One file against its certificate: hashes, masks, and the way to the picture's size and back."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from segpp.certificate.archive import Probe
from segpp.certificate.prove import versions_here
from segpp.certificate.round_trip import round_trips
from segpp.certificate.sealed import read_certificate
from segpp.errors import CheckError
from segpp.manifest import Certificate, Manifest, RoundTrip
from segpp.runtime.inference.first_load import note_passed
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.verification.replay import Replayed, replay

__all__ = ["Refused", "Verified", "verify_file"]


@dataclass(frozen=True)
class Refused:
    """A file of several that could not be verified.

    Attributes:
        path: The file, as it was given.
        problem: Why, in words.
        exit_code: Of that error alone.
    """

    path: Path
    problem: str
    exit_code: int

    passed: ClassVar[bool] = False


@dataclass(frozen=True)
class Verified:
    """What a certificate says of a file here.

    Attributes:
        path: The file, as it was given.
        backend: What ran it: library, version and device.
        passed: Whether everything is as it was.
        problem: What kept the network from giving masks, if anything did.
        pictures: What became of each; none if there was a problem.
        round_trips: Drawn masks through every fit and back.
        manifest: Of the file.
        versions: Of what pictures and masks depend on here; the manifest has those of then.
    """

    path: Path
    backend: str
    passed: bool
    problem: str | None
    pictures: tuple[Replayed, ...]
    round_trips: tuple[RoundTrip, ...]
    manifest: Manifest
    versions: dict[str, str]

    @property
    def proof(self) -> Certificate:
        """The certificate."""
        if self.manifest.certificate is None:
            raise ValueError("verified without a certificate")
        return self.manifest.certificate


def verify_file(path: Path, settings: dict[str, Any]) -> tuple[Verified, tuple[Probe, ...]]:
    """Prove a file again.

    Args:
        path: The file, with its manifest and certificate beside it.
        settings: How it is run, as ``open_session`` takes them.

    Returns:
        What became of it, and the pictures with the reference's labels.

    Raises:
        ManifestError: There is no certificate, or file, manifest and certificate do not belong
            together.
        InputError: The file or a setting cannot be used.
        MissingError: No library that runs it is installed.
    """
    manifest, proof, probes = read_certificate(path)
    pictures: tuple[Replayed, ...] = ()
    problem, precision = None, str(settings.get("precision", "fp32"))
    # Whether a lower precision is near enough is what is asked here.
    session = open_session(path, **settings, min_agreement=None, first_load=False)
    with closing(session):
        try:
            pictures = replay(session, proof, probes, precision=precision)
        except CheckError as failure:
            problem = str(failure)
    trips = round_trips(manifest.input)
    passed = (
        problem is None
        and all(one.passed for one in pictures)
        and not any(trip.different for trip in trips)
    )
    done = Verified(
        path,
        session.description,
        passed,
        problem,
        pictures,
        trips,
        manifest,
        versions_here(),
    )
    if passed:
        note_passed(path, manifest, session.description, precision)
    return done, probes
