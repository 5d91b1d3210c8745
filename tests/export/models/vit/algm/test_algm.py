"""ALGM with fixed counts is ALGM as released, wherever that merges as many.

Tests reduction/methods/clap.py, reduction/methods/gbm.py, reduction/matching/window_similarity.py,
reduction/matching/full_precision.py,
reduction/matching/line_match.py, reduction/assignments/window_means.py,
reduction/assignments/weighted_means.py and custom_ops/window_choice.py.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from segpp.errors import ReductionError
from segpp.export.custom_ops.window_choice import WindowSettings, plain_ranks
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.family import FAMILY
from segpp.export.reduction.assignments.bipartite_assignment import BipartiteAssignment
from segpp.export.reduction.assignments.weighted_means import weights_behind
from segpp.export.reduction.config import ReductionChoice, count_tokens
from segpp.export.reduction.methods.clap import ConditionalLocalPooling
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Grid
from tests.export.models.vit.algm.dynamic import dynamic_algm
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.references import Reference, reference

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

SECOND = 5
# Logits of a few, in FP32 through six blocks, in another order of sums.
TOLERANCE = 2e-5


def picture(seed: int, size: tuple[int, int]) -> Tensor:
    """Blobs of a few colours: windows that are alike and windows that are not."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, 4, 6, generator=draw)
    blobs = torch.nn.functional.interpolate(coarse, size, mode="nearest")
    return blobs + 0.2 * torch.randn(1, 3, *size, generator=draw)


def static(path: Path, windows: int, tokens: int) -> torch.nn.Module:
    config = {
        Site(1, "tokens"): ConditionalLocalPooling(count=windows),
        Site(SECOND, "tokens"): GlobalBipartiteMatching(count=tokens),
    }
    return load_checkpoint(path).build().apply_reductions(config)


def thresholds(network: Reference, x: Tensor) -> list[float]:
    """Three that merge a few windows, some, and half of them."""
    alike = dynamic_algm(network, x, 2.0, SECOND).alike
    return [float(alike.quantile(1 - share)) for share in (1 / 8, 1 / 4, 1 / 2)]


@pytest.mark.parametrize("head", ["mask", "linear"])
@pytest.mark.parametrize("size", [(128, 192), (96, 144)], ids=["even", "odd"])
def test_at_equal_counts_it_is_the_dynamic_one(
    tmp_path: Path, head: str, size: tuple[int, int]
) -> None:
    network = reference(depth=6, dim=64, heads=1, size=size, head=head)
    path = save_segmenter(tmp_path, network)
    x, seen = picture(1, size), set()
    with torch.inference_mode():
        for threshold in thresholds(network, x):
            expected = dynamic_algm(network, x, threshold, SECOND)
            found = static(path, expected.windows, expected.tokens)(x)
            scale = expected.logits.abs().max()
            assert float((found - expected.logits).abs().max() / scale) <= TOLERANCE
            assert torch.equal(found.argmax(1), expected.logits.argmax(1))
            seen.add(expected.windows)
    assert len(seen) > 1
    assert min(seen) > 0


@pytest.mark.slow
def test_on_street_scenes_it_is_the_dynamic_one(tmp_path: Path, shared: Path) -> None:
    size = (176, 240)
    network = reference(depth=6, dim=64, heads=1, size=size)
    path, counts = save_segmenter(tmp_path, network), set()
    for picture_file in sorted((shared / "camvid/unseen/images").iterdir())[:80:4]:
        pixels = np.asarray(Image.open(picture_file).resize(size[::-1]), np.float32)
        x = torch.from_numpy(pixels / 64 - 2).permute(2, 0, 1)[None]
        with torch.inference_mode():
            threshold = float(dynamic_algm(network, x, 2.0, SECOND).alike.quantile(0.7))
            expected = dynamic_algm(network, x, threshold, SECOND)
            found = static(path, expected.windows, expected.tokens)(x)
        counts.add(expected.tokens)
        difference = (found - expected.logits).abs().max() / expected.logits.abs().max()
        assert float(difference) <= TOLERANCE, picture_file.name
        assert torch.equal(found.argmax(1), expected.logits.argmax(1)), picture_file.name
    assert len(counts) > 1


def test_the_preset_has_the_published_blocks() -> None:
    small = FAMILY.reduction_config(ReductionChoice(preset="algm"))

    assert {str(site): method.name for site, method in small.items()} == {
        "1.tokens": "clap",
        "5.tokens": "gbm",
    }


def test_ranks_are_a_permutation_whatever_comes() -> None:
    settings = WindowSettings(Grid(4, 6), 2, 3)
    nan, inf = float("nan"), float("inf")

    ranks = plain_ranks(torch.tensor([[nan, 0.5, nan, -inf, inf, 0.5], [nan] * 6]), settings)

    assert ranks[:, [4, 1, 5]].tolist()[0] == [0, 1, 2]
    assert torch.equal(ranks.sort(1).values, torch.arange(6).expand(2, -1))


def test_behind_a_merge_by_the_largest_value_tokens_still_count_their_patches() -> None:
    slot = torch.tensor([[0, 1, 1, 1]], dtype=torch.int32)
    largest = BipartiteAssignment(slot, 2, 1, is_largest=True)

    weights = weights_behind(largest, torch.tensor([[[2.0], [4.0], [1.0], [1.0]]]), 1)

    assert weights.flatten().tolist() == [2.0, 6.0]


@pytest.mark.parametrize("count", [3, 1_234_567])
def test_a_count_is_told_as_it_is(count: int) -> None:
    method = GlobalBipartiteMatching(count=count)

    assert GlobalBipartiteMatching.parse(method.to_string().partition(":")[2]) == method


def test_a_match_for_all_that_follows_serves_one_block() -> None:
    sites = count_tokens(
        {Site(1, "tokens"): GlobalBipartiteMatching()}, {Site(1, "tokens"): Grid(4, 6)},
        match_interval=4,
    )  # fmt: skip

    assert [site.match_every for site in sites] == [1]
    assert not ConditionalLocalPooling().serves_blocks


def test_a_batch_is_its_images(tmp_path: Path) -> None:
    network = reference(depth=5, dim=64, heads=1, size=(96, 144), head="linear")
    model = static(save_segmenter(tmp_path, network), 7, 10)
    x = torch.cat([picture(seed, (96, 144)) for seed in (1, 2)])
    with torch.inference_mode():
        together, alone = model(x), torch.cat([model(one[None]) for one in x])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "grid", "words"),
    [
        (ConditionalLocalPooling(count=7), Grid(4, 6), "cannot merge 7 windows.*\n.* has 6 of 2x2"),
        (ConditionalLocalPooling(), Grid(1, 24), "does not fit.*\n.*\n.*not behind another merge"),
        (GlobalBipartiteMatching(count=13), Grid(1, 24), "cannot merge 13 of 24.*\n.*: 12"),
    ],
    ids=["windows", "line", "tokens"],
)
def test_counts_that_exceed_tokens_are_refused(
    method: ConditionalLocalPooling | GlobalBipartiteMatching, grid: Grid, words: str
) -> None:
    with pytest.raises(ReductionError, match=words):
        method.check_fits(grid)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clap:ratio=1", "share of 1 of the windows"),
        ("clap:side=1", "windows of 1x1"),
        ("clap:count=-1", "-1 windows"),
        ("gbm:ratio=0.6", "share of 0.6"),
        ("gbm:count=-2", "-2 tokens"),
    ],
)
def test_settings_out_of_range_are_refused(text: str, words: str) -> None:
    name, _, settings = text.partition(":")
    method = {"clap": ConditionalLocalPooling, "gbm": GlobalBipartiteMatching}[name]
    with pytest.raises(ReductionError, match=words):
        method.parse(settings)
