"""How a file became INT8, as its manifest tells."""

from collections import defaultdict

from segpp.calib.pictures.find import FEW
from segpp.inspection.report import Section, facts, rows
from segpp.manifest import Calibration, CalibrationDrop, Manifest

__all__ = ["calibration_sections"]


def calibration_sections(manifest: Manifest) -> tuple[Section, ...]:
    """Return what a manifest says of the calibration; nothing for a float file."""
    about = manifest.calibration
    if about is None:
        return ()
    return (
        _overview(about),
        rows("products in INT8, by block", _block_rows(about), "lr"),
        facts("products that stayed float", _floats(about)),
        rows("what each class loses, in points of IoU", _class_rows(manifest, about.drop), "lrl"),
    )


def _overview(about: Calibration) -> Section:
    return facts(
        "calibration to INT8",
        {
            "target": about.target,
            "ranges": ", ".join(f"{kind} {method}" for kind, method in about.methods.items()),
            "equalized": ", ".join(about.equalized),
            "biases corrected": ", ".join(about.corrected),
            "weights rounded by": _rounding(about),
            "pictures": f"{len(about.images)} for ranges, {len(about.selected_on)} to choose by, "
            f"{len(about.reported_on)} to judge by{_few(about)}",
            "agreement": f"{about.agreement:.5f} of the pixels keep the class of the float file",
            "lost": _lost(about.drop),
            "speed": _speed(about.faster),
        },
    )


def _rounding(about: Calibration) -> str:
    return f"{about.rounding} in {', '.join(about.rounded)}" if about.rounded else about.rounding


def _few(about: Calibration) -> str:
    return f"; few, from {FEW} on numbers are dependable" if len(about.images) < FEW else ""


def _lost(drop: CalibrationDrop) -> str:
    return (
        f"{drop.reference - drop.model:.2f} points of {drop.measure}, {drop.low:.2f} to "
        f"{drop.high:.2f} with 95 % confidence: {drop.model:.2f} of {drop.reference:.2f} on "
        f"{drop.pictures} pictures"
    )


def _speed(times: dict[str, float]) -> str:
    if not {"float", "int8"} <= times.keys() or times["int8"] <= 0:
        return "not timed"
    faster = times["float"] / times["int8"]
    return f"{faster:.2f}x where it was calibrated: {times['float']:.1f} to {times['int8']:.1f} ms"


def _block_rows(about: Calibration) -> list[list[str]]:
    return [["block", "products"], *([name, str(count)] for name, count in about.int8.items())]


def _floats(about: Calibration) -> dict[str, str]:
    """Return the products of every reason."""
    modules: dict[str, list[str]] = defaultdict(list)
    for module, why in about.floats.items():
        modules[why].append(module)
    return {why: ", ".join(names) for why, names in modules.items()}


def _class_rows(manifest: Manifest, drop: CalibrationDrop) -> list[list[str]]:
    unknown = (None,) * len(drop.classes)
    ends = zip(drop.classes_low or unknown, drop.classes_high or unknown, strict=False)
    named = zip(manifest.classes.names, drop.classes, ends, strict=False)
    cells = [
        [name, f"{lost:.2f}", "" if low is None or high is None else f"{low:.2f} to {high:.2f}"]
        for name, lost, (low, high) in named
        if lost is not None
    ]
    return [["class", "loses", "with 95 % confidence"], *cells]
