"""--match-interval auto: what is measured, what is chosen, and where both are told."""

import json
import subprocess
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch

from segpp.export.config import AUTO, ExportConfig
from segpp.export.images import made_image, normalized_image
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.pipeline import export_onnx
from segpp.export.search.match_sharing import TOLERANCE, candidates, search
from segpp.images.postprocess import resize_argmax
from segpp.manifest import parse_manifest, read_manifest
from segpp.manifest.dataclass_json import encode
from segpp.ops.grid import Size
from tests.helpers.checkpoints import Write, lively, theirs

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SIZE = Size(128, 256)


@pytest.mark.parametrize("blocks", [1, 2, 3, 6, 27, 40])
def test_every_number_of_matches_that_can_be_saved_is_tried_once(blocks: int) -> None:
    found = candidates(blocks)

    left = {every: ceil(blocks / every) for every in range(2, blocks + 1)}
    assert sorted(left[every] for every in found) == sorted(set(left.values()))
    assert all(min(e for e in left if left[e] == left[every]) == every for every in found)


def test_no_match_is_tried_for_longer_than_blocks_stay_on_one_grid() -> None:
    # 1 + 3 + 2 blocks: 6 matches of one block each, 4 of two, 3 of three.
    assert candidates(1, 3, 2) == [2, 3]
    assert candidates(1, 1) == []


def test_the_largest_number_within_the_tolerance_is_chosen() -> None:
    # The losses add up: 0.0004 per extra block in stage 3, 0.0007 in stage 1.
    def agreement(every: Mapping[int, int]) -> float:
        return 0.95 - 0.0004 * (every.get(3, 1) - 1) - 0.0007 * (every.get(1, 1) - 1)

    chosen, found = search(agreement, {3: (6,), 1: (2,)}, images=7)

    # Stage 3: 2 and 3 lose 0.0004 and 0.0008; 6 loses 0.002. Stage 1 would add 0.0007.
    assert chosen == {3: 3}
    assert [(trial.stage, trial.match_every) for trial in found.trials] == [
        (3, 2),
        (3, 3),
        (3, 6),
        (1, 2),
    ]
    assert found.trials[-1].agreement == agreement({3: 3, 1: 2})
    assert (found.agreement_fresh, found.agreement) == (0.95, agreement({3: 3}))
    assert (found.images, found.tolerance) == (7, TOLERANCE)


def test_a_larger_number_is_taken_although_a_smaller_one_loses() -> None:
    values = {1: 0.9, 2: 0.8, 3: 0.9}

    chosen, _ = search(lambda every: values[every.get(2, 1)], {2: (3,)}, images=1)

    assert chosen == {2: 3}


def test_the_tolerance_is_what_the_gate_lets_two_files_differ_by() -> None:
    assert TOLERANCE == 0.001


def test_the_file_has_what_was_chosen_and_the_manifest_says_why(
    b0_checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b0.onnx"
    reduction = PRESETS["hq"]
    config = ExportConfig(
        b0_checkpoint,
        out,
        size=SIZE,
        reduction=reduction,
        match_interval=AUTO,
        search_images=(pictures,),
    )

    manifest = export_onnx(config).manifest

    found = manifest.match_search
    assert found is not None
    assert read_manifest(out) == manifest
    assert found.images == 2
    # Each of the four stages has two blocks; the third has the most expensive matches.
    assert sorted(trial.stage for trial in found.trials) == [1, 2, 3, 4]
    assert found.trials[0].stage == 3
    chosen = {site.stage: site.match_every for site in manifest.reduction}
    checkpoint = load_checkpoint(b0_checkpoint)

    def labels(path: Path, every: int | Mapping[int, int] | None) -> np.ndarray:
        model = checkpoint.build()
        if every is not None:
            model.apply_reductions(reduction, match_interval=every)
        with torch.inference_mode():
            logits = model(torch.from_numpy(normalized_image(path, manifest.input))).numpy()
        return resize_argmax(logits, tuple(SIZE))

    def agreement(every: int | Mapping[int, int]) -> float:
        shares = [
            np.mean(labels(path, every) == labels(path, None))
            for path in (pictures / "a.png", pictures / "b.png")
        ]
        return float(np.mean(shares))

    assert found.agreement_fresh == agreement(1)
    assert found.agreement == agreement(chosen)
    assert found.trials[0].agreement == agreement({3: 2})
    assert found.agreement >= found.agreement_fresh - found.tolerance


def test_the_report_and_the_inspection_tell_the_figures(
    segpp: Command, b0_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b0.onnx"
    only = (
        "--reduce",
        "3.q=bsm:ratio=0.5",
        "--match-interval",
        "auto",
        "--size",
        SIZE,
        "--no-check",
    )

    done = segpp("export", *only, b0_checkpoint, out)

    assert done.returncode == 0, done.stderr
    found = read_manifest(out).match_search
    assert found is not None
    [trial] = found.trials
    assert f"matches  as without merging, of 1 image(s): {found.agreement_fresh:.5f}" in done.stdout
    assert f"stage 3, one match for 2 blocks: {trial.agreement:.5f}, " in done.stdout
    assert "measuring which matches can be used again, on 1 image(s)" in done.stderr
    inspected = segpp("inspect", out).stdout
    assert "matches used again, measured on 1 image(s), 0.001 to lose" in inspected
    assert ["3", "2", f"{trial.agreement:.5f}"] in [line.split() for line in inspected.splitlines()]


@pytest.mark.parametrize(("channels", "given"), [(1, "nothing"), (4, "arrays")])
def test_networks_of_other_channels_are_measured_too(
    segpp: Command, write: Write, tmp_path: Path, channels: int, given: str
) -> None:
    checkpoint, out = write(lively(theirs(channels=channels))), tmp_path / "x.onnx"
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    for seed in range(2):
        draw = np.random.default_rng(seed)
        coarse = draw.integers(0, 256, (8, 16, channels), dtype=np.uint8)
        np.save(arrays / f"{seed}.npy", coarse.repeat(16, 0).repeat(16, 1))
    flags = ("--search-images", arrays) if given == "arrays" else ()

    done = segpp(
        "export", checkpoint, out, "--reduce", "2.kv=bsm:ratio=0.5", "--match-interval", "auto",
        "--size", SIZE, "--no-check", *flags,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(out)
    found = manifest.match_search
    assert found is not None
    assert found.images == (1 if given == "nothing" else 2)
    assert [(trial.stage, trial.match_every) for trial in found.trials] == [(2, 2)]
    told = f"was measured on a made image of {channels} channel(s), not on photographs"
    assert any(told in note for note in manifest.notes) is (given == "nothing")
    # What PyTorch has in common with no merging, on the same inputs.
    images = [made_image(manifest.input)]
    if given == "arrays":
        images = [normalized_image(path, manifest.input) for path in sorted(arrays.iterdir())]
    plain, merged = (load_checkpoint(checkpoint).build() for _ in range(2))
    merged.apply_reductions(reduction_config(reduce=("2.kv=bsm:ratio=0.5",)))
    shares = []
    for image in images:
        with torch.inference_mode():
            logits = [network(torch.from_numpy(image)).numpy() for network in (plain, merged)]
        labels = [resize_argmax(one, tuple(SIZE)) for one in logits]
        shares.append(np.mean(labels[0] == labels[1]))
    assert found.agreement_fresh == float(np.mean(shares))


def test_a_word_that_is_no_number_is_refused(segpp: Command, tmp_path: Path) -> None:
    done = segpp("export", "x.pth", tmp_path / "x.onnx", "--match-interval", "often")

    assert done.returncode == 2
    assert "'often' is neither a number of blocks nor auto" in done.stderr


def test_a_manifest_without_the_figures_is_still_read(b0_onnx: Path) -> None:
    # Manifests of earlier versions lack the key.
    value = encode(read_manifest(b0_onnx))

    del value["match_search"]

    assert parse_manifest(json.loads(json.dumps(value))) == read_manifest(b0_onnx)
