"""A student lies as its teacher lay, in every layout: bit for bit but for the numbers."""

import json
import shutil
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from segpp.errors import CheckError, CheckpointError, OutputError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.train.report import DistillResult, WrittenFile
from segpp.train.saving.student import layout_of
from segpp.train.saving.write import check_target, write_student
from tests.helpers.checkpoints import AMBIGUOUS, assert_same, nvlabs, theirs

State = dict[str, Tensor]
Wrap = Callable[[State], Any]


def choices_for(name: str) -> ReadChoices:
    return ReadChoices(name if name in (*AMBIGUOUS, "nvlabs") else None)


def changed(checkpoint: Checkpoint) -> State:
    """Other weights, of which each is its own."""
    draws = torch.Generator().manual_seed(5)
    state = checkpoint.state.items()
    return {name: t + 0.5 + torch.rand(t.shape, generator=draws) for name, t in state}


def written(source: Path, out: Path, state: State, choices: ReadChoices) -> None:
    layout, as_folder = layout_of(source, choices), source.is_dir() and not out.suffix
    check_target(layout, out, as_folder=as_folder)
    write_student(layout, state, out, lambda _file: SIDE, as_folder=as_folder)  # type: ignore[arg-type,return-value]  # what is beside is not the point


class _Side:
    def json(self) -> str:
        return json.dumps({"segpp": "0", "schema": 1, "kind": "distillation"})


SIDE = _Side()


def legacy(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


# --- every format, in every file


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", list(FORMATS))
def test_the_same_weights_give_the_same_bytes(name: str, suffix: str, tmp_path: Path) -> None:
    source, out = tmp_path / f"teacher{suffix}", tmp_path / f"student{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(theirs(name), source)

    written(
        source, out, load_checkpoint(source, choices=choices_for(name)).state, choices_for(name)
    )

    assert out.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", list(FORMATS))
def test_other_weights_arrive(name: str, suffix: str, tmp_path: Path) -> None:
    source, out = tmp_path / f"teacher{suffix}", tmp_path / f"student{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(theirs(name), source)
    state = changed(load_checkpoint(source, choices=choices_for(name)))

    written(source, out, state, choices_for(name))

    assert_same(load_checkpoint(out, choices=choices_for(name)).state, state)
    assert out.stat().st_size == source.stat().st_size


def ddp(state: State) -> Any:
    return {"epoch": 3, "model": OrderedDict((f"module.{k}", v) for k, v in state.items())}


def lightning(state: State) -> Any:
    inner = {f"net._orig_mod.{name}": tensor for name, tensor in state.items()}
    return {"state_dict": inner, "hyper_parameters": Namespace(lr=1e-3), "global_step": 7}


def twice(state: State) -> Any:
    return {"model": state, "state_dict": {name: t.clone() for name, t in state.items()}}


def shared(state: State) -> Any:
    """One long tensor that all others are parts of, as some flatten their weights."""
    flat = torch.cat([torch.zeros(5), *(tensor.flatten() for tensor in state.values())])
    made, place = {}, 5
    for name, tensor in state.items():
        made[name] = flat[place : place + tensor.numel()].view(tensor.shape)
        place += tensor.numel()
    return made


def halves(state: State) -> Any:
    return {name: tensor.half() for name, tensor in state.items()}


def doubles(state: State) -> Any:
    return {name: tensor.double() / 3 for name, tensor in state.items()}


def channels_last(state: State) -> Any:
    last = torch.channels_last
    return {n: t.contiguous(memory_format=last) if t.ndim == 4 else t for n, t in state.items()}


def averaged_beside(state: State) -> Any:
    return {"model": state, "model_ema": {name: t * 2 for name, t in state.items()}}


WRAPS = [ddp, lightning, twice, shared, halves, doubles, channels_last, averaged_beside, nvlabs]


def wrapped(wrap: Wrap, path: Path) -> Path:
    torch.save(wrap(theirs()) if wrap is not nvlabs else nvlabs(), path)  # type: ignore[comparison-overlap]  # one of the wraps
    return path


def pickle_in(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        return archive.read(name)


@pytest.mark.parametrize("wrap", WRAPS, ids=lambda wrap: wrap.__name__)
def test_whatever_stands_around_the_weights_stays(wrap: Wrap, tmp_path: Path) -> None:
    choices = ReadChoices("nvlabs" if wrap is nvlabs else None)
    source, same, other = wrapped(wrap, tmp_path / "a.pth"), tmp_path / "b.pth", tmp_path / "c.pth"
    teacher = load_checkpoint(source, choices=choices)
    state = changed(teacher)

    written(source, same, teacher.state, choices)
    written(source, other, state, choices)

    assert same.read_bytes() == source.read_bytes()
    read = load_checkpoint(other, choices=choices)
    # Of halves what is read is the nearest half.
    kind = torch.float16 if wrap is halves else torch.float32
    assert_same(read.state, {name: tensor.to(kind).float() for name, tensor in state.items()})
    assert pickle_in(source) == pickle_in(other)


def test_sums_of_the_archive_are_right_again(tmp_path: Path) -> None:
    source = wrapped(ddp, tmp_path / "a.pth")

    written(source, tmp_path / "b.pth", changed(load_checkpoint(source)), ReadChoices())

    with zipfile.ZipFile(tmp_path / "b.pth") as archive:
        assert archive.testzip() is None


def test_averaged_weights_are_replaced_where_they_were_read(tmp_path: Path) -> None:
    source, out = wrapped(averaged_beside, tmp_path / "a.pth"), tmp_path / "b.pth"
    choices = ReadChoices(weights="ema")
    state = changed(load_checkpoint(source, choices=choices))

    written(source, out, state, choices)

    assert_same(load_checkpoint(out, choices=choices).state, state)
    assert_same(load_checkpoint(out).state, load_checkpoint(source).state)


def test_channels_of_a_bgr_network_are_turned_back(tmp_path: Path) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "b.pth"
    torch.save(theirs(), source)
    choices = ReadChoices(colors="bgr")
    state = changed(load_checkpoint(source, choices=choices))

    written(source, out, state, choices)

    assert_same(load_checkpoint(out, choices=choices).state, state)
    first = "backbone.layers.0.0.projection.weight"
    stored = torch.load(out, weights_only=True)[first]  # noqa: TID251 - written a moment ago
    assert torch.equal(stored, state["stages.0.patch_embed.conv.weight"].flip(1))


# --- files that are written anew


def test_a_file_of_before_pytorch_1_6_keeps_its_kind(tmp_path: Path) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "b.pth"
    legacy({"state_dict": theirs(), "epoch": 3}, source)
    state = changed(load_checkpoint(source))

    written(source, out, state, ReadChoices())

    assert_same(load_checkpoint(out).state, state)
    assert not zipfile.is_zipfile(out)
    assert torch.load(out, weights_only=True)["epoch"] == 3  # noqa: TID251 - as above


def test_what_writing_anew_would_lose_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.pth"
    legacy({"state_dict": theirs(), "args": Namespace(lr=1)}, source)

    with pytest.raises(CheckpointError, match=r"holds a argparse\.Namespace, which could not"):
        layout_of(source, ReadChoices())


# --- folders of Hugging Face


@pytest.fixture
def hf(tmp_path: Path) -> Path:
    folder = tmp_path / "hf"
    folder.mkdir()
    config = {"model_type": "segformer", "num_attention_heads": [1, 2, 5, 8], "hidden_act": "gelu"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5]}')
    (folder / "trainer_state.json").write_text("{}")
    (folder / "optimizer.pt").write_bytes(b"large")
    save_file(theirs("huggingface"), folder / "model.safetensors", {"format": "pt"})
    return folder


def test_a_folder_becomes_a_folder(hf: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    teacher = load_checkpoint(hf)
    state = changed(teacher)

    written(hf, out, state, ReadChoices())

    student = load_checkpoint(out)
    assert_same(student.state, state)
    assert student.mean == teacher.mean == (127.5,) * 3
    names = {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert {path.name for path in out.iterdir()} == names
    assert (tmp_path / "student.json").is_file()


def test_a_folder_of_parts_becomes_one_of_the_same_parts(hf: Path, tmp_path: Path) -> None:
    whole = load_file(hf / "model.safetensors")
    names = sorted(whole)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for part, inside in parts.items():
        save_file({name: whole[name] for name in inside}, hf / part)
    (hf / "model.safetensors").unlink()
    index = {"weight_map": {name: part for part, inside in parts.items() for name in inside}}
    (hf / "model.safetensors.index.json").write_text(json.dumps(index))
    state = changed(load_checkpoint(hf))

    written(hf, tmp_path / "student", state, ReadChoices())

    assert_same(load_checkpoint(tmp_path / "student").state, state)
    with pytest.raises(OutputError, match="has 2 files of weights"):
        check_target(layout_of(hf, ReadChoices()), tmp_path / "one.safetensors", as_folder=False)


def test_transformers_reads_what_it_wrote_before(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers reads its own files")
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 16, 40, 64], depths=[1, 1, 1, 1], decoder_hidden_size=12, num_labels=3
    )
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    model.save_pretrained(tmp_path / "teacher")
    state = {n: t * 1.5 for n, t in load_checkpoint(tmp_path / "teacher").state.items()}

    written(tmp_path / "teacher", tmp_path / "student", state, ReadChoices())

    read = transformers.SegformerForSemanticSegmentation.from_pretrained(tmp_path / "student")
    weight = model.decode_head.classifier.weight * 1.5
    assert torch.allclose(read.decode_head.classifier.weight, weight)


def test_the_file_of_a_folder_becomes_a_file(hf: Path, tmp_path: Path) -> None:
    out = tmp_path / "student.safetensors"
    state = changed(load_checkpoint(hf))

    written(hf, out, state, ReadChoices())

    choices = ReadChoices(heads=(1, 2, 5, 8))
    assert_same(load_checkpoint(out, choices=choices).state, state)


# --- what cannot be


@pytest.mark.parametrize(
    ("source", "out"), [("a.pth", "b.safetensors"), ("a.safetensors", "b.pth")]
)
def test_a_name_that_says_another_kind_is_refused(source: str, out: str, tmp_path: Path) -> None:
    path = tmp_path / source
    (save_file if path.suffix == ".safetensors" else torch.save)(theirs(), path)

    with pytest.raises(OutputError, match="not named as what is written"):
        check_target(layout_of(path, ReadChoices()), tmp_path / out, as_folder=False)


def test_a_teacher_that_changed_meanwhile_is_told(tmp_path: Path) -> None:
    source = tmp_path / "a.safetensors"
    save_file(theirs(), source)
    layout = layout_of(source, ReadChoices())
    shutil.copy(source, tmp_path / "kept")
    save_file({name: tensor + 1 for name, tensor in theirs().items()}, source)

    with pytest.raises(CheckpointError, match="was changed while its student was trained"):
        layout.write(layout.checkpoint.state, [tmp_path / "b"])


def test_a_trial_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "a.pth"
    torch.save(theirs(), source)

    layout_of(source, ReadChoices()).try_out(tmp_path / "b.pth")

    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_weights_that_are_not_read_back_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they would not be if a format's way back were another than its way in."""
    source = tmp_path / "a.pth"
    torch.save(theirs(), source)
    layout = layout_of(source, ReadChoices())
    stored = type(layout.checkpoint).stored
    key = "decode_head.conv_seg.bias"

    def wrong(checkpoint: Checkpoint, state: State) -> State:
        right = stored(checkpoint, state)  # type: ignore[arg-type]  # the class that it is of
        return {**right, key: right[key].flip(0)}

    monkeypatch.setattr(type(layout.checkpoint), "stored", wrong)

    with pytest.raises(CheckError, match="is not read as those weights"):
        layout.try_out(tmp_path / "b.pth")


def test_what_was_done_stands_beside(tmp_path: Path) -> None:
    source, out = tmp_path / "a.pth", tmp_path / "b.pth"
    torch.save(theirs(), source)
    layout = layout_of(source, ReadChoices())
    told: list[WrittenFile] = []

    def result_of(file: WrittenFile) -> DistillResult:
        told.append(file)
        return SIDE  # type: ignore[return-value]  # what is in it is not the point

    write_student(layout, layout.checkpoint.state, out, result_of, as_folder=False)

    assert told == [WrittenFile("b.pth", layout.checkpoint.sha256, source.stat().st_size)]
    assert json.loads((tmp_path / "b.pth.json").read_text())["kind"] == "distillation"
