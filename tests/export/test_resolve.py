"""What a config may ask for, alone and of a checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.errors import InputError
from segpp.export.config import AUTO, ExportConfig
from segpp.export.match_sharing_search import MatchSharing
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionChoice
from segpp.export.resolve import resolve, resolve_input, resolve_reduction
from segpp.images import sample_image
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


@pytest.mark.parametrize(
    ("reduce", "says"),
    [([], "no tokens are merged"), (["3.q=n2d:rows=2,cols=2"], "n2d looks at the grid alone")],
)
def test_without_a_match_there_is_nothing_to_measure(
    tiny_checkpoint: Path, tmp_path: Path, reduce: list[str], says: str
) -> None:
    reduction = reduction_config(reduce=reduce)
    out = tmp_path / "tiny.onnx"

    with pytest.raises(InputError, match=f"no match to use again\n  {says}"):
        export_onnx(
            ExportConfig(tiny_checkpoint, out, size=SIZE, reduction=reduction, match_interval=AUTO)
        )


def test_images_without_auto_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--search-images goes with --match-interval auto"):
        export_onnx(
            ExportConfig(tiny_checkpoint, tmp_path / "x.onnx", search_images=(sample_image(),))
        )


# What messages call the choices.
FIELDS = {"input": "input_dtype", "output": "outputs"}


@pytest.mark.parametrize(("key", "value"), [("input", "uint9"), ("output", "mask")])
def test_unknown_interfaces_are_refused(
    tiny_checkpoint: Path, tmp_path: Path, key: str, value: str
) -> None:
    with pytest.raises(InputError, match=rf"unknown {key} .{value}."):
        written(tiny_checkpoint, tmp_path / "tiny.onnx", **{FIELDS[key]: value})


def test_the_dialect_of_onnxruntime_is_for_single_precision(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--target onnxruntime with --precision fp16"):
        export_onnx(
            config(tiny_checkpoint, tmp_path / "tiny.onnx", target="onnxruntime", precision="fp16")
        )

    assert list(tmp_path.iterdir()) == []


def test_less_than_one_block_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--match-interval 0"):
        export_onnx(ExportConfig(tiny_checkpoint, tmp_path / "tiny.onnx", match_interval=0))


# --- of a checkpoint


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
