"""From text to a reduction at each site, and the tokens that it leaves."""

import math

import pytest

from segpp.errors import ReductionError
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.reduction.config import count_tokens
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Size

BSM = "2.kv=bsm:ratio=0.8,sy=4,sx=4"


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, math.nan, math.inf, -math.inf])
def test_a_ratio_outside_its_range_is_refused(ratio: float) -> None:
    with pytest.raises(ReductionError) as failure:
        reduction_config(ratio=ratio)

    assert str(failure.value) == (
        f"`ratio={ratio:g}` cannot be merged away\n"
        "  the ratio is the share of tokens to merge at each site, in [0, 1)\n"
        "  hint: 0.5 halves the tokens"
    )


def test_preset_and_ratio_exclude_each_other() -> None:
    with pytest.raises(ReductionError, match=r"`preset=hq` and `ratio=0\.5` exclude each other"):
        reduction_config(preset="hq", ratio=0.5)


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(ReductionError) as failure:
        reduction_config(preset="fats")

    assert str(failure.value) == (
        "unknown preset 'fats'\n  known: 2x2, deep, fast, hq, none\n  hint: did you mean 'fast'?"
    )


# --- --reduce


@pytest.mark.parametrize(
    ("text", "site", "reduction"),
    [
        ("3.q=bsm", Site(3, "q"), BipartiteSoftMatching()),
        ("3.q=bsm:", Site(3, "q"), BipartiteSoftMatching()),
        (BSM, Site(2, "kv"), BipartiteSoftMatching(0.8, 4, 4)),
        ("1.kv=bsm:window=1", Site(1, "kv"), BipartiteSoftMatching(window=1)),
        ("4.q=n2d:rows=3,cols=1", Site(4, "q"), Neighbor2d(3, 1)),
    ],
)
def test_one_site_is_set_on_its_own(
    text: str, site: Site, reduction: BipartiteSoftMatching | Neighbor2d
) -> None:
    assert reduction_config(reduce=[text]) == {site: reduction}


def test_a_site_replaces_what_the_preset_put_there_and_leaves_the_rest() -> None:
    config = reduction_config(preset="hq", reduce=["4.q=none", "3.q=n2d", "1.q=bsm:ratio=0.25"])

    assert list(map(str, config)) == ["1.q", "1.kv", "2.kv", "3.q"]
    assert config[Site(3, "q")] == Neighbor2d()
    assert config[Site(1, "kv")] == PRESETS["hq"][Site(1, "kv")]


def test_the_last_word_on_a_site_counts() -> None:
    assert reduction_config(reduce=["3.q=bsm", "3.q=none"]) == {}


def test_who_misspells_channels_is_told_of_them() -> None:
    with pytest.raises(ReductionError, match=r"'hiden', which.*\n.*\n.*STAGE.hidden, STAGE.qkv"):
        reduction_config(reduce=["3.hiden=fixed"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3.q", "`reduce='3.q'` is not SITE=METHOD:KEY=VALUE,…\n  hint: for example 3.q="),
        ("", "`reduce=''` is not SITE="),
        ("=bsm", "'' is not a merge site\n  known: 1.grid, 1.q, 1.kv, 1.ffn, 2.grid, 2.q, 2.kv"),
        ("q.3=bsm", "'q.3' is not a merge site"),
        ("3=bsm", "'3' is not a merge site"),
        ("0.q=bsm", "'0.q' names stage 0, which does not exist\n  known: 1.grid"),
        ("0.grid=area", "'0.grid' names stage 0, which does not exist"),
        ("head.q=bsm", "'head.q' names side 'q', which does not exist"),
        ("5.q=bsm", "'5.q' names stage 5, which does not exist"),
        ("3.k=bsm", "'3.k' names side 'k', which does not exist"),
        ("3.q=", "unknown token reduction ''\n  known: area, bilinear, bsm"),
        (
            "3.q=bms",
            (
                "unknown token reduction 'bms'\n"
                "  known: area, bilinear, bsm, clap, flat, gbm, n1d, n2d, pass, policy, sample, "
                "similarity\n"
            ),
        ),
        ("3.q=none:ratio=1", "unknown token reduction 'none'"),
        (
            "3.q=bsm:ration=1",
            "unknown key of bsm 'ration'\n  known: destination, protect, ratio, sx",
        ),
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
        (
            "3.q=bsm:window=2147483648",
            "bsm cannot count with window=2147483648\n  no engine counts",
        ),
        ("2.grid=area:every=1" + 30 * "0", "area cannot count with every=1000000"),
        ("3.q=n2d:rows=0", "n2d cannot average cells of 0x2 tokens"),
        ("1.kv=n1d", "n1d cannot merge at 1.kv\n  it merges q only"),
        ("3.q=area", "area cannot merge at 3.q\n  it merges grid only"),
        ("3.grid=bsm", "bsm cannot merge at 3.grid\n  it merges q, kv, ffn and tokens only"),
        ("3.grid=area:share=1", "area cannot keep a share of 1 of an axis\n  share must lie"),
        ("3.grid=area:share=0", "area cannot keep a share of 0 of an axis"),
        ("3.grid=area:share=nan", "area cannot keep a share of nan of an axis"),
        ("3.grid=area:first=0", "area cannot begin at block 0\n  blocks are counted from 1"),
        ("3.grid=area:every=1", "area cannot run every 1 blocks on the full grid\n  0 is none"),
        ("3.grid=area:every=-2", "area cannot run every -2 blocks on the full grid"),
        ("head.grid=area:first=2", "head.grid has no blocks to choose from\n  first and every"),
        ("head.grid=area:every=2", "head.grid has no blocks to choose from"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_is_known(text: str, problem: str) -> None:
    with pytest.raises(ReductionError) as failure:
        reduction_config(reduce=[text])

    assert str(failure.value).startswith(problem)


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
        count_tokens(reduction_config(reduce=[reduce]), site_grids(Size(*size)))

    assert str(failure.value).startswith(problem)
    assert "hint: use a larger input" in str(failure.value)


def test_the_description_is_what_the_manifest_says() -> None:
    [site] = count_tokens(reduction_config(reduce=[BSM]), site_grids(Size(512, 1024)))

    assert (site.stage, site.side, site.method) == (2, "kv", "bsm")
    assert site.settings == {
        "ratio": 0.8, "sy": 4, "sx": 4, "window": 0,
        "protect": 0.0, "destination": "corner", "value": "mean",
    }  # fmt: skip
    assert site.grid == (16, 32)
    assert (site.tokens_in, site.tokens_out) == (512, 103)
