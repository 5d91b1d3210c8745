"""Where merging costs more than it saves, the export and the inspection say so."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.export.cost_model import doubts_about_merging, doubts_of, worth_of
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.presets import PRESETS, describe, plan_from
from segpp.export.models.segformer.sites import stage_grids
from segpp.manifest import ReductionSite, read_manifest
from segpp.ops.grid import Size

Command = Callable[..., "subprocess.CompletedProcess[str]"]

B0 = segformer("b0", classes=19)


def sites_of(preset: str, size: Size) -> tuple[ReductionSite, ...]:
    return describe(PRESETS[preset], stage_grids(size))


def test_a_site_is_counted_as_by_hand() -> None:
    # 64 queries of 160 channels on 8x8; 16 keys; half of them merge into 4x4 = 16 cells of 2x2.
    size = Size(128, 128)
    sites = describe(plan_from(reduce=["3.q=bsm:ratio=0.5"]), stage_grids(size))

    [site] = worth_of(B0, size, sites)

    blocks, merged, dim = 2, 32, 160
    assert site.site == "3.q"
    # Queries and outputs are projected, and each meets every key twice.
    assert site.saved == blocks * (2 * merged * dim**2 + 2 * merged * 4 * 4 * dim)
    matching = 48 * 16 * dim + 110 * 70_000
    one_hot = 64 * 16 * dim
    assert site.added == blocks * (matching + one_hot + 2 * 64 * dim + 40 * 70_000)
    assert not site.pays


def test_a_match_that_serves_two_blocks_is_counted_once() -> None:
    size = Size(128, 128)
    [every] = describe(plan_from(reduce=["3.q=bsm:ratio=0.5"]), stage_grids(size))

    [each] = worth_of(B0, size, [every])
    [one] = worth_of(B0, size, [replace(every, match_every=2)])

    assert each.added - one.added == 48 * 16 * 160 + 110 * 70_000
    assert each.saved == one.saved


@pytest.mark.parametrize(
    ("preset", "size"),
    [("hq", Size(128, 128)), ("fast", Size(128, 128)), ("hq", Size(256, 256))],
    ids=str,
)
def test_small_images_are_doubted_with_the_numbers(preset: str, size: Size) -> None:
    sites = sites_of(preset, size)

    [doubt] = doubts_about_merging(B0, size, sites)

    found = worth_of(B0, size, sites)
    assert doubt.startswith(f"at {size} merging is predicted to be no faster than not merging")
    assert f"{sum(one.added for one in found) / 1e6:,.1f} million" in doubt
    assert all(f"{one.site} {one.saved / 1e6:,.1f} against" in doubt for one in found)
    assert "--preset none" in doubt


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("size", [Size(512, 1024), Size(1024, 2048)], ids=str)
@pytest.mark.parametrize("name", ["b0", "b2"])
def test_large_images_are_not_doubted(name: str, preset: str, size: Size) -> None:
    architecture = segformer(name, classes=19)

    assert doubts_about_merging(architecture, size, sites_of(preset, size)) == ()


def test_a_single_site_that_does_not_pay_is_named_where_the_others_do() -> None:
    size = Size(512, 1024)
    # 16x32 keys of stage 1 save much; one merged token of stage 4 saves nothing.
    plan = plan_from(reduce=["1.kv=bsm:ratio=0.6", "4.q=bsm:ratio=0.002"])
    sites = describe(plan, stage_grids(size))

    [doubt] = doubts_about_merging(B0, size, sites)

    assert doubt.startswith("at 512x1024 merging at 4.q is predicted to save less than it costs")
    assert "--reduce 4.q=none" in doubt


def test_nothing_merged_is_nothing_to_doubt() -> None:
    assert doubts_about_merging(B0, Size(64, 64), ()) == ()


def test_the_export_warns_and_the_manifest_keeps_it(
    segpp: Command, b0_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b0.onnx"

    done = segpp("export", "--preset", "hq", "--size", "128x128", "--no-check", b0_checkpoint, out)

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(out)
    [doubt] = doubts_of(manifest)
    assert f"warning: {doubt}\n" in done.stderr
    assert doubt in manifest.notes
    assert doubt not in done.stdout


def test_the_inspection_of_a_checkpoint_tells_what_would_not_pay(
    segpp: Command, b0_checkpoint: Path
) -> None:
    small = segpp("inspect", b0_checkpoint, "--size", "128x128").stdout
    large = segpp("inspect", b0_checkpoint, "--size", "1024x2048").stdout

    section = small.split("would not pay\n")[1].split("\n\n")[0]
    assert section.count("no faster than") == 2
    assert "would not pay" not in large
