"""Attention heads are said, stored or assumed, and what is assumed of odd networks is told."""

import pytest

from segpp.errors import CheckpointError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from tests.helpers.checkpoints import Write, ours, theirs


def test_where_nothing_tells_the_usual_ones_are_assumed_aloud(write: Write) -> None:
    checkpoint = load_checkpoint(write(theirs()))

    assert checkpoint.architecture.heads == (1, 2, 5, 8)
    assert checkpoint.origins["heads"] == "assumed"
    [note] = checkpoint.notes
    assert "the widths 8,16,40,64 are no published ones" in note
    assert "1,2,5,8 are assumed" in note
    assert "--heads" in note


def test_the_caller_knows_better(write: Write) -> None:
    path = write(theirs())

    checkpoint = load_checkpoint(path, choices=ReadChoices(heads=(2, 4, 8, 8)))

    assert checkpoint.architecture.heads == (2, 4, 8, 8)
    assert checkpoint.origins["heads"] == "given"
    assert checkpoint.notes == ()


@pytest.mark.parametrize(
    ("heads", "says"),
    [
        ((3, 2, 5, 8), "8 channels in stage 1, no multiple of 3 heads(.|\n)*--heads 1,2,4,8"),
        ((1, 2, 5), "--heads 1,2,5"),
        ((0, 2, 5, 8), "--heads 0,2,5,8"),
    ],
)
def test_heads_that_do_not_fit_are_refused(heads: tuple[int, ...], says: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(write(theirs()), choices=ReadChoices(heads=heads))


def test_published_widths_have_published_heads(write: Write) -> None:
    path = write(state_dict_for("mmsegmentation", ours(segformer("b0", classes=3))))

    with pytest.raises(CheckpointError, match=r"these widths have --heads 1,2,5,8$"):
        load_checkpoint(path, choices=ReadChoices(heads=(3, 2, 5, 8)))
    usual = load_checkpoint(path, choices=ReadChoices(heads=(1, 2, 5, 8)))
    [note] = load_checkpoint(path, choices=ReadChoices(heads=(1, 2, 4, 8))).notes

    assert usual.notes == ()
    assert "published ones, with 1,2,5,8 attention heads" in note
    assert "unless it was trained with 1,2,4,8" in note


def test_published_widths_with_other_depths_are_told(write: Write) -> None:
    state = state_dict_for("mmsegmentation", ours(segformer("b0", classes=3)))
    shorter = {name: t for name, t in state.items() if not name.startswith("backbone.layers.3.1.1")}

    whole, cut = load_checkpoint(write(state)).notes, load_checkpoint(write(shorter)).notes

    assert whole == ()
    assert "numbers of blocks 2,2,2,1 are no published ones" in cut[0]
