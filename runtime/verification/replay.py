"""The pictures of a certificate through a session, and their masks beside the reference's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from segpp.certificate.agreement import SLACK, ClassAgreement, agreement_of, by_class
from segpp.certificate.archive import Probe
from segpp.errors import CheckError
from segpp.manifest import Certificate, ProbeResult
from segpp.runtime.inference.session import Session

__all__ = ["Replayed", "replay"]


@dataclass(frozen=True)
class Replayed:
    """What became of one picture; but for the mask, the fields are the keys of ``--json``.

    Attributes:
        name: Of the picture.
        size: Its height and width.
        agreement: Share of the pixels that count which have the reference's class.
        min_agreement: What was asked for.
        agreement_then: What it was where the file was written; None if the file was not run there.
        ties: Pixels that do not count.
        passed: Whether what was asked for is reached.
        classes: The reference's classes, the worst first.
        pixels_differ: Whether the picture decodes to other pixels here than it did there.
        milliseconds: From picture to mask.
        mask: Class numbers (H, W).
    """

    name: str
    size: tuple[int, int]
    agreement: float
    min_agreement: float
    agreement_then: float | None
    ties: int
    passed: bool
    classes: tuple[ClassAgreement, ...]
    pixels_differ: bool
    milliseconds: float
    mask: NDArray[Any]


def replay(
    session: Session, proof: Certificate, probes: Sequence[Probe], *, precision: str = "fp32"
) -> tuple[Replayed, ...]:
    """Run every picture of a certificate.

    Args:
        session: The file, filled as its manifest says.
        proof: What the manifest asks for.
        probes: The pictures and the reference's labels.
        precision: What the file's FP32 is computed in.

    Raises:
        CheckError: The network gives infinities or not-a-numbers, or masks of another size.
    """
    # What rounds more than the file does may move more pixels.
    slack = 0.0 if precision == "fp32" else SLACK[precision]
    return tuple(
        _replayed(session, asked, probe, slack)
        for asked, probe in zip(proof.probes, probes, strict=True)
    )


def _replayed(session: Session, asked: ProbeResult, probe: Probe, slack: float) -> Replayed:
    result = session(probe.picture.pixels)
    [mask] = result.masks
    if mask.shape != probe.expected.labels.shape:
        raise CheckError(
            f"the mask of {asked.name} is {mask.shape}, and the picture {tuple(asked.size)}"
        )
    agreement = agreement_of(mask, probe.expected)
    least = max(0.0, asked.min_agreement - slack)
    return Replayed(
        name=asked.name,
        size=asked.size,
        agreement=agreement,
        min_agreement=least,
        agreement_then=asked.agreement,
        ties=asked.ties,
        passed=agreement >= least,
        classes=by_class(mask, probe.expected),
        pixels_differ=probe.pixels_differ,
        milliseconds=result.timing.total_ms,
        mask=mask,
    )
