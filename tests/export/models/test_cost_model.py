"""Where merging costs more than it saves, the export and the inspection say so."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.export.models.cost_model import cost_advice, cost_warnings, site_costs
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.reduction.config import count_tokens
from segpp.export.reduction.gates.config import build_gates, count_channels
from segpp.manifest import ReductionSite, read_manifest
from segpp.ops.grid import Size

Command = Callable[..., "subprocess.CompletedProcess[str]"]

B0 = segformer("b0", classes=19)


def sites_of(preset: str, size: Size) -> tuple[ReductionSite, ...]:
    return count_tokens(PRESETS[preset], site_grids(size))


def test_a_site_is_counted_as_by_hand() -> None:
    # 64 queries of 160 channels on 8x8; 16 keys; half of them merge into 4x4 = 16 cells of 2x2.
    size = Size(128, 128)
    sites = count_tokens(reduction_config(reduce=["3.q=bsm:ratio=0.5"]), site_grids(size))

    [site] = site_costs(B0, size, sites)

    blocks, merged, dim = 2, 32, 160
    assert site.site == "3.q"
    # Queries and outputs are projected, and each meets every key twice.
    assert site.saved == blocks * (2 * merged * dim**2 + 2 * merged * 4 * 4 * dim)
    matching = 48 * 16 * dim + 110 * 70_000
    one_hot = 64 * 16 * dim
    assert site.added == blocks * (matching + one_hot + 2 * 64 * dim + 40 * 70_000)
    assert not site.pays_off


def test_a_smaller_grid_is_counted_as_by_hand() -> None:
    # 8x8 tokens of 160 channels become 4x4, and 32x32 of 32 in the head 16x16.
    size = Size(128, 128)
    config = reduction_config(reduce=["3.grid=area", "head.grid=area"])
    sites = count_tokens(config, site_grids(size, config))

    stage, head = site_costs(B0, size, sites)

    whole, small = macs_of(B0, size, ()), macs_of(B0, size, sites)
    assert (stage.site, head.site) == ("3.grid", "head.grid")
    assert stage.saved == whole.stages[2].total - (small.stages[2].total - 64 * 160)
    # Pooled, subtracted on 16, resized to 64 and added; the small nodes as those of a merge.
    assert stage.added == (64 + 16 + 64 + 64) * 160 + 40 * 70_000
    assert head.saved == whole.head.total - (small.head.total - 1024 * 32)
    assert head.added == 1024 * 32
    assert stage.pays_off
    assert head.pays_off


def test_merging_within_a_smaller_grid_is_counted_there() -> None:
    size = Size(352, 480)
    config = reduction_config(reduce=["3.grid=area", "3.q=bsm:ratio=0.5"])
    sites = count_tokens(config, site_grids(size, config))

    grid, q = site_costs(B0, size, sites)

    alone = count_tokens(
        only := reduction_config(reduce=["3.q=bsm:ratio=0.5"]), site_grids(size, only)
    )
    [full] = site_costs(B0, size, alone)
    assert q.saved < full.saved / 3
    assert q.added < full.added
    # Without the grid, its queries would merge on the full one.
    counted = [macs_of(B0, size, with_sites).stages[2] for with_sites in (alone, sites)]
    network = [stage.total - stage.matching - stage.merging for stage in counted]
    assert grid.saved == network[0] - network[1]


def test_a_match_that_serves_two_blocks_is_counted_once() -> None:
    size = Size(128, 128)
    [every] = count_tokens(reduction_config(reduce=["3.q=bsm:ratio=0.5"]), site_grids(size))

    [each] = site_costs(B0, size, [every])
    [one] = site_costs(B0, size, [replace(every, match_every=2)])

    assert each.added - one.added == 48 * 16 * 160 + 110 * 70_000
    assert each.saved == one.saved


@pytest.mark.parametrize(
    ("preset", "size"),
    [("hq", Size(128, 128)), ("fast", Size(128, 128)), ("hq", Size(256, 256))],
    ids=str,
)
def test_small_images_are_warned_of_with_the_numbers(preset: str, size: Size) -> None:
    sites = sites_of(preset, size)

    [warning] = cost_warnings(B0, size, sites)

    assert cost_advice(B0, size, sites) == ()
    costs = site_costs(B0, size, sites)
    assert warning.startswith(f"at {size} merging is predicted to be no faster than not merging")
    assert f"{sum(cost.added for cost in costs) / 1e6:,.1f} million" in warning
    assert all(f"{cost.site} {cost.saved / 1e6:,.1f} against" in warning for cost in costs)
    assert "--preset none" in warning


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("size", [Size(512, 1024), Size(1024, 2048)], ids=str)
@pytest.mark.parametrize("name", ["b0", "b2"])
def test_large_images_are_not_warned_of(name: str, preset: str, size: Size) -> None:
    architecture = segformer(name, classes=19)

    assert cost_warnings(architecture, size, sites_of(preset, size)) == ()
    assert cost_advice(architecture, size, sites_of(preset, size)) == ()


def test_a_single_site_that_does_not_pay_is_named_where_the_others_do() -> None:
    size = Size(512, 1024)
    # 16x32 keys of stage 1 save much; one merged token of stage 4 saves nothing.
    config = reduction_config(reduce=["1.kv=bsm:ratio=0.6", "4.q=bsm:ratio=0.002"])
    sites = count_tokens(config, site_grids(size))

    [advice] = cost_advice(B0, size, sites)

    assert cost_warnings(B0, size, sites) == ()
    assert advice.startswith("at 512x1024 merging at 4.q is predicted to save less than it costs")
    assert "--reduce 4.q=none" in advice


def test_what_merges_by_the_match_of_a_site_is_left_out_with_it() -> None:
    size = Size(512, 1024)
    asked = ["1.kv=bsm:ratio=0.6", "4.q=bsm:ratio=0.002", "4.ffn=q"]
    sites = count_tokens(reduction_config(reduce=asked), site_grids(size))

    queries, _ = cost_advice(B0, size, sites)

    _, _, hint = queries.partition("leave it out with ")
    without = [word for word in hint.split() if word != "--reduce"]
    assert list(map(str, reduction_config(reduce=[*asked, *without]))) == ["1.kv"]


def test_what_no_preset_merged_is_not_left_out_by_one() -> None:
    size = Size(128, 128)
    sites = count_tokens(reduction_config(reduce=["3.q=bsm:ratio=0.5"]), site_grids(size))

    [warning] = cost_warnings(B0, size, sites)

    assert "and no --reduce of tokens" in warning


def test_nothing_merged_is_nothing_to_warn_of() -> None:
    assert cost_warnings(B0, Size(64, 64), ()) == ()


def test_the_export_warns_and_the_manifest_keeps_it(
    segpp: Command, tiny_or_b0: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b0.onnx"

    done = segpp("export", "--preset", "hq", "--size", "128x128", "--no-check", tiny_or_b0, out)

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(out)
    [warning] = cost_warnings(manifest.architecture, Size(128, 128), manifest.reduction)
    assert f"warning: {warning}\n" in done.stderr
    assert warning in manifest.notes
    assert warning not in done.stdout


def test_the_inspection_of_a_checkpoint_tells_what_would_not_pay(
    segpp: Command, b0_checkpoint: Path
) -> None:
    small = segpp("inspect", b0_checkpoint, "--size", "128x128").stdout
    large = segpp("inspect", b0_checkpoint, "--size", "1024x2048").stdout

    section = small.split("would not pay\n")[1].split("\n\n")[0]
    assert section.count("no faster than") == 2
    assert "would not pay" not in large


@pytest.mark.parametrize(
    ("size", "gates", "warned"),
    [
        # As measured: see _MACS_OF_A_GATHERED.
        (Size(128, 256), ("3.hidden=dynamic", "4.hidden=dynamic"), ["3.hidden", "4.hidden"]),
        (Size(512, 1024), ("3.hidden=dynamic", "4.hidden=dynamic"), []),
        (Size(512, 1024), ("1.hidden=dynamic",), ["1.hidden"]),
        (Size(128, 256), ("3.hidden=fixed", "4.hidden=fixed"), []),
    ],
)
def test_a_dynamic_gate_that_does_not_pay_is_named(
    size: Size, gates: tuple[str, ...], warned: list[str]
) -> None:
    architecture = segformer("b0", classes=19)
    channels = count_channels(build_gates(gates, FAMILY.places), FAMILY.channels(architecture))

    told = cost_warnings(architecture, size, (), channels)

    assert [text.split("dynamic gate at ")[1].split()[0] for text in told] == warned
