"""Auxiliary heads: learned by labels and without, written beside the network, exported, gone on.

Tests train/learning/objectives where there are heads, and train/saving where tensors are added.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import shape_of
from segpp.manifest import read_manifest
from segpp.train.learning.judge import Judge
from segpp.train.learning.objectives import Given
from segpp.train.learning.objectives.distillation import Distillation
from segpp.train.learning.objectives.labels import FromLabels
from segpp.train.learning.objectives.losses import label_error, mask_divergence
from segpp.train.learning.tapped import Tapped
from tests.export.models.vit.checkpoints import (
    mmsegmentation,
    save_mmsegmentation,
    save_segmenter,
)
from tests.export.models.vit.cts.by_pixels import cts_state, policy_of
from tests.export.models.vit.references import reference
from tests.helpers.checkpoints import assert_same
from tests.helpers.commands import Completed
from tests.train.conftest import weights_of

pytest.importorskip("timm", reason="needs timm, which the networks are made of")

Command = Callable[..., Completed]

SMALL: dict[str, Any] = {"dim": 64, "heads": 1, "depth": 8, "size": (64, 64), "classes": 3}
OWN = (
    *("--size", "64x64", "--fit", "stretch", "--batch", "2", "--held-back", "0.3"),
    *("--precision", "fp32", "--steps", "16", "--check-every", "4", "--learning-rate", "0.001"),
)
PASS = ("--reduce", "4.tokens=pass:by=confidence,ratio=0.5")


def segmenter(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return save_segmenter(folder, reference(**SMALL, head="linear"))


def image() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(5))


def test_a_head_judges_all_patches_that_arrive_those_that_left_as_they_were(
    tmp_path: Path,
) -> None:
    checkpoint = load_checkpoint(segmenter(tmp_path / "teacher")).with_auxiliary_heads(0)
    network = checkpoint.build()

    with torch.no_grad():
        _, stages, found = Tapped(network)(image())

    assert shape_of(checkpoint.architecture).exits == (2, 4, 6)
    assert [tuple(logits.shape) for logits in found] == [(2, 3, 4, 4)] * 3
    for number, block in enumerate((2, 4, 6)):
        state = {
            name.removeprefix(f"exits.{number}."): own
            for name, own in checkpoint.state.items()
            if name.startswith(f"exits.{number}.")
        }
        # By hand, of what the block before gives; drawn norms have no statistics.
        hidden = stages[block - 2] @ state["linear.weight"].T / (1 + 1e-5) ** 0.5
        expected = hidden.relu() @ state["classifier.weight"].T + state["classifier.bias"]
        assert torch.allclose(found[number].flatten(2).mT, expected, rtol=1e-4, atol=1e-5)


def test_each_head_counts_with_its_weight_in_both_losses() -> None:
    draws = torch.Generator().manual_seed(0)
    own, taught, *heads = (torch.randn(2, 3, 4, 4, generator=draws) for _ in range(4))
    labels = torch.randint(0, 3, (2, 8, 8), generator=draws)
    given, teacher = Given(own, [own], heads), Given(taught, [taught])

    def by_labels(weight: float) -> torch.Tensor:
        objective = FromLabels(None, align_corners=False, auxiliary_weight=weight)
        return objective.loss(given, None, labels, 0.0)

    def without(weight: float) -> torch.Tensor:
        nobody: Any = None
        objective = Distillation(nobody, False, 1.0, 1.0, 1.0, auxiliary_weight=weight)
        return objective.loss(given, teacher, None, 0.0)

    errors = sum(label_error(logits, labels) for logits in heads)
    apart = sum(mask_divergence(logits, taught) for logits in heads)
    assert torch.isclose(by_labels(0.5) - by_labels(0.0), 0.5 * torch.as_tensor(errors))
    assert torch.isclose(without(0.5) - without(0.0), 0.5 * torch.as_tensor(apart))


@pytest.mark.slow
@pytest.mark.parametrize("names", ["encoder", "backbone"])
def test_heads_are_learned_without_labels_and_tokens_leave_by_them(
    names: str, *, segpp: Command, stripes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    if names == "encoder":
        teacher = segmenter(tmp_path / "teacher")
    else:
        teacher = save_mmsegmentation(tmp_path / "teacher.pth", mmsegmentation(**SMALL))
    call = ("distill", teacher, stripes / "images", "-o", out, *OWN, "--json")

    done = segpp(*call, *PASS)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["settings"]["auxiliary_weight"] == "0.4"
    assert told["after"]["agreement"] > told["before"]["agreement"]
    content = read_pickle(out)
    state = content.get("model") or content["state_dict"]
    heads = {name for name in state if name.startswith(f"{names}.auxiliary_head.")}
    assert len(heads) == 3 * 8
    assert {name.rpartition(".")[2] for name in heads} >= {"num_batches_tracked", "running_var"}
    checkpoint = load_checkpoint(out)
    assert shape_of(checkpoint.architecture).exits == (2, 4, 6)
    assert (tmp_path / "variant.yml").is_file() == (names == "encoder")
    # Drawn by the seed, these are nothing that a look at pictures changes: only learning does.
    drawn = load_checkpoint(teacher).with_auxiliary_heads(0).state
    moved = [name for name in drawn if re.fullmatch(r"exits\.\d\.linear\.weight", name)]
    assert len(moved) == 3
    assert not any(torch.equal(drawn[name], checkpoint.state[name]) for name in moved)
    onnx = tmp_path / "student.onnx"
    exported = segpp("export", out, onnx, "--size", "64x64", *PASS)
    assert exported.returncode == 0, exported.stderr
    manifest = read_manifest(onnx)
    assert [one.settings["by"] for one in manifest.reduction] == ["confidence"]
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    assert not [note for note in manifest.notes if "for another export" in note]


@pytest.mark.slow
def test_by_labels_a_weight_alone_adds_heads_and_a_preset_goes_by_them(
    segpp: Command, stripes: Path, tmp_path: Path
) -> None:
    checkpoint, out = segmenter(tmp_path / "teacher"), tmp_path / "tuned.pth"
    folders = (stripes / "images", stripes / "labels")
    preset = ("--preset", "dovit", "--auxiliary-weight", "1")

    done = segpp("train", checkpoint, *folders, "-o", out, *OWN, *preset, "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["settings"]["auxiliary_weight"] == "1"
    assert [text.partition("=")[0] for text in told["reduction"]] == [
        "2.tokens", "4.tokens", "6.tokens",
    ]  # fmt: skip
    assert all("by=confidence" in text for text in told["reduction"])
    assert told["after"]["miou"] > told["before"]["miou"]
    assert shape_of(load_checkpoint(out).architecture).exits == (2, 4, 6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["heads", "policy"])
def test_a_training_with_heads_or_a_policy_inside_goes_on(
    kind: str,
    *,
    segpp: Command,
    stripes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint = segmenter(tmp_path / "teacher")
    reduce = PASS
    if kind == "policy":
        state = cts_state(reference(**SMALL, head="linear"), policy_of())
        torch.save({"model": state, "n_cls": 3}, checkpoint)
        reduce = ("--reduce", "embed.patches=policy:ratio=0.5")
    whole, out = tmp_path / "whole.pth", tmp_path / "stopped.pth"
    own = ("distill", checkpoint, stripes / "images", *OWN, "--steps", "8", *reduce)
    judge, calls = Judge.__call__, iter(range(99))

    def stopped(self: Judge, student: torch.nn.Module) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return judge(self, student)

    # Sharing at random may be won nothing back in eight steps; then nothing is written, twice.
    ended = segpp(*own, "-o", whole).returncode
    with monkeypatch.context() as patched:
        patched.setattr(Judge, "__call__", stopped)
        first = segpp(*own, "-o", out)
    second = segpp(*own, "-o", out)

    assert (first.returncode, second.returncode) == (130, ended), (first.stderr, second.stderr)
    assert "going on after 4 steps" in second.stderr
    assert ended == 0 or kind == "policy"
    if ended == 0:
        assert_same(weights_of(out), weights_of(whole))


def test_a_segformer_has_no_heads(
    segpp: Command, stripes: Path, teacher: Path, tmp_path: Path
) -> None:
    call = ("distill", teacher, stripes / "images", "-o", tmp_path / "x.pth", *OWN)

    done = segpp(*call, "--ratio", "0.5", "--auxiliary-weight", "0.4")

    assert done.returncode == 2
    assert "cannot have auxiliary heads, by which tokens leave" in done.stderr
