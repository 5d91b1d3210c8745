"""What the manifest of an INT8 file says of how it came about."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from segpp.calib.config import CalibrationConfig
from segpp.calib.graph.sites import Site
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.proof import Seen
from segpp.calib.pictures.sets import PictureSets
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.manifest import (
    Calibration,
    CalibrationDrop,
    FileInfo,
    Manifest,
    Source,
    render_manifest,
)
from segpp.utils.files import manifest_path, sha256_of

__all__ = ["Outcome", "calibrated_manifest", "manifest_beside"]

# By their modules: onnxruntime is installed under other names too.
_PACKAGES = (onnx, onnxruntime, np)


@dataclass(frozen=True)
class Outcome:
    """What was decided and measured.

    Attributes:
        plan: What is INT8.
        floats: Why a site stayed float, by the name of its node.
        equalized: Blocks whose outliers were moved into weights.
        corrected: Blocks with biases that were corrected.
        sets: The pictures.
        agreement: Share of the report's pixels that keep their class.
        drop: What is lost on them.
        milliseconds: Of a call, float and INT8, where they were timed.
        seen: What the file makes of the pictures of its certificate, if it gets one.
    """

    plan: Plan
    floats: Mapping[str, str]
    equalized: tuple[str, ...]
    corrected: tuple[str, ...]
    sets: PictureSets
    agreement: float
    drop: CalibrationDrop
    milliseconds: Mapping[str, float]
    seen: Seen | None = None


def calibrated_manifest(
    manifest: Manifest,
    config: CalibrationConfig,
    sites: Sequence[Site],
    outcome: Outcome,
    part: Path,
) -> Manifest:
    """Return the manifest of the INT8 file ``part``, made from the float file's."""
    return replace(
        manifest,
        file=FileInfo(config.out.name, sha256_of(part), part.stat().st_size),
        source=Source(manifest.file.name, manifest.file.sha256, "onnx"),
        precision="int8",
        parity=None,
        certificate=None,
        tools={**manifest.tools, **{one.__name__: one.__version__ for one in _PACKAGES}},
        options={**manifest.options, "int8": config.target, **WRITERS[config.target].options()},
        calibration=Calibration(
            target=config.target,
            methods={kind: config.methods.get(kind, config.method) for kind in _kinds(outcome)},
            equalized=outcome.equalized,
            rounding=config.rounding,
            rounded=_rounded(outcome.plan),
            int8=dict(Counter(site.block for site in outcome.plan.sites)),
            floats=_floats(sites, outcome),
            images=_hashes(outcome.sets.calibration),
            selected_on=() if config.max_drop is None else _hashes(outcome.sets.selection),
            reported_on=_hashes(outcome.sets.report),
            agreement=outcome.agreement,
            drop=outcome.drop,
            faster=dict(outcome.milliseconds),
            corrected=outcome.corrected,
        ),
    )


@contextmanager
def manifest_beside(path: Path, manifest: Manifest) -> Iterator[None]:
    """Keep a float file's manifest beside a trial in INT8, of which nothing is proved yet."""
    about = FileInfo(path.name, sha256_of(path), path.stat().st_size)
    beside = replace(manifest, file=about, certificate=None)
    manifest_path(path).write_text(render_manifest(beside), encoding="utf-8")
    try:
        yield
    finally:
        manifest_path(path).unlink(missing_ok=True)


def _rounded(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(site.block for site in plan.sites if site.node in plan.codes))


def _kinds(outcome: Outcome) -> list[str]:
    return sorted({site.kind for site in outcome.plan.sites})


def _floats(sites: Sequence[Site], outcome: Outcome) -> dict[str, str]:
    """Return why sites stayed float, by module."""
    return {site.module: outcome.floats[site.node] for site in sites if site.node in outcome.floats}


def _hashes(pictures: Sequence[Picture]) -> tuple[str, ...]:
    return tuple(picture.sha256 for picture in pictures)
