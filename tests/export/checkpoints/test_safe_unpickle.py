"""Nothing in a checkpoint is ever run, whatever it is packed in."""

import argparse
import io
import os
import pickle
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segpp.errors import CheckpointError
from segpp.export.checkpoints.pickle_globals import globals_in
from segpp.export.checkpoints.safe_unpickle import read_pickle


class Attack:
    """Creates a file when it is unpickled the ordinary way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def new_zip(value: object, path: Path) -> None:
    torch.save(value, path)


def legacy(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def plain(protocol: int) -> Callable[[object, Path], None]:
    def write(value: object, path: Path) -> None:
        path.write_bytes(pickle.dumps(value, protocol))

    return write


def packed_zip(value: object, path: Path) -> None:
    """What torch.save writes, packed again with compression."""
    original = io.BytesIO()
    torch.save(value, original)
    with zipfile.ZipFile(original) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name), zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("write", [new_zip, legacy, packed_zip])
def test_tensors_and_plain_values_come_back(
    write: Callable[[object, Path], None], tmp_path: Path
) -> None:
    value = {"w": torch.arange(6.0).view(2, 3), "meta": {"CLASSES": ("road", "sky"), "epoch": 3}}
    write(value, tmp_path / "x.pth")

    read = read_pickle(tmp_path / "x.pth")

    assert torch.equal(read["w"], value["w"])
    assert read["meta"] == value["meta"]


@pytest.mark.parametrize(
    "write", [new_zip, legacy, packed_zip, *(plain(protocol) for protocol in range(2, 6))]
)
def test_code_is_not_run_and_is_named(
    write: Callable[[object, Path], None], tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    write({"w": torch.zeros(1), "attack": Attack(mark)}, tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"x\.pth asks for posix\.system and was not read"):
        read_pickle(tmp_path / "x.pth")

    assert not mark.exists()


def test_the_attack_of_these_tests_does_work_with_an_ordinary_unpickler(tmp_path: Path) -> None:
    mark = tmp_path / "executed"

    pickle.loads(pickle.dumps(Attack(mark)))  # noqa: S301 - our own bytes

    assert mark.exists()


def test_a_builtin_is_refused_and_called_dangerous(tmp_path: Path) -> None:
    class Evaluates:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, ("1/0",)

    torch.save(Evaluates(), tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"(?s)asks for builtins\.eval .*do not open this"):
        read_pickle(tmp_path / "x.pth")


def test_a_whole_model_is_refused_with_advice_on_saving_its_weights(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pth")

    with pytest.raises(
        CheckpointError, match=r"(?s)asks for torch\.nn\.modules\.linear\.Linear.*state_dict\(\)"
    ):
        read_pickle(tmp_path / "x.pth")


def test_leftovers_of_mmengine_and_lightning_are_read_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history_buffer = foreign_class("mmengine.logging.history_buffer", "HistoryBuffer", monkeypatch)
    config_dict = foreign_class("mmengine.config.config", "ConfigDict", monkeypatch, base=dict)
    buffer = history_buffer()
    buffer.history = np.arange(3.0)
    buffer.last = np.float64(0.5)
    value = {
        "state_dict": OrderedDict(w=torch.ones(2)),
        "message_hub": {"log_scalars": {"loss": buffer}},
        "settings": config_dict(lr=0.1),
        "hyper_parameters": argparse.Namespace(root=Path("data")),
    }
    torch.save(value, tmp_path / "x.pth")
    monkeypatch.undo()

    read = read_pickle(tmp_path / "x.pth")

    assert torch.equal(read["state_dict"]["w"], torch.ones(2))
    assert read["settings"] == {"lr": 0.1}
    assert vars(read["message_hub"]["log_scalars"]["loss"]) == {}


def foreign_class(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch, base: type = object
) -> type[Any]:
    """A class that pickles under the given name, until the patch is undone."""
    made = type(name, (base,), {"__module__": module})
    holder = types.ModuleType(module)
    setattr(holder, name, made)
    monkeypatch.setitem(sys.modules, module, holder)
    for parent in (module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    return made


def test_a_zip_without_its_end_is_called_cut_short(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1000)}, tmp_path / "x.pth")
    whole = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(CheckpointError, match=r"(?s)x\.pth is cut short or damaged.*download"):
        read_pickle(tmp_path / "x.pth")


def test_a_legacy_file_without_its_end_is_an_error(tmp_path: Path) -> None:
    legacy({"w": torch.zeros(1000)}, tmp_path / "x.pth")
    whole = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(CheckpointError, match=r"(?s)cannot be read as a PyTorch.*cut short"):
        read_pickle(tmp_path / "x.pth")


def test_a_zip_of_something_else_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", w=np.zeros(2))

    with pytest.raises(CheckpointError, match=r"(?s)torch\.save did not write.*w\.npy"):
        read_pickle(tmp_path / "x.npz")


def test_a_torchscript_program_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({}, 2))
        archive.writestr("x/constants.pkl", pickle.dumps((), 2))

    with pytest.raises(CheckpointError, match=r"x\.pt is a TorchScript program"):
        read_pickle(tmp_path / "x.pt")


def test_a_tar_with_a_pickle_inside_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    with tarfile.open(tmp_path / "x.pth", "w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            data = pickle.dumps(Attack(mark), 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

    with pytest.raises(CheckpointError):
        read_pickle(tmp_path / "x.pth")

    assert not mark.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_globals_are_found_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([OrderedDict(), Attack(tmp_path)], protocol))

    assert globals_in(tmp_path / "x.pkl") == ["collections.OrderedDict", "posix.system"]


@pytest.mark.parametrize("write", [new_zip, legacy])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(flips=st.lists(st.tuples(st.integers(-800, 800), st.integers(0, 255)), min_size=1))
def test_damaged_bytes_give_a_value_or_our_error(
    write: Callable[[object, Path], None], flips: list[tuple[int, int]], tmp_path: Path
) -> None:
    """Any other exception would reach the user as a traceback."""
    write({"w": torch.zeros(3)}, tmp_path / "x.pth")
    damaged = bytearray((tmp_path / "x.pth").read_bytes())
    for position, value in flips:
        # Both ends of a file hold its structure.
        damaged[position % len(damaged)] = value
    (tmp_path / "x.pth").write_bytes(damaged)

    with suppress(CheckpointError):
        read_pickle(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("record", "offset"),
    [
        (b"PK\x01\x02", 6),  # an entry that only a later version of zip could read
        (b"PK\x06\x07", 16),  # an archive that continues on other disks
    ],
)
def test_a_zip_of_an_unreadable_kind_is_called_damaged(
    record: bytes, offset: int, tmp_path: Path
) -> None:
    new_zip({"w": torch.zeros(3)}, tmp_path / "x.pth")
    damaged = bytearray((tmp_path / "x.pth").read_bytes())
    damaged[damaged.rindex(record) + offset] = 125
    (tmp_path / "x.pth").write_bytes(damaged)

    with pytest.raises(CheckpointError, match=r"cut short or damaged"):
        read_pickle(tmp_path / "x.pth")
