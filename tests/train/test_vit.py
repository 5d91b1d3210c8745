"""``segpp-distill`` on plain ViTs, as on any other network.

Tests models/vit/network/vit.py as training/learning/tapped.py listens to it.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.network import ViT
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site
from segpp.train.learning.judge import Judge
from segpp.train.learning.objectives.losses import stage_error
from segpp.train.learning.optimizer import trained
from segpp.train.learning.tapped import Tapped
from tests.export.models.vit.checkpoints import mmsegmentation, save_mmsegmentation, save_segmenter
from tests.export.models.vit.dino.networks import joined, save_folder
from tests.export.models.vit.eomt.folders import eomt, eomt_dinov3, original_state, save_eomt
from tests.export.models.vit.references import reference
from tests.helpers.checkpoints import assert_same
from tests.helpers.commands import Completed
from tests.train.conftest import QUICK, weights_of

pytest.importorskip("timm", reason="needs timm, which the networks are made of")

Command = Callable[..., Completed]
Film = Callable[..., Path]

SMALL: dict[str, Any] = {"dim": 64, "heads": 1, "size": (64, 64)}
INSIDE = ("--preset", "even")
SHORTER = ("--reduce", "1.tokens=bsm:ratio=0.5,sy=2,sx=2")


def segmenter(folder: Path, **choices: Any) -> Path:
    folder.mkdir(exist_ok=True)
    return save_segmenter(folder, reference(**SMALL, **choices))


def call(teacher: Path, film: Path, out: Path, *more: object) -> list[object]:
    own = ("--size", "64x96", *QUICK, "--precision", "fp32")
    return ["distill", teacher, film, "-o", out, *own, *more]


# --- what is compared


def build(tmp_path: Path) -> ViT:
    network = load_checkpoint(segmenter(tmp_path / "teacher", distilled=True)).build()
    assert isinstance(network, ViT)
    return network


def image() -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(5))


def test_of_every_block_all_patches_are_compared_and_nothing_before_them(tmp_path: Path) -> None:
    network = build(tmp_path)
    heard: list[torch.Tensor] = []
    network.stages[1].register_forward_hook(lambda _m, _i, given: heard.append(given[0]))

    logits, stages, _ = Tapped(network)(image())

    assert logits.shape == (2, 5, 4, 6)
    assert [tuple(stage.shape) for stage in stages] == [(2, 24, 64)] * 2
    assert torch.equal(stages[1], heard[0][:, 2:])


def test_patches_that_merged_for_good_have_what_their_token_has(tmp_path: Path) -> None:
    network = build(tmp_path).apply_reductions({Site(1, "tokens"): Neighbor2d(2, 2)})
    heard: list[torch.Tensor] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _m, _i, given: heard.append(given[0]))

    _, stages, _ = Tapped(network)(image())

    for stage, tokens in zip(stages, heard, strict=True):
        # Six cells of 2x2 patches, on a grid of 4x6.
        cells = tokens[:, 2:].reshape(2, 2, 3, 64)
        expected = cells.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)
        assert torch.equal(stage, expected)


def test_the_error_of_tokens_is_that_of_maps() -> None:
    draws = torch.Generator().manual_seed(0)
    ours, theirs = (torch.randn(2, 8, 3, 4, generator=draws) for _ in range(2))

    tokens = [[x.flatten(2).transpose(1, 2)] for x in (ours, theirs)]

    assert stage_error(*tokens).item() == pytest.approx(stage_error([ours], [theirs]).item())


# --- the command


@pytest.mark.parametrize(
    ("choices", "reduce"),
    [({}, INSIDE), ({"distilled": True, "head": "linear"}, SHORTER)],
    ids=["inside", "shorter"],
)
def test_a_segmenter_agrees_better_and_is_exported_as_it_was_trained(
    choices: dict[str, Any], reduce: tuple[str, ...], *, segpp: Command, film: Film, tmp_path: Path
) -> None:
    teacher, out = segmenter(tmp_path / "teacher", **choices), tmp_path / "student.pth"

    done = segpp(*call(teacher, film(), out, *reduce, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["agreement"] > told["before"]["agreement"]
    assert told["after"]["divergence"] < told["before"]["divergence"]
    assert told["teacher"]["format"] == "segmenter"
    assert (tmp_path / "variant.yml").read_bytes() == teacher.with_name("variant.yml").read_bytes()
    before, student = weights_of(teacher), weights_of(out)
    assert not any(torch.equal(tensor, student[name]) for name, tensor in before.items())
    onnx = tmp_path / "student.onnx"
    exported = segpp("export", out, onnx, "--size", "64x96", *reduce)
    assert exported.returncode == 0, exported.stderr
    notes = json.loads(Path(f"{onnx}.json").read_text())["notes"]
    assert not [note for note in notes if "distilled" in note]
    other = segpp("export", out, tmp_path / "other.onnx", "--size", "64x96", "--no-check")
    assert "student.pth was distilled for another export: 1." in other.stdout
    inspected = " ".join(segpp("inspect", out).stdout.split())
    assert "distilled from checkpoint.pth" in inspected


def test_setr_learns_behind_a_merge_for_good(segpp: Command, film: Film, tmp_path: Path) -> None:
    network = mmsegmentation(**SMALL, head="setr")
    # Else hardly a pixel of a random network's has another class than all.
    network.decoder.conv_seg.weight.mul_(8)  # type: ignore[union-attr,operator]  # a convolution
    teacher, out = save_mmsegmentation(tmp_path / "setr.pth", network), tmp_path / "student.pth"

    done = segpp(*call(teacher, film(), out, *SHORTER, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["agreement"] > told["before"]["agreement"]
    before, student = weights_of(teacher), weights_of(out)
    frozen = {name for name in before if torch.equal(before[name], student[name])}
    assert frozen == {"head.batch_norm.running_mean", "head.batch_norm.running_var"}


def test_one_that_was_stopped_ends_with_the_same_weights(
    segpp: Command, film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, frames = segmenter(tmp_path / "teacher"), film()
    whole, out = tmp_path / "whole.pth", tmp_path / "stopped.pth"
    assert segpp(*call(teacher, frames, whole, *INSIDE)).returncode == 0
    judge, calls = Judge.__call__, iter(range(99))

    def stopped(self: Judge, student: torch.nn.Module) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return judge(self, student)

    with monkeypatch.context() as patched:
        patched.setattr(Judge, "__call__", stopped)
        first = segpp(*call(teacher, frames, out, *INSIDE))
    second = segpp(*call(teacher, frames, out, *INSIDE))

    assert (first.returncode, second.returncode) == (130, 0), (first.stderr, second.stderr)
    assert "stopped after 8 steps" in first.stderr
    assert "going on after 8 steps" in second.stderr
    assert_same(weights_of(out), weights_of(whole))


@pytest.mark.parametrize(
    ("reduce", "told"),
    [
        ("3.hidden=fixed:keep=0.5", "3.hidden"),
        ("9.q=bsm:ratio=0.5", "9.q"),
        ("1.q=bsm:ratio=0", "nothing to win back"),
    ],
)
def test_what_a_plain_vit_cannot_do_is_one_sentence(
    reduce: str, told: str, *, segpp: Command, film: Film, tmp_path: Path
) -> None:
    teacher, out = segmenter(tmp_path / "teacher"), tmp_path / "student.pth"

    done = segpp(*call(teacher, film(), out, "--reduce", reduce))

    assert done.returncode == 2
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told in error
    assert not out.exists()


def test_beside_what_describes_another_segmenter_nothing_is_trained(
    segpp: Command, film: Film, tmp_path: Path
) -> None:
    teacher, out = segmenter(tmp_path / "teacher"), tmp_path / "student.pth"
    (tmp_path / "variant.yml").write_text("net_kwargs: {}\n")

    done = segpp(*call(teacher, film(), out, *INSIDE, "--force"))

    assert done.returncode == 2
    assert f"error: {tmp_path / 'variant.yml'} is of another network" in done.stderr
    assert "hint: write to a folder of its own" in done.stderr


@pytest.mark.slow
def test_two_processes_with_half_a_batch_learn_what_one_learns_with_the_whole(
    segpp: Command, film: Film, tmp_path: Path
) -> None:
    teacher, frames = segmenter(tmp_path / "teacher"), film()
    one, two = tmp_path / "one.pth", tmp_path / "two.pth"
    more = ("--threads", "1", "--batch", "4", *SHORTER)
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]

    alone = segpp(*call(teacher, frames, one, *more))
    command = [sys.executable, *launch, "-m", "segpp", *map(str, call(teacher, frames, two, *more))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert (alone.returncode, done.returncode) == (0, 0), (alone.stderr, done.stderr)
    before, ours, theirs = (weights_of(path) for path in (teacher, one, two))
    # Biases of keys change no softmax: their gradients are rounding alone.
    names = [name for name in ours if not name.endswith("attention.k.bias")]
    moved = [float((ours[name] - before[name]).abs().mean()) for name in names]
    apart = [float((ours[name] - theirs[name]).abs().mean()) for name in names]
    assert max(apart) < 1e-2 * max(moved)


# --- queries, and positions that are rotary


def save_original(folder: Path) -> Path:
    """Write an EoMT as its own code does."""
    network = eomt(num_attention_heads=1, num_register_tokens=4)
    torch.save(original_state(network), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def stored_names(path: Path) -> set[str]:
    """Return the names of all tensors in a file, or in a folder's file."""
    if path.is_dir():
        return set(load_file(path / "model.safetensors"))
    return set(read_pickle(path))


TEACHERS: dict[str, Callable[[Path], Path]] = {
    "hf-eomt": lambda folder: save_eomt(folder / "teacher", eomt()),
    "hf-eomt-dinov3": lambda folder: save_eomt(folder / "teacher", eomt_dinov3()),
    "eomt": save_original,
    "hf-dinov3": lambda f: save_folder(f / "teacher", joined("dinov3", patch_size=16)),
}


@pytest.mark.parametrize("layout", TEACHERS)
def test_queries_and_rotary_positions_learn_in_the_layout_they_had(
    layout: str, segpp: Command, film: Film, tmp_path: Path
) -> None:
    teacher = TEACHERS[layout](tmp_path)
    out = tmp_path / ("student" if teacher.is_dir() else "student.bin")
    inside = ("--ratio", "0.7", "--size", "64x64", "--steps", "16", "--learning-rate", "0.0003")

    done = segpp(*call(teacher, film(), out, *inside, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["teacher"]["format"] == layout
    assert told["after"]["agreement"] > told["before"]["agreement"]
    assert told["after"]["divergence"] < told["before"]["divergence"]
    before, student = load_checkpoint(teacher), load_checkpoint(out)
    assert (student.format, student.constant) == (layout, before.constant)
    same = {n for n, t in before.state.items() if torch.equal(t, student.state[n])}
    assert same == set(before.constant)
    assert stored_names(teacher) == stored_names(out)


@pytest.mark.parametrize("layout", ["hf-eomt", "hf-dinov3"])
def test_a_file_from_a_folder_takes_along_what_describes_it(
    layout: str, segpp: Command, film: Film, tmp_path: Path
) -> None:
    """Of another config.json beside it, it would be another network."""
    teacher, out = TEACHERS[layout](tmp_path), tmp_path / "own" / "model.safetensors"
    out.parent.mkdir()
    inside = ("--ratio", "0.7", "--size", "64x64", "--steps", "16", "--learning-rate", "0.0003")

    done = segpp(*call(teacher, film(), out, *inside))

    assert done.returncode == 0, done.stderr
    assert (out.parent / "config.json").read_bytes() == (teacher / "config.json").read_bytes()
    before, student = load_checkpoint(teacher), load_checkpoint(out)
    assert (student.architecture, student.numeric_settings) == (
        before.architecture, before.numeric_settings,
    )  # fmt: skip
    (tmp_path / "config.json").write_text("{}")
    for name, told in {
        "model.safetensors": f"{tmp_path / 'config.json'} is of another network than teacher",
        "own/student.safetensors": "would be read without the config.json that describes it",
    }.items():
        refused = segpp(*call(teacher, tmp_path / "film", tmp_path / name, *inside))
        assert refused.returncode == 2
        assert told in refused.stderr
        assert "hint: " in refused.stderr


def test_keys_without_biases_get_none(tmp_path: Path) -> None:
    network = joined("dinov3", patch_size=16)
    checkpoint = load_checkpoint(save_folder(tmp_path / "net", network))

    keys = {f"stages.{block}.blocks.0.attention.k.bias" for block in (0, 1)}

    assert set(checkpoint.constant) == {"turns", *keys}
    assert set(dict(trained(checkpoint.build()))) == set(checkpoint.state) - {"turns", *keys}
    assert checkpoint.stored(checkpoint.state).keys() == {
        name for name in network.state_dict() if not name.endswith("mask_token")
    }


def test_what_is_learned_of_sums_of_probabilities_are_probabilities(tmp_path: Path) -> None:
    network = load_checkpoint(save_eomt(tmp_path / "eomt", eomt())).build()

    with torch.no_grad():
        sums = network(image()[..., :64])
        logits, *_ = Tapped(network)(image()[..., :64])

    assert torch.equal(logits.argmax(1), sums.argmax(1))
    assert (logits.softmax(1) - sums / sums.sum(1, keepdim=True)).abs().max() < 1e-6


def test_an_eomt_learns_from_labels_too(segpp: Command, film: Film, tmp_path: Path) -> None:
    teacher, frames = save_eomt(tmp_path / "eomt", eomt()), film()
    labels = tmp_path / "labels"
    labels.mkdir()
    for frame in sorted(frames.iterdir()):
        with Image.open(frame) as picture:
            grey = np.asarray(picture.convert("L"))
        Image.fromarray((grey // 52).astype(np.uint8)).save(labels / frame.name)
    command = ("train", teacher, frames, labels, "-o", tmp_path / "tuned", "--size", "64x64")

    done = segpp(*command, *QUICK, "--precision", "fp32", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["miou"] > told["before"]["miou"]
