"""What a config may ask of a checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.errors import InputError
from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve, resolve_input, resolve_reduction
from segpp.export.match_sharing_search import MatchSharing
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionChoice
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


def test_labels_are_refused_where_training_aligned_the_corners(tmp_path: Path) -> None:
    [aligned, *_] = [name for name, of in FORMATS.items() if of.numerics.align_corners]
    checkpoint = saved(tmp_path, aligned, classes=5)

    with pytest.raises(InputError, match=r"`outputs=both` cannot follow(.|\n)*align_corners=True"):
        written(checkpoint, tmp_path / "tiny.onnx", outputs="both", checkpoint_format=aligned)

    written(checkpoint, tmp_path / "tiny.onnx", checkpoint_format=aligned)


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
