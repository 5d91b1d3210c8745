"""Trained gates lie beside the network's tensors, in every file that has room for them.

Tests saving/gates.py.
"""

import json
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from segpp.errors import CheckpointError, OutputError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.loading import load_checkpoint
from segpp.export.reduction.gates.trained import GATES_PREFIX
from segpp.train.saving.student import layout_of
from segpp.train.saving.write import with_target, write_student
from tests.helpers.checkpoints import assert_same, theirs
from tests.train.saving.test_student import (
    SIDE,
    averaged_beside,
    changed,
    channels_last,
    ddp,
    halves,
    legacy,
    lightning,
    shared,
    twice,
)

PLAIN = ReadChoices()
GATES = {
    f"{GATES_PREFIX}3.1.hidden.norms.0.weight": torch.arange(40.0),
    f"{GATES_PREFIX}3.1.hidden.predictor.0.weight": torch.randn(5, 160),
}
OWN = {name.removeprefix(GATES_PREFIX): tensor for name, tensor in GATES.items()}
State = dict[str, Tensor]


def written(source: Path, out: Path, choices: ReadChoices = PLAIN) -> State:
    """Write a student with gates, after a trial; returns its weights."""
    as_folder = source.is_dir() and not out.suffix
    layout = with_target(layout_of(source, choices), out, as_folder=as_folder, gated=True)
    layout.try_out(out, GATES)
    state = changed(layout.checkpoint)
    write_student(layout, state, out, lambda _: SIDE, as_folder=as_folder, gates=GATES)  # type: ignore[arg-type,return-value]  # what is beside is not the point
    return state


def check(out: Path, state: State, choices: ReadChoices = PLAIN) -> None:
    read = load_checkpoint(out, choices=choices)
    assert_same(dict(read.gates), OWN)
    assert_same(read.state, state)


def inside(state: State) -> Any:
    """The network is a part of what was trained, and its names begin with that part's."""
    return {"state_dict": {f"net.{name}": tensor for name, tensor in state.items()}}


WRAPS: list[Callable[[State], Any]] = [
    dict,
    ddp,
    inside,
    twice,
    shared,
    channels_last,
    averaged_beside,
]


@pytest.mark.parametrize("save", [torch.save, legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrap", WRAPS, ids=lambda wrap: wrap.__name__)
def test_a_pickle_has_them_in_its_state_dict(
    wrap: Callable[[State], Any], save: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "b.pth"
    save(wrap(theirs()), source)

    check(out, written(source, out))

    assert zipfile.is_zipfile(out) == zipfile.is_zipfile(source)
    if wrap is ddp:
        assert torch.load(out, weights_only=True)["epoch"] == 3  # noqa: TID251 - as above


@pytest.mark.parametrize("choices", [ReadChoices(weights="ema"), ReadChoices(prefix="model_ema")])
def test_they_lie_beside_the_network_that_was_read(choices: ReadChoices, tmp_path: Path) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "b.pth"
    torch.save(averaged_beside(theirs()), source)

    check(out, written(source, out, choices), choices)

    assert load_checkpoint(out).gates == {}


def test_a_safetensors_file_has_them_behind_its_own(tmp_path: Path) -> None:
    source, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    prefixed = {f"model.{name}": tensor.half() for name, tensor in theirs().items()}
    save_file(prefixed, source, {"format": "pt", "made": "by hand"})

    state = written(source, out)

    check(out, {name: tensor.half().float() for name, tensor in state.items()})
    with safe_open(out, "pt") as file:
        assert file.metadata() == {"format": "pt", "made": "by hand"}
        assert set(file.keys()) == {*prefixed, *(f"model.{name}" for name in GATES)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "hf"
    made.mkdir()
    config = {"model_type": "segformer", "num_attention_heads": [1, 2, 5, 8], "hidden_act": "gelu"}
    (made / "config.json").write_text(json.dumps(config))
    return made


def test_a_folder_of_parts_lists_them_in_its_index(folder: Path, tmp_path: Path) -> None:
    whole, out = theirs("huggingface"), tmp_path / "student"
    names = sorted(whole)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for part, inside in parts.items():
        save_file({name: whole[name] for name in inside}, folder / part)
    index = {
        "metadata": {"total_size": 1000},
        "weight_map": {name: part for part, inside in parts.items() for name in inside},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    check(out, written(folder, out))

    listed = json.loads((out / "model.safetensors.index.json").read_text())
    assert {listed["weight_map"][name] for name in GATES} == {"model-2.safetensors"}
    assert listed["metadata"]["total_size"] == 1000 + sum(t.nbytes for t in GATES.values())
    alone = tmp_path / "alone.safetensors"
    heads = ReadChoices(heads=(1, 2, 5, 8))
    check(alone, written(folder, alone), heads)


def test_a_file_of_a_folder_has_them_too(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    torch.save(theirs("huggingface"), folder / "pytorch_model.bin")

    check(out, written(folder, out))


# --- where there is no room


def test_what_would_be_lost_is_told_with_the_way_out(tmp_path: Path) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "alone.safetensors"
    torch.save(lightning(theirs()), source)
    layout = layout_of(source, PLAIN)

    with pytest.raises(CheckpointError, match=r"Namespace(.|\n)*-o NAME\.safetensors"):
        with_target(layout, tmp_path / "b.pth", as_folder=False, gated=True)
    state = written(source, out)

    check(out, state)
    assert set(load_file(out)) == {*theirs(), *GATES}


def test_weights_alone_keep_their_type_and_no_prefix(tmp_path: Path) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "alone.safetensors"
    torch.save(halves(theirs()), source)

    state = written(source, out)

    check(out, {name: tensor.half().float() for name, tensor in state.items()})
    found = load_file(out)
    assert {t.dtype for name, t in found.items() if name not in GATES} == {torch.float16}


def test_parts_that_are_pickles_have_no_room(folder: Path, tmp_path: Path) -> None:
    whole = theirs("huggingface")
    names = sorted(whole)
    for number, inside in enumerate((names[::2], names[1::2])):
        torch.save({name: whole[name] for name in inside}, folder / f"model-{number}.bin")
    weight_map = {name: f"model-{i % 2}.bin" for i, name in enumerate(names)}
    index = json.dumps({"weight_map": weight_map})
    (folder / "pytorch_model.bin.index.json").write_text(index)
    layout = layout_of(folder, PLAIN)

    with pytest.raises(CheckpointError, match="is one of 2 parts, to which tensors cannot"):
        with_target(layout, tmp_path / "student", as_folder=True, gated=True)


def test_without_gates_another_kind_is_still_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.pth"
    torch.save({"args": Namespace(), "model": theirs()}, source)

    with pytest.raises(OutputError, match="not named as what is written"):
        with_target(layout_of(source, PLAIN), tmp_path / "b.safetensors", as_folder=False)
