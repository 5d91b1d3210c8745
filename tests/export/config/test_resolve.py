"""What a config may ask of a checkpoint.

Also config/feeding.py, config/merging.py and config/origins.py, of which it is put together.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.errors import InputError
from segpp.export.config import ExportConfig
from segpp.export.config.origins import assumed_note
from segpp.export.config.resolve import (
    ResolvedExport,
    resolve,
    resolve_input,
    resolve_reduction,
)
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionChoice
from segpp.export.search.match_sharing import MatchSharing
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from tests.helpers.checkpoints import Write, theirs

SIZE = Size(128, 256)


def config(checkpoint: Path, out: Path, **options: object) -> ExportConfig:
    return ExportConfig(checkpoint, out, **{"size": SIZE, **options})  # type: ignore[arg-type]  # as the test says


def written(checkpoint: Path, out: Path, **options: object) -> Path:
    export_onnx(config(checkpoint, out, **options))
    return out


def saved(folder: Path, name: str, *, classes: int) -> Path:
    torch.manual_seed(0)
    architecture = segformer("b0", classes=classes, head=FORMATS[name].head)
    model = SegFormer(architecture, FORMATS[name].numerics)
    path = folder / "checkpoint.pth"
    torch.save(state_dict_for(name, model.state_dict()), path)
    return path


def loaded(write: Write, **changes: int) -> Checkpoint:
    return load_checkpoint(write(theirs(**changes)))


def test_the_users_size_counts_before_the_checkpoints_and_the_familys(write: Write) -> None:
    silent = loaded(write)
    telling = replace(silent, size=Size(64, 96))
    asked, unasked = (
        ExportConfig(Path("x"), Path("y"), size=SIZE),
        ExportConfig(Path("x"), Path("y")),
    )

    sizes = [
        (spec.height, spec.width)
        for spec in (
            resolve_input(asked, telling),
            resolve_input(unasked, telling),
            resolve_input(unasked, silent),
        )
    ]

    assert sizes == [SIZE, (64, 96), (512, 1024)]


def test_several_frames_repeat_the_normalisation_of_one(write: Write) -> None:
    spec = resolve_input(ExportConfig(Path("x"), Path("y")), loaded(write, channels=9))

    assert spec.shape == (1, 9, 512, 1024)
    assert spec.mean == (123.675, 116.28, 103.53) * 3


def test_channels_that_are_no_frames_get_neutral_values(write: Write) -> None:
    spec = resolve_input(ExportConfig(Path("x"), Path("y")), loaded(write, channels=4))

    assert spec.mean == (pytest.approx((123.675 + 116.28 + 103.53) / 3),) * 4


def test_nothing_is_left_to_decide(write: Write) -> None:
    checkpoint = loaded(write)
    choice = ExportConfig(
        Path("x"), Path("y"), size=SIZE, precision="fp16", reduction=ReductionChoice(preset="hq")
    )

    spec = resolve_input(choice, checkpoint)
    reduction = resolve_reduction(choice, checkpoint, spec)
    plan = resolve(choice, checkpoint, spec, reduction, MatchSharing(2))

    assert plan.classes.names == ("class 0", "class 1", "class 2")
    assert [site.match_every for site in plan.sites] == [2, 2, 2, 2]
    assert (plan.size, plan.min_agreement) == (SIZE, 0.99)
    assert plan.rewrites.off == ()


def test_one_channel_tells_two_classes_apart(write: Write) -> None:
    checkpoint = loaded(write, classes=1)

    assert planned(checkpoint).classes.names == ("background", "foreground")


def planned(checkpoint: Checkpoint, **options: object) -> ResolvedExport:
    choice = ExportConfig(Path("x"), Path("y"), **options)  # type: ignore[arg-type]  # as the test says
    spec = resolve_input(choice, checkpoint)
    return resolve(choice, checkpoint, spec, {}, MatchSharing(1))


def test_what_nobody_tells_is_assumed_in_one_sentence(write: Write) -> None:
    plan = planned(loaded(write))

    assert set(plan.origins.values()) == {"assumed"}
    assert (plan.input.fit, plan.input.mean) == ("letterbox", (123.675, 116.28, 103.53))
    assert assumed_note(plan.config, plan.checkpoint, plan.input) == (
        "assumed, since neither checkpoint nor caller tells: "
        "--mean 123.675,116.28,103.53, --std 58.395,57.12,57.375, --fit letterbox, --size 512x1024"
    )


def test_what_is_given_counts_and_is_not_assumed(write: Write) -> None:
    checkpoint = replace(loaded(write), mean=(1.0, 2.0, 3.0), fit="letterbox")
    checkpoint = replace(checkpoint, origins={"heads": "config", "mean": "config"})

    plan = planned(
        checkpoint, mean=(7.0, 8.0, 9.0), std=(5.0,), colors="rgb", fit="crop", size=SIZE
    )

    assert (plan.input.mean, plan.input.std) == ((7.0, 8.0, 9.0), (5.0, 5.0, 5.0))
    assert plan.input.fit == "crop"
    assert {key for key, origin in plan.origins.items() if origin == "given"} == {
        "mean", "std", "colors", "fit", "size"
    }  # fmt: skip
    assert assumed_note(plan.config, plan.checkpoint, plan.input) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mean": (1.0, 2.0)}, "--mean 1,2 does not fit 3 channels"),
        ({"mean": (0.485, 0.456, 0.406)}, r"pixels from 0 to 1(.|\n)*--mean 123.675,116.28,103.53"),
        ({"std": (0.229, 0.224, 0.225)}, r"pixels from 0 to 1(.|\n)*--std 58.395,57.12,57.375"),
        ({"std": (0.0, 1.0, 1.0)}, "--std 0,1,1"),
        ({"mean": (float("nan"),)}, "--mean nan"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    options: dict[str, object], says: str, write: Write
) -> None:
    with pytest.raises(InputError, match=says):
        planned(loaded(write), **options)


def test_labels_that_count_from_one_stand_in_the_classes(write: Write) -> None:
    assert planned(replace(loaded(write), reduce_labels=True)).classes.reduce_labels


def test_what_is_said_of_picture_files_goes_into_the_manifest(tmp_path: Path) -> None:
    checkpoint, out = saved(tmp_path, "mmsegmentation", classes=3), tmp_path / "x.onnx"

    # The gate's picture is the bundled one, of which that is not true.
    written(checkpoint, out, white="4095", bands=(5, 4, 1))

    spec = read_manifest(out).input
    assert (spec.white, spec.bands) == ("4095", (5, 4, 1))
    with pytest.raises(InputError, match="`bands` is 1,2"):
        written(checkpoint, out, bands=(1, 2))
