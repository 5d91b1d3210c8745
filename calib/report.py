"""What came of a calibration: as a table, as JSON, as data."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from segpp import __version__
from segpp.calib.selection.costs import BlockResult, PartGain
from segpp.errors import CheckError
from segpp.manifest import Calibration, CalibrationDrop, Manifest
from segpp.utils.table import table

__all__ = ["CalibrationFailedError", "CalibrationResult"]

_SCHEMA = 1
_HEADING = ("block", "products in INT8", "divergence", "gains ms", "why float")
_PARTS_HEADING = ("part", "float ms", "INT8 ms", "pays")


@dataclass(frozen=True)
class CalibrationResult:
    """What came of a calibration.

    Attributes:
        out: The INT8 file.
        manifest: Of it.
        blocks: What became of each block.
        gains: What each part gains on this machine, where that was timed.
        engine: What it was timed on, in words.
        warnings: What speaks against trusting the numbers.
        failed: Why no file was written, a sentence for each gate that was not passed; empty where
            one was.
    """

    out: Path
    manifest: Manifest
    blocks: tuple[BlockResult, ...]
    gains: tuple[PartGain, ...]
    engine: str
    warnings: tuple[str, ...]
    failed: tuple[str, ...] = ()

    @property
    def calibration(self) -> Calibration:
        """What the manifest says of how the file came about."""
        calibration = self.manifest.calibration
        if calibration is None:
            raise ValueError("the manifest is not of an INT8 file")
        return calibration

    @property
    def drop(self) -> CalibrationDrop:
        """What the file loses on pictures that it was not chosen on."""
        return self.calibration.drop

    @property
    def judged(self) -> bool:
        """Whether masks were compared: not those of a file in which every product stays float."""
        return self.drop.pictures > 0

    def text(self) -> str:
        """Return what to read: the file, the blocks, and what is lost and gained."""
        lines = [self._heading(), "", table([list(_HEADING), *map(_row, self.blocks)], "lrrrl"), ""]
        if self.gains:
            parts = [list(_PARTS_HEADING), *map(_part_row, self.gains)]
            lines += [table(parts, "lrrl"), ""]
        return "\n".join([*lines, *self._verdict()])

    def json(self) -> str:
        """Return everything that was measured and decided as JSON."""
        about = self.calibration
        value = {
            "segpp": __version__,
            "schema": _SCHEMA,
            "kind": "calibration",
            "failed": self.failed,
            "file": None if self.failed else asdict(self.manifest.file),
            "source": asdict(self.manifest.source),
            "target": about.target,
            "methods": about.methods,
            "equalized": about.equalized,
            "corrected": about.corrected,
            "rounding": about.rounding,
            "rounded": about.rounded,
            "blocks": [asdict(block) for block in self.blocks],
            "engine": self.engine,
            "parts": [{**asdict(one), "pays": one.pays} for one in self.gains],
            "floats": about.floats,
            "agreement": about.agreement if self.judged else None,
            "drop": {**asdict(self.drop), "points": self.drop.points} if self.judged else None,
            "milliseconds": about.faster,
            "pictures": {
                "calibration": about.images,
                "selection": about.selected_on,
                "report": about.reported_on,
            },
            "warnings": self.warnings,
        }
        return json.dumps(value, indent=2, ensure_ascii=False)

    def _heading(self) -> str:
        if self.failed:
            return f"not written: {self.out}"
        sizes = f"{self.manifest.file.bytes / 1e6:.1f} MB, int8 for {self.calibration.target}"
        return f"wrote  {self.out}  {sizes}"

    def _verdict(self) -> list[str]:
        if not self.judged:
            return ["every product stays float: no masks to compare"]
        drop, times = self.drop, self.calibration.faster
        lost = (
            f"{drop.measure:<10} {drop.model:.2f} of {drop.reference:.2f} in float: loses "
            f"{drop.points:.2f} points ({drop.low:.2f} to {drop.high:.2f} with 95 % confidence) "
            f"on {drop.pictures} pictures held back"
        )
        if not times:
            return [lost, "speed      not timed"]
        faster = times["float"] / times["int8"]
        timed = f"{times['float']:.1f} ms in float, {times['int8']:.1f} ms in INT8"
        return [lost, f"speed      {timed} with {self.engine}: {faster:.2f}x"]


class CalibrationFailedError(CheckError):
    """The INT8 file did not pass its gates and is not written; what was measured is.

    Args:
        failures: One for each gate; the first is told in full.
        result: Everything that was measured and decided.
    """

    def __init__(self, failures: Sequence[CheckError], result: CalibrationResult) -> None:
        first, *others = failures
        facts = (*first.facts, *(f"and {other.problem}" for other in others))
        super().__init__(first.problem, *facts, hint=first.hint)
        self.result = result


def _part_row(gain: PartGain) -> list[str]:
    pays = "yes" if gain.pays else "no"
    return [gain.part, f"{gain.float_ms:.2f}", f"{gain.int8_ms:.2f}", pays]


def _row(block: BlockResult) -> list[str]:
    return [
        block.block,
        f"{block.int8} of {block.products}",
        "-" if block.divergence is None else f"{block.divergence:.2g}",
        "-" if block.milliseconds is None else f"{block.milliseconds:.2f}",
        "; ".join(
            why if count == block.products else f"{count}: {why}"
            for why, count in block.floats.items()
        ),
    ]
