"""What became of certificates, in words and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from segpp.manifest import CalibrationDrop, Manifest
from segpp.runtime.verification.divergence import Divergence
from segpp.runtime.verification.replay import Replayed
from segpp.runtime.verification.verify import Refused, Verified
from segpp.utils.table import table
from segpp.utils.terminal import one_line

__all__ = ["VerificationReport"]

# Of a picture's classes, where it differs.
_WORST = 5
_DIGITS = 5


@dataclass(frozen=True)
class VerificationReport:
    """What became of every file.

    Attributes:
        files: In the order in which they were given.
        divergences: Where each parts from another file, if that was asked for.
        pictures: The files of pictures that were written.
    """

    files: tuple[Verified | Refused, ...]
    divergences: tuple[Divergence, ...] = ()
    pictures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every file gives the masks of its certificate."""
        return all(one.passed for one in self.files)

    @property
    def exit_code(self) -> int:
        """0 if all passed; else 1 if masks differ, or that of the files that could not be run."""
        codes = (one.exit_code if isinstance(one, Refused) else 1 for one in self.failed)
        return min(codes, default=0)

    @property
    def failed(self) -> tuple[Verified | Refused, ...]:
        """The files that did not pass."""
        return tuple(one for one in self.files if not one.passed)

    def text(self) -> str:
        """Return it as lines for a terminal; the last one says PASSED or FAILED."""
        lines = [line for one in self.files for line in (*_lines(one), "")]
        for divergence in self.divergences:
            lines += [divergence.text(), ""]
        certificates = "certificate" if len(self.files) == 1 else "certificates"
        # Files that part from another, as merged and whole ones do, may both be right.
        what = f"{certificates}: " if self.divergences else ""
        return "\n".join([*lines, f"{what}{'PASSED' if self.passed else 'FAILED'}"])

    def json(self) -> str:
        """Return all of it as JSON."""
        value = {
            "passed": self.passed,
            "files": [_data(one) for one in self.files],
            "divergences": [asdict(divergence) for divergence in self.divergences],
            "pictures": list(self.pictures),
        }
        return json.dumps(value, indent=2, ensure_ascii=False)


def _lines(one: Verified | Refused) -> Iterator[str]:
    if isinstance(one, Refused):
        yield one_line(f"{one.path}: NOT VERIFIED")
        yield from (f"  {line}" for line in one.problem.splitlines())
        return
    proof, names = one.proof, one.manifest.classes.names
    verdict = "as in its certificate" if one.passed else "DIFFERS from its certificate"
    yield one_line(f"{one.path}: {verdict}")
    if one.problem:
        yield from (f"  {line}" for line in one.problem.splitlines())
    if one.pictures:
        yield table([_HEAD, *(map(_row, one.pictures))], "llrrrrr", indent="  ")
    for picture in one.pictures:
        if not picture.passed:
            yield from _class_lines(picture, names)
        if picture.pixels_differ:
            yield f"  {picture.name} decodes to other pixels here than where it was written"
    wrong = [trip for trip in one.round_trips if trip.different]
    yield "  masks come back to the pixel: " + (
        ", ".join(f"not through {t.fit}, {t.different:,} pixels" for t in wrong)
        or f"{len(one.round_trips)} drawn ones, through stretch, letterbox and crop"
    )
    yield f"  reference      {proof.reference}"
    yield f"  run by         {one.backend}"
    yield f"  run by then    {proof.ran_with or 'nothing: built, not run'}"
    if changed := _changed(one):
        yield f"  other versions {changed}"
    if drop := _drop(one.manifest):
        yield f"  accuracy       {drop}"


_HEAD = ("picture", "size", "agrees", "asked for", "then", "ties", "ms")


def _row(one: Replayed) -> tuple[str, ...]:
    height, width = one.size
    then = "-" if one.agreement_then is None else f"{one.agreement_then:.{_DIGITS}f}"
    return (
        one.name,
        f"{height}x{width}",
        f"{one.agreement:.{_DIGITS}f}",
        f"{one.min_agreement:.{_DIGITS}f}",
        then,
        f"{one.ties:,}",
        f"{one.milliseconds:.0f}",
    )


def _class_lines(picture: Replayed, names: tuple[str, ...]) -> Iterator[str]:
    rows = [
        (
            _named(one.number, names),
            f"{one.agreeing / one.expected:.3f}",
            f"{one.expected:,}",
            "" if one.taken_for is None else f"most others are {_named(one.taken_for, names)}",
        )
        for one in picture.classes[:_WORST]
        if one.agreeing < one.expected
    ]
    yield f"  {picture.name}, by class:"
    yield table([("class", "agrees", "pixels", ""), *rows], "lrrl", indent="    ")


def _named(number: int, names: tuple[str, ...]) -> str:
    return names[number] if 0 <= number < len(names) else "no class"


def _changed(one: Verified) -> str:
    then, now = one.proof.versions, one.versions
    return ", ".join(
        f"{name} {now[name]} (then {then[name]})"
        for name in now
        if name in then and then[name] != now[name]
    )


def _drop(manifest: Manifest) -> str:
    """Return what is known of a file's mIoU against labels, where its calibration had any."""
    drop = manifest.calibration.drop if manifest.calibration else None
    if drop is None or drop.measure != "mIoU":
        return ""
    worst = _worst_class(drop, manifest.classes.names)
    return (
        f"mIoU {drop.model:.2f} on {drop.pictures} pictures, {drop.points:.2f} points below the "
        f"float file (95 % from {drop.low:.2f} to {drop.high:.2f}){worst}"
    )


def _worst_class(drop: CalibrationDrop, names: tuple[str, ...]) -> str:
    known = [(loss, k) for k, loss in enumerate(drop.classes) if loss is not None]
    if not known:
        return ""
    loss, number = max(known)
    told = f"; most is lost of {_named(number, names)}, {loss:.2f}"
    if number < len(drop.classes_low) and drop.classes_low[number] is not None:
        low, high = drop.classes_low[number], drop.classes_high[number]
        told += f" ({low:.2f} to {high:.2f})"
    return told


def _data(one: Verified | Refused) -> dict[str, Any]:
    if isinstance(one, Refused):
        return {"file": str(one.path), "passed": False, "problem": one.problem}
    names = one.manifest.classes.names
    return {
        "file": str(one.path),
        "sha256": one.manifest.file.sha256,
        "precision": one.manifest.precision,
        "passed": one.passed,
        "problem": one.problem,
        "backend": one.backend,
        "pictures": [_picture_data(picture, names) for picture in one.pictures],
        "round_trips": [asdict(trip) for trip in one.round_trips],
        "versions": one.versions,
        "then": asdict(one.proof),
    }


def _picture_data(picture: Replayed, names: tuple[str, ...]) -> dict[str, Any]:
    data = {name: value for name, value in vars(picture).items() if name != "mask"}
    data["classes"] = [{"name": _named(c.number, names), **asdict(c)} for c in picture.classes]
    return data
