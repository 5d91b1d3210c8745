"""Counts are those that ALGM's own thresholds give, over images.

Tests reduction/counts.py too.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segpp.errors import InputError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import vit
from segpp.export.reduction.counts import (
    CountChoice,
    check_counted,
    needs_threshold,
    published_thresholds,
)
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.clap import ConditionalLocalPooling
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.sites import Site
from segpp.export.search.counts import found_note, rounded, search_counts
from segpp.manifest import read_manifest
from tests.export.models.vit.algm.dynamic import dynamic_algm
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.references import Reference, reference
from tests.helpers.commands import Completed

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

SIZE, SECOND = (96, 144), 5
SITES = Site(1, "tokens"), Site(SECOND, "tokens")
OPEN = {SITES[0]: ConditionalLocalPooling(), SITES[1]: GlobalBipartiteMatching()}


def network() -> Reference:
    return reference(depth=5, dim=64, heads=1, size=SIZE, head="linear")


def pictures(count: int) -> list[torch.Tensor]:
    """Fewer and fewer windows of one colour."""
    draw = torch.Generator().manual_seed(2)
    noise = torch.randn(1, 3, *SIZE, generator=draw)
    blobs = torch.nn.functional.interpolate(torch.randn(1, 3, 3, 4, generator=draw), SIZE)
    return [blobs + (0.1 + number) * noise for number in range(count)]


@pytest.mark.parametrize("quantile", [0.0, 0.5, 1.0])
def test_a_quantile_of_the_dynamic_counts_is_taken(tmp_path: Path, quantile: float) -> None:
    oracle, images = network(), pictures(5)
    model = load_checkpoint(save_segmenter(tmp_path, oracle)).build()
    with torch.inference_mode():
        alike = dynamic_algm(oracle, images[2], 2.0).alike
        threshold = float(alike.quantile(0.5))
        wanted = [dynamic_algm(oracle, image, threshold).windows for image in images]

    reduction, found = search_counts(
        model,
        OPEN,
        [lambda image=image: image.numpy() for image in images],  # type: ignore[misc]  # bound now
        quantile=quantile,
        thresholds={SITES[0]: threshold},
        prefix=1,
    )

    assert found[0].wanted == tuple(wanted)
    assert len(set(wanted)) > 2
    expected = rounded(sorted(wanted)[round(4 * quantile)], 55, 3)
    first, second = (reduction[site] for site in SITES)
    assert isinstance(first, ConditionalLocalPooling)
    assert isinstance(second, GlobalBipartiteMatching)
    assert first.count == found[0].count == expected
    assert found[0].merging_less == sum(one < expected for one in wanted)
    # What arrives at the second is what the first leaves.
    assert len(found[1].wanted) == 5
    assert 0 < second.count <= (54 - 3 * expected) // 2
    assert "counts were found on 5 image(s): " in str(found_note(found))


def test_the_second_step_goes_by_an_images_own_similarities(tmp_path: Path) -> None:
    oracle, image = network(), pictures(1)[0]
    model = load_checkpoint(save_segmenter(tmp_path, oracle)).build()
    with torch.inference_mode():
        alike = dynamic_algm(oracle, image, 2.0).alike
        expected = dynamic_algm(oracle, image, float(alike.sort().values[-4]), SECOND)
    assert expected.windows == 4

    given = {**OPEN, SITES[0]: ConditionalLocalPooling(count=4)}
    _, found = search_counts(model, given, [image.numpy], quantile=0.5, thresholds={}, prefix=1)

    assert [one.site for one in found] == [SITES[1]]
    assert found[0].wanted == (expected.tokens,)


@pytest.mark.parametrize(
    ("count", "tokens", "leaving", "expected"),
    [(51, 1025, 3, 51), (52, 1025, 3, 51), (8, 17, 1, 1), (7, 9, 3, 3), (1, 9, 3, 1)],
)
def test_sequences_are_multiples_of_eight(
    count: int, tokens: int, leaving: int, expected: int
) -> None:
    assert rounded(count, tokens, leaving) == expected


def test_an_export_finds_its_counts(tmp_path: Path, segpp: Callable[..., Completed]) -> None:
    path = save_segmenter(tmp_path, network())
    folder, out = tmp_path / "frames", tmp_path / "algm.onnx"
    folder.mkdir()
    for number, image in enumerate(pictures(3)):
        pixels = (image[0].permute(1, 2, 0) * 40 + 128).clip(0, 255).numpy().astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    options = ("--preset", "algm", "--size", "96x144", "--calibrate", folder)

    unknown = segpp("export", path, out, *options)
    done = segpp("export", path, out, *options, "--threshold", "0.2", "--quantile", "0.3")

    assert unknown.returncode == 2
    assert "no threshold is published of a network of 5 blocks of 64 channels" in unknown.stderr
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(out)
    assert [one.method for one in manifest.reduction] == ["clap", "gbm"]
    assert all(dict(one.settings)["count"] > 0 for one in manifest.reduction)
    assert (1 + manifest.reduction[1].tokens_out) % 8 == 0
    assert any("counts were found on 3 image(s)" in note for note in manifest.notes)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (CountChoice((Path("a"),), quantile=1.5), "quantile=1.5"),
        (CountChoice((Path("a"),), threshold=3), "threshold=3"),
        (CountChoice(quantile=0.3), "go with `calibrate`"),
    ],
)
def test_numbers_out_of_range_are_refused(choice: CountChoice, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_counted(choice, OPEN)


def test_a_threshold_is_of_windows_alone() -> None:
    tokens = {SITES[1]: GlobalBipartiteMatching()}

    assert needs_threshold(OPEN)
    assert not needs_threshold(tokens)
    with pytest.raises(InputError, match=r"`threshold=0.5` is of windows and .*none has a count"):
        check_counted(CountChoice((Path("a"),), threshold=0.5), tokens)


def test_images_without_anything_to_count_are_refused() -> None:
    with pytest.raises(InputError, match="nothing that merges has any"):
        check_counted(
            CountChoice((Path("a"),)),
            {SITES[0]: ConditionalLocalPooling(count=3), SITES[1]: BipartiteSoftMatching()},
        )


def test_published_thresholds_are_by_the_size_of_a_network() -> None:
    shape = {
        "patch": 16, "prefix": 1, "ffn": "gelu", "head": "linear", "decoder": 0, "head_blocks": 0,
        "classes": 5, "channels": 3,
    }  # fmt: skip
    small = vit(dim=384, depth=12, heads=6, hidden=1536, **shape)  # type: ignore[arg-type]

    assert published_thresholds(OPEN, small) == {SITES[0]: 0.88}
