"""What a manifest says of the certificate beside its file."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Certificate", "ProbeResult", "RoundTrip"]


@dataclass(frozen=True)
class ProbeResult:
    """How closely a file follows its reference on one picture of its certificate.

    Attributes:
        name: Of the picture.
        size: Its height and width, which are its mask's too.
        classes: How many classes the reference finds in it.
        ties: Pixels that do not count, since the reference's two best classes are closer than
            rounding: either is right.
        agreement: Share of the other pixels that the file gave the reference's class where it was
            written; None where it was not run there.
        min_agreement: What it must give again, wherever it runs.
    """

    name: str
    size: tuple[int, int]
    classes: int
    ties: int
    agreement: float | None
    min_agreement: float


@dataclass(frozen=True)
class RoundTrip:
    """A drawn mask, sent through a fit to the input's size and back to its own.

    Attributes:
        size: Its height and width.
        different: Pixels that came back as another class than they left as.
    """

    fit: Literal["stretch", "letterbox", "crop"]
    size: tuple[int, int]
    different: int


@dataclass(frozen=True)
class Certificate:
    """What was proved of a file, and the pictures to prove it again with.

    Attributes:
        name: Of the file with the pictures and their labels, beside this one.
        sha256: Of that file.
        bytes: Its size.
        reference: Whose labels they are.
        ran_with: What ran the file where it was written; empty if nothing did.
        ran: Whether that was a library that the file is for: until then the first one that loads
            it runs the certificate first.
        tie_rule: Which class a pixel gets whose best logits are equal.
        tie_margin: How close the two best logits of a pixel are that does not count.
        versions: Of what pictures and masks depend on besides.
    """

    name: str
    sha256: str
    bytes: int
    reference: str
    ran_with: str
    ran: bool
    tie_margin: float
    probes: tuple[ProbeResult, ...]
    round_trips: tuple[RoundTrip, ...]
    tie_rule: Literal["lowest class"] = "lowest class"
    versions: dict[str, str] = field(default_factory=dict)
