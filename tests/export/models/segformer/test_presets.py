"""From --preset, --ratio and --reduce to a reduction at each site, with the tokens it leaves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.errors import ReductionError
from segpp.export.models.segformer.presets import PRESETS, ReductionPlan, describe, plan_from
from segpp.export.models.segformer.sites import SITES, stage_grids
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbour2d
from segpp.export.reduction.sites import Site, parse_site
from segpp.ops.grid import Size

BSM = "2.kv=bsm:ratio=0.8,sy=4,sx=4"


def kept(plan: ReductionPlan, height: int, width: int) -> dict[str, tuple[int, int]]:
    """Return the tokens before and after at each site."""
    sites = describe(plan, stage_grids(Size(height, width)))
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
    found = kept(plan_from(preset="hq"), height, width)

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
    found = kept(plan_from(preset="fast"), height, width)

    counts = {site: after for site, (_, after) in found.items()}
    assert counts == {"1.kv": keys, "2.kv": keys, "3.q": queries, "4.q": keys}


@pytest.mark.parametrize(
    ("height", "width"), [(512, 1024), (1024, 1024), (1088, 1920), (1024, 2048)]
)
def test_2x2_keeps_a_quarter_of_all_queries(height: int, width: int) -> None:
    found = kept(plan_from(preset="2x2"), height, width)

    assert list(found) == ["1.q", "2.q", "3.q", "4.q"]
    assert all(before == 4 * after for before, after in found.values())


def test_2x2_counts_cells_that_an_edge_cuts() -> None:
    # 96x160 pixels: stage 4 has 3x5 tokens, in 2x3 cells
    assert kept(plan_from(preset="2x2"), 96, 160)["4.q"] == (15, 6)


@pytest.mark.parametrize("arguments", [{}, {"preset": "none"}, {"ratio": 0.0}], ids=str)
def test_nothing_is_merged_unless_asked(arguments: dict[str, str | float]) -> None:
    assert plan_from(**arguments) == {}  # type: ignore[arg-type]  # one of the two


# --- --ratio


@pytest.mark.parametrize(("ratio", "side"), [(0.01, 2), (0.5, 2), (0.75, 2), (0.76, 4), (0.99, 4)])
def test_a_ratio_sets_four_sites_with_cells_that_have_enough_sources(
    ratio: float, side: int
) -> None:
    plan = plan_from(ratio=ratio)

    assert list(map(str, plan)) == ["1.kv", "2.kv", "3.q", "4.q"]
    assert set(plan.values()) == {BipartiteSoftMatching(ratio, side, side)}


@given(st.floats(0, 0.9375), st.sampled_from([(512, 1024), (1024, 1024), (1024, 2048)]))
def test_a_ratio_is_the_share_of_tokens_merged_away(ratio: float, size: tuple[int, int]) -> None:
    """Up to 15/16, where 4x4 cells run out of sources."""
    for before, after in kept(plan_from(ratio=ratio), *size).values():
        assert before - after == math.floor(before * ratio)


def test_beyond_15_16ths_one_token_per_cell_stays() -> None:
    assert kept(plan_from(ratio=0.99), 1024, 1024)["3.q"] == (4096, 256)


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, math.nan, math.inf, -math.inf])
def test_a_ratio_outside_its_range_is_refused(ratio: float) -> None:
    with pytest.raises(ReductionError) as failure:
        plan_from(ratio=ratio)

    assert str(failure.value) == (
        f"--ratio {ratio:g} cannot be merged away\n"
        "  the ratio is the share of tokens to merge at each site, in [0, 1)\n"
        "  hint: 0.5 halves the tokens"
    )


def test_preset_and_ratio_exclude_each_other() -> None:
    with pytest.raises(ReductionError, match=r"--preset hq and --ratio 0\.5 exclude each other"):
        plan_from(preset="hq", ratio=0.5)


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(ReductionError) as failure:
        plan_from(preset="fats")

    assert str(failure.value) == (
        "unknown preset 'fats'\n  known: 2x2, fast, hq, none\n  hint: did you mean 'fast'?"
    )


# --- --reduce


@pytest.mark.parametrize(
    ("text", "site", "reduction"),
    [
        ("3.q=bsm", Site(3, "q"), BipartiteSoftMatching()),
        ("3.q=bsm:", Site(3, "q"), BipartiteSoftMatching()),
        (BSM, Site(2, "kv"), BipartiteSoftMatching(0.8, 4, 4)),
        ("1.kv=bsm:window=1", Site(1, "kv"), BipartiteSoftMatching(window=1)),
        ("4.q=n2d:rows=3,cols=1", Site(4, "q"), Neighbour2d(3, 1)),
    ],
)
def test_one_site_is_set_on_its_own(
    text: str, site: Site, reduction: BipartiteSoftMatching | Neighbour2d
) -> None:
    assert plan_from(reduce=[text]) == {site: reduction}


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_spells_is_read_back(preset: str) -> None:
    spelled = [f"{site}={reduction.to_string()}" for site, reduction in PRESETS[preset].items()]

    assert plan_from(reduce=spelled) == plan_from(preset=preset)


def test_a_site_replaces_what_the_preset_put_there_and_leaves_the_rest() -> None:
    plan = plan_from(preset="hq", reduce=["4.q=none", "3.q=n2d", "1.q=bsm:ratio=0.25"])

    assert list(map(str, plan)) == ["1.q", "1.kv", "2.kv", "3.q"]
    assert plan[Site(3, "q")] == Neighbour2d()
    assert plan[Site(1, "kv")] == PRESETS["hq"][Site(1, "kv")]


def test_the_last_word_on_a_site_counts() -> None:
    assert plan_from(reduce=["3.q=bsm", "3.q=none"]) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3.q", "--reduce '3.q' is not STAGE.{q,kv}=METHOD:KEY=VALUE,…\n  hint: for example 3.q="),
        ("", "--reduce '' is not STAGE.{q,kv}="),
        ("=bsm", "'' is not a merge site\n  known: 1.q, 1.kv, 2.q, 2.kv"),
        ("q.3=bsm", "'q.3' is not a merge site"),
        ("3=bsm", "'3' is not a merge site"),
        ("0.q=bsm", "'0.q' names stage 0, which does not exist\n  known: 1.q"),
        ("5.q=bsm", "'5.q' names stage 5, which does not exist"),
        ("3.k=bsm", "'3.k' names side 'k', which does not exist"),
        ("3.q=", "unknown token reduction ''\n  known: bsm"),
        ("3.q=bms", "unknown token reduction 'bms'\n  known: bsm, n1d, n2d\n  hint: did you mean"),
        ("3.q=none:ratio=1", "unknown token reduction 'none'"),
        ("3.q=bsm:ration=1", "unknown key of bsm 'ration'\n  known: ratio, sx, sy, window\n  hint"),
        ("3.q=bsm:ratio", "bsm needs a number for ratio, not ''"),
        ("3.q=bsm:ratio=a", "bsm needs a number for ratio, not 'a'"),
        ("3.q=bsm:sy=2.5", "bsm needs a whole number for sy, not '2.5'"),
        ("3.q=bsm:sy=", "bsm needs a whole number for sy, not ''"),
        ("3.q=bsm:sy=2,sy=3", "bsm has the key 'sy' twice"),
        ("3.q=bsm:ratio=1", "bsm cannot merge a share of 1\n  ratio must lie in [0, 1)"),
        ("3.q=bsm:ratio=nan", "bsm cannot merge a share of nan"),
        ("3.q=bsm:ratio=-0.1", "bsm cannot merge a share of -0.1"),
        ("3.q=bsm:sy=0", "bsm cannot use cells of 0x2 tokens"),
        ("3.q=bsm:sy=1,sx=1", "bsm cannot use cells of 1x1 tokens\n  a cell needs at least two"),
        ("3.q=bsm:sy=-2,sx=-2", "bsm cannot use cells of -2x-2 tokens"),
        ("3.q=bsm:window=-1", "bsm cannot use a window of -1\n  0 is any distance"),
        ("3.q=n2d:rows=0", "n2d cannot average cells of 0x2 tokens"),
        ("1.kv=n1d", "n1d cannot merge at 1.kv\n  it merges q only"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_is_known(text: str, problem: str) -> None:
    with pytest.raises(ReductionError) as failure:
        plan_from(reduce=[text])

    assert str(failure.value).startswith(problem)


@pytest.mark.parametrize("site", SITES, ids=str)
def test_every_site_is_read_back(site: Site) -> None:
    assert parse_site(str(site), SITES) == site


# --- settings that do not fit the input


@pytest.mark.parametrize(
    ("reduce", "size", "problem"),
    [
        (
            "4.q=bsm:ratio=0.8,sy=4,sx=4",
            (96, 96),
            (
                "stage 4, q: bsm with cells of 4x4 does not fit a grid of 3x3 tokens\n"
                "  the grid needs at least 4x4 tokens"
            ),
        ),
        (
            "1.kv=bsm:sy=2,sx=4",
            (64, 96),
            (
                "stage 1, kv: bsm with cells of 2x4 does not fit a grid of 2x3 tokens\n"
                "  the grid needs at least 2x4 tokens"
            ),
        ),
        (
            "3.q=n2d:rows=5,cols=2",
            (64, 96),
            (
                "stage 3, q: n2d with cells of 5x2 does not fit a grid of 4x6 tokens\n"
                "  the grid needs at least 5x2 tokens"
            ),
        ),
    ],
)
def test_impossible_settings_name_the_site_the_grid_and_the_limit(
    reduce: str, size: tuple[int, int], problem: str
) -> None:
    with pytest.raises(ReductionError) as failure:
        describe(plan_from(reduce=[reduce]), stage_grids(Size(*size)))

    assert str(failure.value).startswith(problem)
    assert "hint: use a larger input" in str(failure.value)


@pytest.mark.parametrize("preset", ["hq", "fast", "2x2"])
def test_presets_fit_from_128_pixels_on(preset: str) -> None:
    assert describe(plan_from(preset=preset), stage_grids(Size(128, 128)))


def test_the_description_is_what_the_manifest_says() -> None:
    [site] = describe(plan_from(reduce=[BSM]), stage_grids(Size(512, 1024)))

    assert (site.stage, site.side, site.method) == (2, "kv", "bsm")
    assert site.settings == {"ratio": 0.8, "sy": 4, "sx": 4, "window": 0}
    assert site.grid == (16, 32)
    assert (site.tokens_in, site.tokens_out) == (512, 103)
