"""A student of a plain ViT lies as its teacher lay, with what lies beside a Segmenter.

Tests models/vit/loading/positions.py backwards, saving/beside.py and saving/rounded.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from segpp.errors import OutputError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.train.saving.rounded import rounded
from segpp.train.saving.student import layout_of
from segpp.train.saving.write import with_target, write_student
from tests.export.models.vit.checkpoints import mmsegmentation, save_mmsegmentation, save_segmenter
from tests.export.models.vit.references import Reference, reference, segmenter_state
from tests.helpers.checkpoints import assert_same
from tests.train.saving.test_student import SIDE

State = dict[str, Tensor]
SMALL: dict[str, Any] = {"dim": 64, "heads": 1, "size": (64, 64)}


def segmenter(folder: Path, **choices: Any) -> Path:
    return save_segmenter(folder, reference(**SMALL, **choices))


def of_mmsegmentation(folder: Path, **choices: Any) -> Path:
    return save_mmsegmentation(folder / "checkpoint.pth", mmsegmentation(**SMALL, **choices))


NETWORKS = [
    (segmenter, {}),
    (segmenter, {"distilled": True}),
    (segmenter, {"head": "linear"}),
    (of_mmsegmentation, {}),
    (of_mmsegmentation, {"head": "linear"}),
    (of_mmsegmentation, {"head": "setr"}),
]
of_each = pytest.mark.parametrize(("save", "choices"), NETWORKS)
Save = Callable[..., Path]


def changed(checkpoint: Checkpoint) -> State:
    """Other weights, of which each is its own."""
    draws = torch.Generator().manual_seed(5)
    state = checkpoint.state.items()
    return {name: t + 0.5 + torch.rand(t.shape, generator=draws) for name, t in state}


def written(source: Path, out: Path, state: State, choices: ReadChoices | None = None) -> None:
    layout = with_target(layout_of(source, choices or ReadChoices()), out, as_folder=False)
    write_student(layout, state, out, lambda _file: SIDE, as_folder=False)  # type: ignore[arg-type,return-value]  # what is beside is not the point


@of_each
def test_the_same_weights_give_the_same_bytes(
    save: Save, choices: dict[str, Any], tmp_path: Path
) -> None:
    source, out = save(tmp_path, **choices), tmp_path / "student.pth"

    written(source, out, load_checkpoint(source).state)

    assert out.read_bytes() == source.read_bytes()


@of_each
def test_other_weights_arrive_bit_for_bit(
    save: Save, choices: dict[str, Any], tmp_path: Path
) -> None:
    source, out = save(tmp_path, **choices), tmp_path / "student.pth"
    teacher = load_checkpoint(source)
    state = changed(teacher)

    written(source, out, state)

    student = load_checkpoint(out)
    assert student.state.keys() == state.keys()
    # Not only close: a token and its position are one number of ours.
    assert all(torch.equal(student.state[name], tensor) for name, tensor in state.items())
    assert (student.architecture, student.mean, student.size, student.classes) == (
        teacher.architecture, teacher.mean, teacher.size, teacher.classes,
    )  # fmt: skip


def test_a_student_computes_in_the_code_that_trained_its_teacher(tmp_path: Path) -> None:
    network = reference(**SMALL, distilled=True)
    source, out = save_segmenter(tmp_path, network), tmp_path / "student.pth"
    teacher = load_checkpoint(source)
    # Scaled alike: values of every size would be nothing to compare.
    state = {name: t * 1.1 if "running" not in name else t for name, t in teacher.state.items()}
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    written(source, out, state)

    read = Reference(network.config).eval()
    read.load_state_dict(torch.load(out, weights_only=True)["model"])  # noqa: TID251 - written a moment ago
    with torch.inference_mode():
        found, expected = load_checkpoint(out).build()(x), read(x)
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_token_that_did_not_move_keeps_its_two_numbers(tmp_path: Path) -> None:
    source, out = segmenter(tmp_path), tmp_path / "student.pth"
    state = {name: t.clone() for name, t in load_checkpoint(source).state.items()}
    state["patch_embed.prefix"][0, 0, 3] += 1

    written(source, out, state)

    before, after = (torch.load(p, weights_only=True)["model"] for p in (source, out))  # noqa: TID251 - as above
    moved = {
        name: (before[name] != after[name]).nonzero().tolist()
        for name in before
        if not torch.equal(before[name], after[name])
    }
    assert moved == {"encoder.cls_token": [[0, 0, 3]], "encoder.pos_embed": [[0, 0, 3]]}
    assert after["encoder.pos_embed"][0, 0, 3] == 0


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_of_halves_the_nearest_half_is_read(kind: torch.dtype, tmp_path: Path) -> None:
    source, out = tmp_path / "half.pth", tmp_path / "student.pth"
    tensors = segmenter_state(reference(**SMALL))
    # A token and a position that nearly cancel: rounded apart they would not be near their sum.
    tensors["encoder.cls_token"] = 0.01 - tensors["encoder.pos_embed"][:, :1]
    torch.save({"model": {name: tensor.to(kind) for name, tensor in tensors.items()}}, source)
    layout = layout_of(source, ReadChoices())
    state = {name: tensor * 1.01 for name, tensor in layout.checkpoint.state.items()}

    written(source, out, state)

    read = load_checkpoint(out).state
    assert_same(read, {name: tensor.to(kind).float() for name, tensor in state.items()})
    assert_same(rounded(layout, state), read)


def test_safetensors_and_a_network_that_lies_there_twice(tmp_path: Path) -> None:
    tensors = segmenter_state(reference(**SMALL))
    safe, twice = tmp_path / "a.safetensors", tmp_path / "a.pth"
    save_file(tensors, safe)
    torch.save({"model": tensors, "state_dict": {n: t.clone() for n, t in tensors.items()}}, twice)

    for source in (safe, twice):
        out = source.with_stem("student")
        state = changed(load_checkpoint(source))
        written(source, out, state)
        assert_same(load_checkpoint(out).state, state)


def test_channels_of_a_bgr_network_are_turned_back(tmp_path: Path) -> None:
    source, out = segmenter(tmp_path), tmp_path / "student.pth"
    choices = ReadChoices(colors="bgr")
    state = changed(load_checkpoint(source, choices=choices))

    written(source, out, state, choices)

    assert_same(load_checkpoint(out, choices=choices).state, state)
    stored = torch.load(out, weights_only=True)["model"]  # noqa: TID251 - as above
    first = stored["encoder.patch_embed.proj.weight"]
    assert torch.equal(first, state["patch_embed.conv.weight"].flip(1))


# --- variant.yml


def test_what_describes_a_segmenter_goes_along_to_another_folder(tmp_path: Path) -> None:
    source, out = segmenter(tmp_path, distilled=True), tmp_path / "other" / "student.pth"
    out.parent.mkdir()
    state = changed(load_checkpoint(source))

    written(source, out, state)
    written(source, out, state)

    assert {path.name for path in out.parent.iterdir()} == {
        "student.pth", "student.pth.json", "variant.yml",
    }  # fmt: skip
    assert (out.parent / "variant.yml").read_bytes() == (tmp_path / "variant.yml").read_bytes()
    assert load_checkpoint(out).origins == load_checkpoint(source).origins


@pytest.mark.parametrize("teachers", ["another one", "none"])
def test_beside_what_describes_another_network_no_student_is_written(
    teachers: str, tmp_path: Path
) -> None:
    source, out = segmenter(tmp_path), tmp_path / "other" / "student.pth"
    out.parent.mkdir()
    (out.parent / "variant.yml").write_text("net_kwargs: {}\n")
    if teachers == "none":
        (tmp_path / "variant.yml").unlink()
    layout = layout_of(source, ReadChoices())

    with pytest.raises(OutputError, match="is of another network") as told:
        with_target(layout, out, as_folder=False)

    found = "none" if teachers == "none" else "another one"
    assert told.value.facts == (f"beside {source}: {found}",)
    assert (out.parent / "variant.yml").read_text() == "net_kwargs: {}\n"


def test_what_describes_a_segmenter_is_not_replaced_by_its_student(tmp_path: Path) -> None:
    layout = layout_of(segmenter(tmp_path), ReadChoices())

    with pytest.raises(OutputError, match=r"variant\.yml is what checkpoint\.pth is described by"):
        with_target(layout, tmp_path / "variant.yml", as_folder=False)
