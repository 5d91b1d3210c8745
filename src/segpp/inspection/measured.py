"""What a file's setting was measured to be worth on a GPU, where it is one that was measured.

``measured.json`` is written by ``benchmarks.gpu.page`` from the committed files of the run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from segpp.export.models.segformer.architecture import SIZES
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.reduction.sites import Site
from segpp.inspection.report import Section, facts
from segpp.manifest import Manifest, ReductionSite

__all__ = ["WHOLE_STAGE", "Measured", "measured_for", "measured_sections"]

# The match interval that is as long as any stage.
WHOLE_STAGE = 1000


@dataclass(frozen=True)
class Measured:
    """A network with one setting, beside itself without merging.

    Attributes:
        network: ``b0`` to ``b5``, of 19 classes with the linear head.
        size: Of the input, HxW.
        preset: What merges.
        window: Of its matches in cells; 0 if there is none.
        match_interval: In how many blocks of a stage a match serves.
        faster: How many times as fast as without merging, the median.
        milliseconds: Of an image, likewise.
        without: The same without merging.
    """

    network: str
    size: str
    preset: str
    window: int
    match_interval: int
    faster: float
    milliseconds: float
    without: float


def measured_for(manifest: Manifest) -> Measured | None:
    """Return what was measured of a file's network and setting; None where nothing was."""
    shape, size = manifest.architecture, f"{manifest.input.height}x{manifest.input.width}"
    # The other head costs more, so that merging is worth another share of the whole.
    if manifest.channels or shape.head != "linear":
        return None
    for one in _read()[1]:
        dims, depths = SIZES[one.network]
        same = (shape.dims, shape.depths) == (dims, depths) and size == one.size
        if same and _merges_as(manifest, one):
            return one
    return None


def measured_sections(manifest: Manifest) -> tuple[Section, ...]:
    """Return a section on what was measured, or none."""
    one = measured_for(manifest)
    if one is None:
        return ()
    run = _read()[0]
    verdict = "it pays there" if one.faster > 1 else "it does not pay there"
    return (
        facts(
            f"measured on an {run['gpu']}, {run['day']}, not on this file",
            {
                "this network and setting": f"{one.faster:.2f}x as fast as without merging "
                f"({one.milliseconds:.2f} ms, {one.without:.2f} without): {verdict}",
                "how": f"{run['how']}; docs/benchmarks.md",
            },
        ),
    )


@cache
def _read() -> tuple[dict[str, str], tuple[Measured, ...]]:
    text = files("segpp.inspection").joinpath("measured.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found["run"], tuple(Measured(**row) for row in found["rows"])


def _merges_as(manifest: Manifest, one: Measured) -> bool:
    wanted = {
        (str(site), method.name, *_pairs(vars(method), one.window), one.match_interval)
        for site, method in PRESETS[one.preset].items()
    }
    return {_as_set(site, manifest.architecture.depths) for site in manifest.reduction} == wanted


def _as_set(site: ReductionSite, depths: Sequence[int]) -> tuple[object, ...]:
    # A match that serves a whole stage is told by the stage's depth.
    depth = dict(enumerate(depths, start=1)).get(site.stage, WHOLE_STAGE)
    whole = site.match_every > 1 and site.match_every >= depth
    interval = WHOLE_STAGE if whole else site.match_every
    name = str(Site(site.stage, site.side))
    return (name, site.method, *_pairs(site.settings, None), interval)


def _pairs(settings: Mapping[str, object], window: int | None) -> tuple[tuple[str, object], ...]:
    own = dict(settings)
    if window is not None and "window" in own:
        own["window"] = window
    return tuple(sorted(own.items()))
