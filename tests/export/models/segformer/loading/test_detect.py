"""Whose checkpoint a file is, by the names inside or by what the user says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading.formats import FORMATS
from tests.helpers.checkpoints import AMBIGUOUS, MINIATURE, Write, assert_same, ours, theirs, told


@pytest.mark.parametrize("layout", sorted(set(FORMATS) - {*AMBIGUOUS, "nvlabs"}))
def test_a_layout_is_recognised_by_its_names(layout: str, write: Write) -> None:
    checkpoint = load_checkpoint(write(theirs(layout)))

    assert checkpoint.format == layout
    assert checkpoint.numerics == FORMATS[layout].numerics
    assert checkpoint.architecture == replace(MINIATURE, head=FORMATS[layout].head)
    assert_same(checkpoint.state, ours(checkpoint.architecture))
    assert (checkpoint.classes, checkpoint.ignored, told(checkpoint)) == (None, (), ())


def test_names_that_several_codebases_share_need_a_source(write: Write) -> None:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(write(theirs("bubbliiiing")))

    assert "could be from bubbliiiing, nvlabs or sithu31296" in str(error.value)
    assert "bubbliiiing: block_norm_eps 1e-06, stage_norm_eps 1e-06, gelu tanh" in str(error.value)
    assert "hint: say whose code trained it: `checkpoint_format=bubbliiiing`" in str(error.value)


@pytest.mark.parametrize("source", AMBIGUOUS)
def test_a_source_decides_on_the_numerics(source: str, write: Write) -> None:
    checkpoint = load_checkpoint(write(theirs(source)), checkpoint_format=source)

    assert (checkpoint.format, checkpoint.numerics) == (source, FORMATS[source].numerics)


def test_a_source_that_does_not_fit_is_an_error(write: Write) -> None:
    with pytest.raises(
        CheckpointError, match=r"(?s)has none of the names of smp.*leave `checkpoint_format` out"
    ):
        load_checkpoint(write(theirs("huggingface")), checkpoint_format="smp")


def test_an_unknown_source_is_an_error_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)unknown checkpoint format 'nvlab'.*'nvlabs'"):
        load_checkpoint(tmp_path / "absent.pth", checkpoint_format="nvlab")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], r"(?s)holds no named tensors.*found: a list"),
        ({"epoch": 3}, r"(?s)holds no named tensors.*found: epoch"),
        (
            {"conv1.weight": torch.zeros(1), "layer1.0.bn1.weight": torch.zeros(1)},
            r"(?s)is not a SegFormer that segpp knows.*found: conv1\.weight.*mmsegmentation",
        ),
    ],
)
def test_a_file_without_a_segformer_says_what_it_holds(
    content: object, says: str, write: Write
) -> None:
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(write(content))


@pytest.mark.parametrize("prefix", ["backbone.", ""])
def test_a_pretrained_backbone_is_recognised_as_such(prefix: str, write: Write) -> None:
    state = theirs("nvlabs")
    backbone = {
        prefix + name.removeprefix("backbone."): tensor
        for name, tensor in state.items()
        if name.startswith("backbone.")
    }

    with pytest.raises(CheckpointError, match=r"(?s)encoder without its decode head.*trained for"):
        load_checkpoint(write(backbone), checkpoint_format="nvlabs" if prefix else None)
