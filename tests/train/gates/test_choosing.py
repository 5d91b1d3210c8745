"""What fixed gates leave out of a student is what an export leaves out of it, by other pictures.

Tests gates/choosing.py, and task.py through the command.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from segpp.errors import ImageError, InputError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.family import FAMILY
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.gates.config import build_gates, count_channels
from segpp.export.reduction.gates.places import Channels, Place
from segpp.manifest import InputSpec, read_manifest
from segpp.train.gates.choosing import check_kept, drawn_from, kept_at
from segpp.train.pictures.reading import Reader
from tests.helpers.commands import Completed
from tests.train.conftest import QUICK

Command = Callable[..., Completed]
Film = Callable[..., Path]

SIZE = ("--size", "64x64", "--precision", "fp32")
GATES = ("1.hidden=fixed:keep=0.25,correct=0", "3.hidden=fixed:keep=0.5", "4.qkv=fixed:keep=0.5")
MERGING = ("2.q=n2d:rows=2,cols=2", "3.grid=area:share=0.5")
SPEC = InputSpec("image", (1, 3, 64, 64), "float32", "NCHW", "RGB", (120.0,) * 3, (60.0,) * 3)


def options(*reduce: str) -> list[str]:
    return [word for text in reduce for word in ("--reduce", text)]


def distilled(segpp: Command, teacher: Path, frames: Path, out: Path, *more: object) -> Completed:
    done = segpp("distill", teacher, frames, "-o", out, *SIZE, *QUICK, *more)
    assert done.returncode == 0, done.stderr
    return done


def logits_of(student: Path, image: np.ndarray, *reduce: str) -> np.ndarray:
    """Return what PyTorch makes of an image with all channels that are in the file."""
    network = load_checkpoint(student).build()
    network.apply_reductions(FAMILY.reduction_config(ReductionChoice(reduce=reduce)))
    with torch.inference_mode():
        logits: np.ndarray = network(torch.from_numpy(image)).numpy()
    return logits


def file_logits(file: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    [logits] = session.run(None, {"image": image})
    return np.asarray(logits)


@pytest.mark.parametrize("merging", [(), MERGING], ids=["alone", "merging"])
def test_the_cut_file_is_the_student_whatever_pictures_it_is_cut_by(
    merging: tuple[str, ...], segpp: Command, wide_teacher: Path, film: Film, tmp_path: Path
) -> None:
    out, file = tmp_path / "student.pth", tmp_path / "student.onnx"
    given = options(*GATES, *merging)
    done = distilled(segpp, wide_teacher, film(), out, *given, "--json")
    others = film("others", 3)
    for path in others.iterdir():
        # Of a scene that nothing was learned on.
        path.write_bytes((tmp_path / "film" / "frame_000.png").read_bytes())

    exported = segpp("export", out, file, "--size", "64x64", "--search-images", others, *given)

    assert exported.returncode == 0, exported.stderr
    told = json.loads(done.stdout)
    assert told["after"]["agreement"] > told["before"]["agreement"]
    manifest = read_manifest(file)
    assert {(s["stage"], s["part"]): s["kept"] for s in told["channels"]} == {
        (site.stage, site.part): dict(site.kept) for site in manifest.channels
    }
    assert [site.channels_out for site in manifest.channels] == [16, 160, 64]
    assert "choosing channels" not in exported.stderr
    assert manifest.channel_images == ()
    [note] = [note for note in manifest.notes if note.startswith("channels ")]
    assert note == (
        "channels at 1.hidden, 3.hidden, 4.qkv are left out where the checkpoint has nothing but "
        "zeros; no image chose them"
    )
    image = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    student = logits_of(out, image, *merging)
    # Sums of a few hundred products in single precision, in two orders.
    assert np.abs(file_logits(file, image) - student).max() <= 1e-4 * np.abs(student).max()
    assert np.abs(logits_of(wide_teacher, image, *merging) - student).max() > 1e-2


def test_the_report_says_what_is_left_of_the_channels(
    segpp: Command, wide_teacher: Path, film: Film, tmp_path: Path
) -> None:
    done = distilled(segpp, wide_teacher, film(), tmp_path / "s.pth", *options(*GATES))

    lines = done.stdout.splitlines()
    assert lines[1] == "merging   nothing, at 64x64"
    assert "channels  3.hidden fixed, 320 -> 160 channels in each block" in lines
    assert "channels  4.qkv fixed, 128 -> 64 channels in each block" in lines


def test_labels_are_scored_with_the_gates_inside(
    segpp: Command, wide_teacher: Path, film: Film, tmp_path: Path
) -> None:
    from PIL import Image  # noqa: PLC0415 - for this alone

    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    film("data/images")
    for path in (data / "images").iterdir():
        Image.new("L", (96, 64), 3).save(data / "labels" / path.name)

    done = distilled(
        segpp, wide_teacher, data, tmp_path / "s.pth", *options("1.hidden=fixed:keep=0.1"), "--json"
    )

    miou = json.loads(done.stdout)["miou"]
    assert miou["before"] != miou["teacher"]
    assert done.stderr.count("choosing channels on 8 pictures … ") == 1


def test_pictures_are_taken_from_all_over_and_bad_ones_passed_over(film: Film) -> None:
    frames = sorted(film(count=50).iterdir())
    frames[0].write_bytes(b"broken")

    with pytest.warns(match=r"left out: .*frame_000"):
        draws = drawn_from(frames, Reader(SPEC))

    assert len(draws) == 31
    assert np.array_equal(draws[-1](), Reader(SPEC).whole(frames[48]))
    with pytest.warns(match="left out"), pytest.raises(ImageError, match="none of the 1 pictures"):
        drawn_from(frames[:1], Reader(SPEC))


# --- of a training that was stopped

# Of two blocks with 16 hidden channels, half of which stay, and of one with two heads of 16.
TOLD = {"1.1.hidden": "f0f0", "1.2.hidden": "5a5a", "2.1.qk": "cccccccc", "2.1.v": "ff00ff00"}


def check_told(masks: dict[str, str]) -> None:
    channels = {Place(1, "hidden"): Channels(16, 1), Place(2, "qkv"): Channels(32, 2)}
    gates = build_gates(["1.hidden=fixed:keep=0.5", "2.qkv=fixed:keep=0.5"], channels)
    sites = count_channels(gates, channels, kept=kept_at(gates, masks))
    check_kept(sites, masks, (2, 1), Path("s.resume"))


@pytest.mark.parametrize(
    ("masks", "told"),
    [
        ({}, "of the channels of other blocks than those with fixed gates"),
        ({**TOLD, "9.1.hidden": "f0f0"}, "of the channels of other blocks"),
        ({name: mask for name, mask in TOLD.items() if name != "2.1.v"}, "other blocks"),
        ({**TOLD, "1.1.hidden": "zzzz"}, "does not say which 8 channels stage 1 keeps"),
        ({**TOLD, "1.1.hidden": "ffff"}, "does not say which 8 channels stage 1 keeps"),
    ],
)
def test_what_a_state_cannot_have_kept_is_not_gone_on_with(
    masks: dict[str, str], told: str
) -> None:
    check_told(TOLD)

    with pytest.raises(InputError, match=rf"s\.resume is no training .*\n.*{told}.*\n.*restart"):
        check_told(masks)
