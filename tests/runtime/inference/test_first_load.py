"""A file that has never been run proves itself where it is first loaded, once for each machine."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import segpp
from segpp.errors import CheckError
from segpp.runtime.inference import first_load
from segpp.runtime.inference.first_load import verified_path
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import certificate_path
from tests.runtime.verification.forgery import certified, resealed

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


@pytest.fixture
def path(network: Network) -> Path:
    """A file whose manifest says that nothing has run it."""
    return certified(network(), ran=False)


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The libraries that ran a certificate, in order; they do run it."""
    seen: list[str] = []
    really = first_load.replay

    def counted(session, *given, **more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202 - as theirs
        seen.append(session.description)
        return really(session, *given, **more)

    monkeypatch.setattr(first_load, "replay", counted)
    return seen


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_first_session_proves_the_file_and_the_next_ones_know(
    path: Path, backend: str, stripes: Stripes, replays: list[str]
) -> None:
    pytest.importorskip(backend)
    with open_session(path, backend=backend, cache=False) as first:
        [note] = first.notes
        assert first(stripes(32, 64)).masks[0].shape == (32, 64)
    with open_session(path, backend=backend, cache=False) as second:
        assert second.notes == ()

    assert note.startswith("first run on this machine: its masks are those of its certificate, by")
    assert len(replays) == 1
    noted = json.loads(verified_path(path).read_text())
    assert len(noted["machines"]) == 1
    assert backend in next(iter(noted["machines"]))


def test_another_library_proves_it_for_itself(path: Path, replays: list[str]) -> None:
    pytest.importorskip("openvino")
    for backend in ("onnxruntime", "openvino", "onnxruntime", "openvino"):
        open_session(path, backend=backend, cache=False).close()

    assert [name.partition(" ")[0] for name in replays] == ["onnxruntime", "openvino"]


def test_a_file_that_was_run_is_not_run_again(network: Network, replays: list[str]) -> None:
    path = certified(network())

    open_session(path).close()

    assert replays == []
    assert not verified_path(path).exists()


def test_masks_that_differ_are_refused_and_nothing_is_noted(path: Path) -> None:
    # Red, green and blue in another order: class 2 where class 0 should be.
    resealed(path, manifest=lambda m: m, content=_turned(path))

    for _ in range(2):
        with pytest.raises(CheckError, match=r"gives other masks here than its certificate") as one:
            open_session(path)
        assert "asked for: 0.999; the most is lost of " in str(one.value)
        assert "segpp-verify" in str(one.value)
    assert not verified_path(path).exists()


def _turned(path: Path) -> bytes:
    import onnx  # noqa: PLC0415 - the session runs without it

    model = onnx.load(path)
    # A graph that gives its channels in reverse.
    last = model.graph.node[-1]
    reverse = onnx.helper.make_tensor("turned", onnx.TensorProto.INT64, [3], [2, 1, 0])
    model.graph.initializer.append(reverse)
    name, last.output[0] = last.output[0], "straight"
    model.graph.node.append(onnx.helper.make_node("Gather", ["straight", "turned"], [name], axis=1))
    return bytes(model.SerializeToString())


def test_the_command_ends_with_1(path: Path, segpp: Callable[..., object], tmp_path: Path) -> None:
    resealed(path, content=_turned(path))

    done = segpp("run", path, _street(), "--out", tmp_path / "a.png")

    assert done.returncode == 1  # type: ignore[attr-defined]  # of a completed process
    assert not (tmp_path / "a.png").exists()


def _street() -> Path:
    return segpp.sample_image()


def test_a_note_of_another_file_counts_for_nothing(path: Path, replays: list[str]) -> None:
    open_session(path).close()
    noted = json.loads(verified_path(path).read_text())
    verified_path(path).write_text(json.dumps({**noted, "file": "0" * 64}))

    open_session(path).close()

    assert len(replays) == 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 1}', "[" * 100_000, "\0"])
def test_a_damaged_note_counts_for_nothing(path: Path, content: str, replays: list[str]) -> None:
    verified_path(path).write_text(content)

    open_session(path).close()

    assert len(replays) == 1
    if content:
        # It is not ours to replace.
        assert verified_path(path).read_text() == content


def test_where_nothing_can_be_written_it_is_proved_every_time(
    path: Path, replays: list[str]
) -> None:
    # As root permissions do not count; a folder in its place does.
    verified_path(path).mkdir()

    for _ in range(2):
        with open_session(path) as session:
            assert "keeps it from being noted" in session.notes[1]
    assert len(replays) == 2


def test_without_its_certificate_a_file_runs_and_says_so(path: Path, replays: list[str]) -> None:
    certificate_path(path).unlink()

    with open_session(path) as session:
        assert "has never been run, and cannot be proved here" in session.notes[0]
    assert replays == []


def test_a_file_that_was_proved_by_the_command_is_known(path: Path, replays: list[str]) -> None:
    assert segpp.verify(path).passed

    open_session(path).close()

    assert replays == []
