"""What a config may ask for, whatever its checkpoint holds.

Tests config/__init__.py and checkpoints/check_weights.py.
"""

from pathlib import Path

import pytest

from segpp.errors import CheckpointError, ImageError, InputError, OutputError, ReductionError
from segpp.export.config import AUTO, ExportConfig
from segpp.export.config.check import check_config
from segpp.export.models.base import check_with_any
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.reduction.config import ReductionChoice
from segpp.images import sample_image
from segpp.ops.grid import Size


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """What looks like a checkpoint from outside."""
    path = tmp_path / "model.pth"
    path.write_bytes(b"PK\x03\x04")
    return path


def check(checkpoint: Path, **options: object) -> None:
    settings = {"out": checkpoint.with_name("x.onnx"), **options}
    check_config(ExportConfig(checkpoint, **settings))  # type: ignore[arg-type]  # as the test says


def test_what_any_checkpoint_could_be_exported_with_is_let_through(checkpoint: Path) -> None:
    check(
        checkpoint,
        size=Size(128, 256),
        reduction=ReductionChoice(preset="hq"),
        rewrites_off=("fold-batch-norm",),
        checkpoint_format="nvlabs",
        parity_image=sample_image(),
        match_interval=AUTO,
        search_images=(sample_image().parent,),
    )

    assert list(checkpoint.parent.iterdir()) == [checkpoint]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"input_dtype": "uint9"}, "unknown input .uint9."),
        ({"outputs": "mask"}, "unknown output .mask."),
        ({"precision": "fp8"}, "unknown precision .fp8."),
        ({"target": "openvino"}, "unknown target .openvino."),
        ({"rewrites_off": ("fold-norm",)}, "(?s)unknown rewrite .fold-norm..*fold-batch-norm"),
        (
            {"target": "onnxruntime", "precision": "fp16"},
            "`target=onnxruntime` with `precision=fp16`",
        ),
        ({"target": "plain", "precision": "bf16"}, "`target=plain` with `precision=bf16`"),
        ({"output_dtype": "uint8"}, "unknown output type .uint8."),
        ({"input_dtype": "float16"}, "`input_dtype=float16` with `precision=fp32`"),
        (
            {"output_dtype": "float16", "precision": "bf16"},
            "`output_dtype=float16` with `precision=bf16`",
        ),
        (
            {"output_dtype": "float16", "precision": "fp16", "outputs": "labels"},
            "`output_dtype=float16` with `outputs=labels`\n  labels are whole numbers",
        ),
        ({"batch": 0}, "a batch of 0 images"),
        ({"min_agreement": 1.5}, "`min_agreement=1.5`"),
        ({"match_interval": 0}, "`match_interval=0`"),
        ({"search_images": (sample_image(),)}, "`search_images` goes with `match_interval=auto`"),
        ({"heads": (1, 2, 5)}, "--heads 1,2,5\n"),
        ({"size": Size(16, 200)}, "below 32 pixels in a side"),
        ({"size": Size(32, 32), "reduction": ReductionChoice(preset="hq")}, "stage 1, kv: bsm"),
        ({"reduction": ReductionChoice(preset="hq", ratio=0.5)}, "exclude each other"),
    ],
    ids=str,
)
def test_names_and_numbers_that_are_never_right_are_refused(
    checkpoint: Path, options: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check(checkpoint, **options)

    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_an_unknown_format_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)unknown checkpoint format .nvlab..*.nvlabs."):
        check(checkpoint, checkpoint_format="nvlab")


@pytest.mark.parametrize(
    ("reduce", "says"),
    [
        ([], "no tokens are merged"),
        (["3.q=n2d:rows=2,cols=2"], "n2d looks at the grid alone"),
        (["3.grid=similarity"], "similarity compares no tokens in a block"),
    ],
)
def test_without_a_match_there_is_nothing_to_measure(
    checkpoint: Path, reduce: list[str], says: str
) -> None:
    with pytest.raises(InputError, match=f"no match to use again\n  {says}"):
        check(checkpoint, reduction=reduction_config(reduce=reduce), match_interval=AUTO)


@pytest.mark.parametrize("name", ["x", "x.trt", "x.onnx.json"])
def test_an_output_of_another_suffix_is_refused(checkpoint: Path, name: str) -> None:
    with pytest.raises(OutputError, match=f"{name} does not end in .onnx"):
        check(checkpoint, out=checkpoint.with_name(name))


def test_an_output_that_is_an_input_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="is the input itself"):
        check(checkpoint, out=checkpoint)


def test_a_folder_without_a_configuration_is_no_checkpoint(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json\n  it holds: model\.pth"):
        check(checkpoint.parent, out=checkpoint.with_name("x.onnx"))


def test_what_is_no_checkpoint_by_its_first_bytes_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(b"\x89PNG")

    with pytest.raises(CheckpointError, match="is a PNG image, not a checkpoint"):
        check(checkpoint)


@pytest.mark.parametrize(
    "options",
    [
        {"parity_image": Path("none.jpg")},
        {
            "search_images": (Path("none.jpg"),),
            "match_interval": AUTO,
            "reduction": ReductionChoice(preset="hq"),
        },
    ],
    ids=["parity", "search"],
)
def test_an_image_that_is_not_there_is_refused(
    checkpoint: Path, options: dict[str, object]
) -> None:
    with pytest.raises(ImageError, match=r"image none\.jpg does not exist"):
        check(checkpoint, **options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("embed.patches=flat:ratio=1.5", "flat cannot let a share of 1.5 of the superpatches"),
        ("12.q=bsm:ratio=2", "bsm cannot merge a share of 2"),
        ("3.grid=area:share=7", "share"),
        ("99.kv=bsm", "'99.kv' names stage 99, which does not exist"),
    ],
)
def test_a_wrong_number_is_told_by_a_family_that_has_the_site(text: str, says: str) -> None:
    choice = ReductionChoice(reduce=(text,))

    with pytest.raises(ReductionError, match=says):
        check_with_any(lambda family: family.reduction_config(choice))


@pytest.mark.parametrize(
    ("preset", "text", "says"),
    [
        ("cts", "embed.patches=flat:ratio=7", "flat cannot let a share of 7 of the superpatches"),
        # Where no family has the name, one that has a name like it tells its own.
        ("algn", "none", r"unknown preset 'algn'\n  known: algm, .*\n  hint: did you mean 'algm'"),
        ("fats", "none", r"unknown preset 'fats'\n  known: 2x2, .*\n  hint: did you mean 'fast'"),
    ],
)
def test_a_preset_is_spoken_of_by_a_family_that_has_it(preset: str, text: str, says: str) -> None:
    choice = ReductionChoice(preset=preset, reduce=() if text == "none" else (text,))

    with pytest.raises(ReductionError, match=says):
        check_with_any(lambda family: family.reduction_config(choice))
