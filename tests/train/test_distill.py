"""``segpp-distill`` on a small network: what it writes, what it says, and how it goes on."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.reduction.config import ReductionChoice
from segpp.images.preprocess import load_image
from segpp.manifest import InputSpec
from segpp.train.pictures.reading import network_input
from segpp.train.report import MeanIous
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import MINIATURE, lively, ours
from tests.helpers.commands import Completed, python_without
from tests.train.conftest import REDUCE, SMALL, call, weights_of

Command = Callable[..., Completed]
Film = Callable[..., Path]


# --- what it does


def test_a_student_agrees_better_and_lies_as_its_teacher(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"

    done = segpp(*call(teacher, film(), out, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["agreement"] > told["before"]["agreement"]
    assert told["after"]["divergence"] < told["before"]["divergence"]
    assert told == json.loads((tmp_path / "student.pth.json").read_text())
    assert (told["steps"], told["learned"], told["held_back"]) == (12, 8, 4)
    assert [step for step, *_ in told["history"]] == [4, 8, 12]
    before, student = weights_of(teacher), weights_of(out)
    frozen = [n for n in before if "running" in n]
    assert frozen
    for name, tensor in before.items():
        assert torch.equal(tensor, student[name]) is (name in frozen), name
    assert {path.name for path in tmp_path.iterdir()} == {"film", out.name, f"{out.name}.json"}


def test_a_head_on_a_smaller_grid_is_judged_by_its_masks(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    done = segpp(*call(teacher, film(), tmp_path / "student.pth", "--reduce", "head.grid=area"))

    # Whether so few steps are enough is another question.
    assert done.returncode in {0, 1}, done.stderr
    assert "agreement " in done.stdout
    assert "Traceback" not in done.stderr


def test_the_student_is_exported_as_its_teacher_is(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out, onnx = tmp_path / "student.pth", tmp_path / "student.onnx"
    segpp(*call(teacher, film(), out))

    done = segpp("export", out, onnx, *SMALL)

    assert done.returncode == 0, done.stderr
    assert "was distilled for another export" not in f"{done.stdout}{notes_of(onnx)}"


def test_an_export_with_other_tokens_or_channels_than_were_trained_for_is_noted(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out, onnx = tmp_path / "student.pth", tmp_path / "student.onnx"
    segpp(*call(teacher, film(), out))
    changes = ("--size", "64x96", "--reduce", "1.q=none", "--reduce", "3.hidden=fixed:keep=0.5")

    done = segpp("export", out, onnx, *SMALL, *changes, "--no-check")

    assert done.returncode == 0, done.stderr
    [note] = [note for note in notes_of(onnx) if "distilled" in note]
    assert note == (
        "student.pth was distilled for another export: size 64x64 there, 64x96 here; "
        "1.q bsm:ratio=0.75,sy=2,sx=2,window=0 there, none here; "
        "3.hidden none there, fixed:keep=0.5,correct=1 here"
    )
    assert note in done.stdout


def test_an_inspection_tells_what_a_student_was_distilled_for(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    gate = ("--reduce", "3.hidden=fixed:keep=0.5", "--steps", "24")
    steps = json.loads(segpp(*call(teacher, film(), out, *gate, "--json")).stdout)["steps"]

    told, data = segpp("inspect", out), json.loads(segpp("inspect", out, "--json").stdout)

    words = " ".join(told.stdout.split())
    assert f"distilled from teacher.pth {sha256_of(teacher)[:16]}… for 1.q=bsm:ratio=0.75" in words
    assert "3.hidden=fixed:keep=0.5,correct=1 at 64x64" in words
    assert data["distilled"]["steps"] == steps
    assert "distilled" not in segpp("inspect", teacher).stdout


def test_a_batch_of_more_pictures_than_there_are_is_told_before_and_after(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    done = segpp(*call(teacher, film(), tmp_path / "s.pth", "--batch", "20", "--steps", "4"))

    note = "a batch of 20 holds the 8 pictures to learn from 2.5 times"
    assert done.stderr.count(note) == 2
    assert "4 steps in " in done.stdout
    assert " s, fp32" in done.stdout


def notes_of(onnx: Path) -> list[str]:
    return list(json.loads(Path(f"{onnx}.json").read_text())["notes"])


def test_what_nobody_tells_is_told_before_and_after(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    done = segpp(*call(teacher, film(), tmp_path / "s.pth"))
    told = segpp(
        *call(teacher, tmp_path / "film", tmp_path / "t.pth"),
        *("--mean", "120", "--std", "60", "--fit", "crop"),
    )

    note = "assumed, since neither checkpoint nor caller tells: --mean 123.675,116.28,103.53"
    assert done.stderr.count(note) == 2
    [before, _] = [line for line in done.stderr.splitlines() if note in line]
    assert before.startswith(f"note: {note}")
    assert not before.endswith("…")
    assert f"warning: {note}" in done.stderr
    assert "assumed" not in told.stderr


def test_it_needs_no_more_than_its_extra_brings(teacher: Path, film: Film, tmp_path: Path) -> None:
    code = "import sys; from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    others = ("onnx", "onnxruntime", "onnxscript", "onnx_ir", "openvino", "av", "matplotlib")

    done = python_without(others, code, *call(teacher, film(), tmp_path / "student.pth"))

    assert done.returncode == 0, done.stderr


def test_minutes_end_it_with_time_for_the_last_check(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    timed = ("--minutes", "0.1", "--batch", "2", "--learning-rate", "0.0005", "--held-back", "0.3")
    # The best of many checks is better than the start, however many steps there is time for.
    timed += ("--check-every", "4", "--precision", "fp32", "--patience", "1000")

    done = segpp("distill", teacher, film(), "-o", tmp_path / "s.pth", *SMALL, *timed, "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] >= 1
    # A step and a check take a fraction of a second, on a busy machine a few of them.
    assert told["seconds"] < 6 + 6
    assert told["history"][-1][0] == told["steps"]


def test_a_folder_of_hugging_face_becomes_a_folder(
    segpp: Command, film: Film, tmp_path: Path
) -> None:
    made = tmp_path / "teacher.v1"
    made.mkdir()
    config = {"model_type": "segformer", "num_attention_heads": [1, 2, 5, 8], "hidden_act": "gelu"}
    (made / "config.json").write_text(json.dumps(config))
    state = lively(ours(replace(MINIATURE, classes=6, head="linear")))
    save_file(state_dict_for("huggingface", state), made / "model.safetensors")
    out = tmp_path / "student.v2"

    done = segpp(*call(made, film(), out))
    again = segpp(*call(made, tmp_path / "film", out))

    assert done.returncode == again.returncode == 0, (done.stderr, again.stderr)
    assert {path.name for path in out.iterdir()} == {"config.json", "model.safetensors"}
    assert (tmp_path / "student.v2.json").is_file()


def test_the_report_is_for_a_person(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    done = segpp(*call(teacher, film(), tmp_path / "student.pth"))

    lines = done.stdout.splitlines()
    assert lines[0].startswith("wrote     student.pth  ")
    assert lines[1].startswith("merging   1.q=bsm:ratio=0.75,sy=2,sx=2,window=0, 2.q=bsm")
    assert lines[2] == "pictures  8 to learn from, 4 held back"
    assert "warning: 12 pictures are few" in done.stderr
    short = "the training ended after 12 steps, and over the first 20 the learning rate only warms"
    assert f"warning: {short} up: train longer (--minutes or --steps)\n" in done.stderr


def test_pictures_beside_those_held_back_are_told(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    pictures = film(count=52)

    done = segpp(*call(teacher, pictures, tmp_path / "student.pth"))

    told = json.loads((tmp_path / "student.pth.json").read_text())
    assert told["beside"] == 52 - told["learned"] - told["held_back"] > 0
    learned, held, beside = told["learned"], told["held_back"], told["beside"]
    line = f"pictures  {learned} to learn from, {held} held back, {beside} beside these left out"
    assert line in done.stdout.splitlines()


def test_labels_are_scored_where_there_are_any(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    film("data/images")
    for path in (data / "images").iterdir():
        Image.new("L", (96, 64), 3).save(data / "labels" / path.name)

    trained_on = segpp(*call(teacher, data, tmp_path / "a.pth", "--json"))
    beside = segpp(*call(teacher, film(), tmp_path / "b.pth", "--json", "--eval", data))

    for done, what in ((trained_on, "4 pictures held back"), (beside, "12 pictures with labels")):
        assert done.returncode == 0, done.stderr
        miou = json.loads(done.stdout)["miou"]
        assert miou["pictures"] == what
        assert all(0 <= miou[key] <= 1 for key in ("teacher", "before", "after"))


def test_labels_that_tell_of_a_worse_student_are_told(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    # Labels that nobody beats the teacher with fewer tokens at: its own masks.
    choice = ReductionChoice(reduce=REDUCE)
    before = load_checkpoint(teacher).build().apply_reductions(FAMILY.reduction_config(choice))
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    spec = InputSpec("image", (1, 3, 64, 64), "float32", "NCHW", "RGB", mean, std)
    for path in film("data/images").iterdir():
        with torch.no_grad():
            logits = before(torch.from_numpy(network_input(load_image(path), spec)))
        mask = functional.interpolate(logits, (64, 96), mode="bilinear").argmax(1)
        Image.fromarray(mask[0].byte().numpy()).save(data / "labels" / path.name)

    done = segpp(*call(teacher, film(), tmp_path / "s.pth", "--json", "--eval", data))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    miou = told["miou"]
    assert miou["after"] < miou["before"]
    [fell] = [one for one in told["warnings"] if "mIoU" in one]
    numbers = f"from {100 * miou['before']:.2f} to {100 * miou['after']:.2f}"
    assert fell.startswith(f"mIoU fell {numbers} on 12 pictures with labels: train longer")
    hint = "train longer (--minutes), on more pictures, or with another --learning-rate"
    assert f"warning: mIoU fell {numbers} on 12 pictures with labels: {hint}\n" in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "fell"),
    [(0.5, 0.4, True), (0.4, 0.5, False), (0.5, 0.499999, False), (nan, nan, False)],
)
def test_only_a_fall_that_shows_is_a_doubt(before: float, after: float, *, fell: bool) -> None:
    doubt = MeanIous("3 pictures with labels", 0.6, before, after).doubt

    assert (doubt is not None) is fell


def test_one_bad_picture_does_not_end_it(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames = film()
    (frames / "frame_001.png").write_bytes(b"\x89PNG broken")
    (frames / "frame_005.png").write_bytes(b"\x89PNG held back, and broken")

    done = segpp(*call(teacher, frames, tmp_path / "student.pth"))

    assert done.returncode == 0, done.stderr
    for name in ("frame_001", "frame_005"):
        assert f"warning: left out: {frames / name}.png" in done.stderr


def test_pictures_that_are_all_alike_are_told(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames = film()
    first = (frames / "frame_000.png").read_bytes()
    for path in frames.iterdir():
        path.write_bytes(first)

    done = segpp(*call(teacher, frames, tmp_path / "student.pth"))

    assert "warning: the pictures are all alike" in done.stderr


def test_a_student_that_got_no_better_is_not_written(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    # Steps so large that they destroy it, and none that a check could find before.
    harm = ("--learning-rate", "1.0", "--check-every", "12")

    done = segpp(*call(teacher, film(), out, *harm))

    assert done.returncode == 1
    assert "error: the student got no better" in done.stderr
    assert done.stdout.startswith("wrote     nothing\n")
    assert [path.name for path in tmp_path.iterdir()] == ["film"]


# --- a trained network


@pytest.mark.slow
@pytest.mark.shared
def test_a_trained_network_wins_back_what_merging_costs(
    segpp: Command, shared: Path, tmp_path: Path
) -> None:
    teacher = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"
    frames = shared / "camvid" / "train" / "images"

    done = segpp(
        *("distill", teacher, frames, "-o", tmp_path / "b0.pth", "--preset", "fast", "--json"),
        *("--size", "176x240", "--steps", "30", "--check-every", "15", "--held-back", "0.06"),
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # Measured: 12 steps win 1.4 points.
    assert told["after"]["agreement"] > told["before"]["agreement"] + 0.01
    assert load_checkpoint(tmp_path / "b0.pth").classes == load_checkpoint(teacher).classes
