"""The paper's presets and a single ratio: which tokens they leave at each site."""

import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve_input, resolve_reduction
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.presets import PRESETS, VARIANTS, reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, count_tokens
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Size
from tests.helpers.checkpoints import Write, theirs

Command = Callable[..., subprocess.CompletedProcess[str]]


def kept(config: ReductionConfig, height: int, width: int) -> dict[str, tuple[int, int]]:
    """Return the tokens before and after at each site."""
    sites = count_tokens(config, site_grids(Size(height, width)))
    return {f"{site.stage}.{site.side}": (site.tokens_in, site.tokens_out) for site in sites}


# N and N - r of the reference: r = int(N * ratio), at most the sources.
@pytest.mark.parametrize(
    ("height", "width", "n12", "n3", "n4"),
    [
        (512, 512, (256, 256 - 153), (1024, 1024 - 819), (256, 256 - 204)),
        (512, 1024, (512, 512 - 307), (2048, 2048 - 1638), (512, 512 - 409)),
        (1024, 1024, (1024, 1024 - 614), (4096, 4096 - 3276), (1024, 1024 - 819)),
        (1088, 1920, (2040, 2040 - 1224), (8160, 8160 - 6528), (2040, 2040 - 1632)),
        (1024, 2048, (2048, 2048 - 1228), (8192, 8192 - 6553), (2048, 2048 - 1638)),
    ],
)
def test_hq_keeps_the_tokens_that_the_reference_keeps(
    *, height: int, width: int, n12: tuple[int, int], n3: tuple[int, int], n4: tuple[int, int]
) -> None:
    found = kept(reduction_config(preset="hq"), height, width)

    assert found == {"1.kv": n12, "2.kv": n12, "3.q": n3, "4.q": n4}


@pytest.mark.parametrize(
    ("height", "width", "keys", "queries"),
    [
        # int(512 * 0.9) = 460, int(2048 * 0.9) = 1843: fewer than the 480 and 1920 sources of 4x4
        (512, 1024, 512 - 460, 2048 - 1843),
        (1024, 1024, 1024 - 921, 4096 - 3686),
        # int(2040 * 0.9) = 1836 of the 1920 sources that 34 // 4 * (60 // 4) = 120 cells leave
        (1088, 1920, 2040 - 1836, 8160 - 7344),
        (1024, 2048, 2048 - 1843, 8192 - 7372),
    ],
)
def test_fast_keeps_a_tenth_everywhere(height: int, width: int, keys: int, queries: int) -> None:
    found = kept(reduction_config(preset="fast"), height, width)

    counts = {site: after for site, (_, after) in found.items()}
    assert counts == {"1.kv": keys, "2.kv": keys, "3.q": queries, "4.q": keys}


@pytest.mark.parametrize(
    ("height", "width"), [(512, 1024), (1024, 1024), (1088, 1920), (1024, 2048)]
)
def test_2x2_keeps_a_quarter_of_all_queries(height: int, width: int) -> None:
    found = kept(reduction_config(preset="2x2"), height, width)

    assert list(found) == ["1.q", "2.q", "3.q", "4.q"]
    assert all(before == 4 * after for before, after in found.values())


def test_2x2_counts_cells_that_an_edge_cuts() -> None:
    # 96x160 pixels: stage 4 has 3x5 tokens, in 2x3 cells
    assert kept(reduction_config(preset="2x2"), 96, 160)["4.q"] == (15, 6)


@pytest.mark.parametrize("arguments", [{}, {"preset": "none"}, {"ratio": 0.0}], ids=str)
def test_nothing_is_merged_unless_asked(arguments: dict[str, str | float]) -> None:
    assert reduction_config(**arguments) == {}  # type: ignore[arg-type]  # one of the two


# --- --ratio


@pytest.mark.parametrize(("ratio", "side"), [(0.01, 2), (0.5, 2), (0.75, 2), (0.76, 4), (0.99, 4)])
def test_a_ratio_sets_four_sites_with_cells_that_have_enough_sources(
    ratio: float, side: int
) -> None:
    config = reduction_config(ratio=ratio)

    assert list(map(str, config)) == ["1.kv", "2.kv", "3.q", "4.q"]
    assert set(config.values()) == {BipartiteSoftMatching(ratio, side, side)}


@given(st.floats(0, 0.9375), st.sampled_from([(512, 1024), (1024, 1024), (1024, 2048)]))
def test_a_ratio_is_the_share_of_tokens_merged_away(ratio: float, size: tuple[int, int]) -> None:
    """Up to 15/16, where 4x4 cells run out of sources."""
    for before, after in kept(reduction_config(ratio=ratio), *size).values():
        assert before - after == math.floor(before * ratio)


def test_beyond_15_16ths_one_token_per_cell_stays() -> None:
    assert kept(reduction_config(ratio=0.99), 1024, 1024)["3.q"] == (4096, 256)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_spells_is_read_back(preset: str) -> None:
    spelled = [f"{site}={reduction.to_string()}" for site, reduction in PRESETS[preset].items()]

    assert reduction_config(reduce=spelled) == reduction_config(preset=preset)


@pytest.mark.parametrize("preset", ["hq", "fast", "2x2"])
def test_presets_fit_from_128_pixels_on(preset: str) -> None:
    assert count_tokens(reduction_config(preset=preset), site_grids(Size(128, 128)))


# --- deep


def test_deep_has_a_smaller_grid_in_a_third_stage_with_the_blocks_for_one() -> None:
    b0, b2, b5 = (segformer(name, classes=2).depths for name in ("b0", "b2", "b5"))
    shallow, deep = (reduction_config(preset="deep", depths=depths) for depths in (b0, b2))

    assert shallow == reduction_config(preset="deep") == PRESETS["deep"]
    assert Site(3, "grid") in deep
    assert Site(3, "grid") not in shallow
    assert reduction_config(preset="deep", depths=b5) == deep
    # What else merges is the paper's.
    assert reduction_config(preset="hq").items() <= shallow.items()
    assert reduction_config(preset="2x2").items() <= deep.items()


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"deep"}))
def test_the_papers_presets_are_the_same_for_every_network(preset: str) -> None:
    assert reduction_config(preset=preset, depths=(3, 6, 40, 3)) == PRESETS[preset]


def test_what_a_checkpoint_is_decides_what_deep_means(write: Write) -> None:
    choice = ExportConfig(
        Path("x"), Path("y"), size=Size(128, 256), reduction=ReductionChoice(preset="deep")
    )
    depths = [(1, 2, 1, 1), (1, 1, 6, 1)]
    checkpoints = [load_checkpoint(write(theirs(depths=found))) for found in depths]

    found = [resolve_reduction(choice, c, resolve_input(choice, c)) for c in checkpoints]

    assert found == [reduction_config(preset="deep", depths=d) for d in depths]
    assert found[0] != found[1]


def test_both_forms_of_deep_are_listed(segpp: Command) -> None:
    listed = segpp("export", "--list-reductions").stdout

    [networks] = VARIANTS
    assert "preset deep:\n" in listed
    assert f"preset deep of {networks}:\n" in listed
