"""``segpp-train --policy``: what a policy learns, what is written, how it goes on, what is refused.

Tests train/parts/learner.py, train/parts/judge.py and api/train/policy.py.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import shape_of
from segpp.manifest import read_manifest
from segpp.train.parts.judge import PolicyJudge
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.references import reference
from tests.helpers.checkpoints import assert_same
from tests.helpers.commands import Completed
from tests.train.conftest import weights_of

pytest.importorskip("timm", reason="needs timm, which the network is made of")

Command = Callable[..., Completed]

SIZE = ("--size", "96x128")
OWN = (
    *(*SIZE, "--fit", "stretch", "--batch", "2", "--learning-rate", "0.001"),
    *("--held-back", "0.3", "--precision", "fp32"),
)


def segmenter(folder: Path, **choices: Any) -> Path:
    folder.mkdir(exist_ok=True)
    return save_segmenter(folder, reference(dim=64, heads=1, size=(96, 128), **choices))


def call(checkpoint: Path, data: Path, out: Path, *more: object) -> list[object]:
    folders = (data / "images", data / "labels")
    return ["train", checkpoint, *folders, "-o", out, "--policy", *OWN, *more]


@pytest.mark.slow
def test_a_policy_learns_and_is_exported_as_a_released_one(
    segpp: Command, stripes: Path, tmp_path: Path
) -> None:
    checkpoint, out = segmenter(tmp_path / "teacher"), tmp_path / "policy.pth"

    done = segpp(*call(checkpoint, stripes, out, "--steps", "30", "--check-every", "10", "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "policy.pth.json").read_text())
    assert told["kind"] == "policy"
    before, after = told["before"], told["after"]
    chance = max(after["share"], 1 - after["share"])
    assert after["agreement"] > max(before["agreement"], chance) + 0.2
    assert after["precision"] > before["precision"]
    # Not a bit of the network is another, and variant.yml came along.
    teacher, whole = weights_of(checkpoint), weights_of(out)
    assert_same({name: whole[name] for name in teacher}, teacher)
    assert {name.partition(".")[0] for name in whole.keys() - teacher.keys()} == {"policy"}
    assert (tmp_path / "variant.yml").is_file()
    assert shape_of(load_checkpoint(out).architecture).policy == (0, 0)
    inspected = " ".join(segpp("inspect", out).stdout.split())
    assert "given a policy" in inspected
    onnx = tmp_path / "policy.onnx"
    share = ("--reduce", "embed.patches=policy:ratio=0.5")
    exported = segpp("export", out, onnx, *SIZE, *share)
    assert exported.returncode == 0, exported.stderr
    manifest = read_manifest(onnx)
    assert [(one.method, one.tokens_out) for one in manifest.reduction] == [("policy", 30)]
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    assert not any("for another export" in note for note in manifest.notes)
    unsaid = segpp("export", out, onnx, *SIZE, "--reduce", "embed.patches=policy")
    assert "nothing tells how many superpatches" in unsaid.stderr


def test_labels_of_other_classes_than_the_checkpoint_has_will_do(
    segpp: Command, stripes: Path, tmp_path: Path
) -> None:
    checkpoint = segmenter(tmp_path / "teacher", classes=2)
    folders = ("images", "labels")
    given = ("train", checkpoint, *(stripes / name for name in folders), *OWN, "--steps", "1")

    learned = segpp(*given, "-o", tmp_path / "policy.pth", "--policy")
    whole = segpp(*given, "-o", tmp_path / "tuned.pth")

    # A single step may win nothing.
    assert learned.returncode in {0, 1}, learned.stderr
    assert "superpatches" in learned.stdout
    assert whole.returncode == 2
    assert "label" in whole.stderr


@pytest.mark.slow
def test_one_that_was_stopped_ends_with_the_same_policy(
    segpp: Command, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = segmenter(tmp_path / "teacher")
    whole, out = tmp_path / "whole.pth", tmp_path / "stopped.pth"
    # A lower cross entropy decides between equals, so that something is written.
    own = ("--steps", "8", "--check-every", "2")
    judge, calls = PolicyJudge.__call__, iter(range(99))

    def stopped(self: PolicyJudge, student: torch.nn.Module) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return judge(self, student)

    assert segpp(*call(checkpoint, stripes, whole, *own)).returncode == 0
    with monkeypatch.context() as patched:
        patched.setattr(PolicyJudge, "__call__", stopped)
        first = segpp(*call(checkpoint, stripes, out, *own))
    second = segpp(*call(checkpoint, stripes, out, *own))

    assert (first.returncode, second.returncode) == (130, 0), (first.stderr, second.stderr)
    assert "stopped after 4 steps" in first.stderr
    assert "going on after 4 steps" in second.stderr
    assert_same(weights_of(out), weights_of(whole))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--ratio", "0.5"), "--policy trains a policy alone, and --ratio"),
        (("--distil-weight", "1"), "and --distil-weight"),
        (("--eval", "camvid"), "and --eval"),
        (("--size", "16x128"), "the size 16x128 is below 32 pixels in a side"),
        (("--policy-weights", "absent.pth"), "absent.pth"),
    ],
)
def test_what_a_policy_cannot_be_trained_with_is_one_sentence(
    more: tuple[str, ...], told: str, *, segpp: Command, stripes: Path, tmp_path: Path
) -> None:
    checkpoint, out = segmenter(tmp_path / "teacher"), tmp_path / "policy.pth"

    done = segpp(*call(checkpoint, stripes, out, *more))

    assert done.returncode == 2, done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told in error
    assert {path.name for path in tmp_path.iterdir()} == {"teacher"}


def test_weights_without_a_policy_and_images_without_labels_are_refused(
    segpp: Command, stripes: Path, teacher: Path, tmp_path: Path
) -> None:
    given = ("train", teacher, stripes / "images")
    out = ("-o", tmp_path / "policy.pth")

    alone = segpp(*given, stripes / "labels", *out, *OWN, "--policy-weights", teacher)
    unlabelled = segpp(*given, *out, *OWN, "--policy")
    segformer = segpp(*given, stripes / "labels", *out, *OWN, "--policy")

    assert {done.returncode for done in (alone, unlabelled, segformer)} == {2}
    assert "hint: add --policy" in alone.stderr
    assert "there are no labels to learn from" in unlabelled.stderr
    assert "cannot have a policy, by which patches share tokens" in segformer.stderr
    assert "hint: plain ViTs of Segmenter" in segformer.stderr


def test_patches_of_another_side_have_no_policy(
    segpp: Command, stripes: Path, tmp_path: Path
) -> None:
    checkpoint, out = segmenter(tmp_path / "teacher", patch=32), tmp_path / "policy.pth"

    done = segpp(*call(checkpoint, stripes, out))

    assert done.returncode == 2, done.stderr
    assert "does not fit patches of 32 pixels" in done.stderr
