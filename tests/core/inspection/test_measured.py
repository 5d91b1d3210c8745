"""A file's setting is told what it was worth on a GPU where that was measured, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gpu.page.__main__ import MEASURED, RESULT
from benchmarks.gpu.page.crossover import as_json, rows
from benchmarks.gpu.page.run import read_run
from segpp.inspection.measured import Measured, measured_for, measured_sections
from segpp.inspection.proofs import proof_sections
from segpp.manifest import Manifest, read_manifest

Exported = Callable[[str, str, str], Path]
RUN = read_run(RESULT)


def large(path: Path, **changes: object) -> Manifest:
    """The manifest of a file, told as of 1024x2048 and with the head that was measured."""
    manifest = read_manifest(path)
    spec = replace(manifest.input, shape=(1, 3, 1024, 2048))
    shape = replace(manifest.architecture, head="linear")
    return replace(manifest, **{"input": spec, "architecture": shape, **changes})  # type: ignore[arg-type]  # fields of a manifest


def row(preset: str, interval: int = 1) -> Measured:
    return next(
        one
        for one in rows(RUN)
        if (one.network, one.preset, one.window, one.match_interval) == ("b0", preset, 0, interval)
    )


def test_what_is_cited_is_the_committed_run() -> None:
    assert MEASURED.read_text(encoding="utf-8") == as_json(RUN)


@pytest.mark.parametrize("preset", ["hq", "fast", "2x2"])
def test_a_measured_setting_is_told(exported: Exported, preset: str) -> None:
    manifest = large(exported(preset, "128x256", "fp32"))

    assert measured_for(manifest) == row(preset)
    [section] = measured_sections(manifest)
    words = " ".join(section.body.split())
    assert f"{row(preset).faster:.2f}x as fast" in words
    assert ("it pays there" if row(preset).faster > 1 else "it does not pay there") in words


def test_a_match_for_a_stage_is_another_setting(exported: Exported) -> None:
    manifest = large(exported("fast", "128x256", "fp32"))
    depths = manifest.architecture.depths
    sites = [replace(site, match_every=depths[site.stage - 1]) for site in manifest.reduction]

    assert measured_for(replace(manifest, reduction=tuple(sites))) == row("fast", 1000)


def test_others_are_told_nothing(exported: Exported) -> None:
    manifest = large(exported("hq", "128x256", "fp32"))
    first, *others = manifest.reduction
    settings = {**first.settings, "ratio": 0.7}

    assert measured_sections(read_manifest(exported("hq", "128x256", "fp32"))) == ()
    assert measured_sections(replace(manifest, reduction=())) == ()
    assert measured_sections(replace(manifest, reduction=tuple(others))) == ()
    other = (replace(first, settings=settings), *others)
    assert measured_sections(replace(manifest, reduction=other)) == ()
    head = replace(manifest.architecture, head="conv-bn")
    assert measured_sections(replace(manifest, architecture=head)) == ()
    # A manifest comes from outside: no block is the ninth stage's.
    far = (replace(first, stage=9), *others)
    assert measured_sections(replace(manifest, reduction=far)) == ()


def test_proofs_are_told_beside(exported: Exported) -> None:
    parity, certificate = proof_sections(read_manifest(exported("hq", "128x256", "fp32")))

    # The fixture's exports compare nothing.
    assert parity.body.split() == ["measured", "no"]
    assert certificate.title.startswith("certificate")
