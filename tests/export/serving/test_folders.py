"""Folders appear whole or not at all, and replace nothing that segpp did not write.

Tests serving/request.py too.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.errors import OutputError
from segpp.export.serving.base import SERVERS, Served, served_paths
from segpp.export.serving.folders import (
    check_folders,
    served_folders,
    write_served,
    writing_all,
)
from segpp.utils.files import manifest_path
from tests.helpers.commands import Completed

Command = Callable[..., Completed]
ALL = tuple(SERVERS)


def files_of(out: Path) -> tuple[Path, Path]:
    return out, manifest_path(out)


def write(out: Path, served: Served, servers: tuple[str, ...] = ALL) -> None:
    with writing_all(files_of(out), out, servers) as ((part, manifest_part), parts):
        part.write_bytes(served.data)
        manifest_part.write_text("{}")
        write_served(served, servers, parts)


def write_and_fail(out: Path, served: Served, failure: type[BaseException]) -> None:
    with writing_all(files_of(out), out, ALL) as ((part, _), parts):
        part.write_bytes(served.data)
        write_served(served, ALL, parts)
        raise failure


def checked(out: Path, *, force: bool = False, inputs: tuple[Path, ...] = ()) -> None:
    check_folders(out, ALL, inputs=inputs, force=force)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "street.onnx"


def test_every_folder_is_there_with_its_files(out: Path, served: Served) -> None:
    write(out, served)

    assert sorted(path.name for path in out.parent.iterdir()) == [
        *("street.deepstream", "street.isaac-ros", "street.onnx", "street.onnx.json"),
        "street.triton",
    ]
    for server, folder in served_folders(out, ALL).items():
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert found == {*SERVERS[server].names("street"), "segpp.json"}


def test_a_failure_leaves_neither_files_nor_folders(out: Path, served: Served) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(out, served, KeyboardInterrupt)

    assert list(out.parent.iterdir()) == []


def test_a_failure_leaves_a_folder_that_was_there(out: Path, served: Served) -> None:
    write(out, served)
    before = {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()}

    other = replace(served, data=b"other")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(out, other, ZeroDivisionError)

    assert {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()} == before


def test_what_segpp_wrote_is_replaced(out: Path, served: Served) -> None:
    write(out, served)

    checked(out)
    write(out, served)


def test_a_file_that_was_changed_since_is_kept_unless_forced(out: Path, served: Served) -> None:
    write(out, served)
    config = served_paths(out, "triton")["street/config.pbtxt"]
    config.write_text(config.read_text() + "instance_group { count: 2 }\n")

    with pytest.raises(OutputError, match="is not as segpp wrote it"):
        checked(out)
    checked(out, force=True)


def test_a_file_of_others_is_kept_unless_forced(out: Path) -> None:
    path = served_paths(out, "deepstream")["config_infer.txt"]
    path.parent.mkdir()
    path.write_text("[property]\n")

    with pytest.raises(OutputError, match="is not as segpp wrote it"):
        checked(out)
    checked(out, force=True)


@pytest.mark.parametrize("record", ["", "[]", '{"segpp": "1"}', '{"files": 3, "segpp": 1}', "{"])
def test_a_damaged_record_vouches_for_nothing(out: Path, served: Served, record: str) -> None:
    write(out, served)
    served_paths(out, "triton")["segpp.json"].write_text(record)

    with pytest.raises(OutputError, match="is not as segpp wrote it"):
        checked(out)


def test_an_input_is_never_replaced(out: Path) -> None:
    path = served_paths(out, "isaac-ros")["model.onnx"]
    path.parent.mkdir()
    path.write_bytes(b"checkpoint")

    with pytest.raises(OutputError, match="is the input itself"):
        checked(out, force=True, inputs=(path,))


@pytest.mark.parametrize("name", ["...onnx", "..onnx", "bad\udcff.onnx"])
def test_a_name_that_no_folder_can_have_is_refused(out: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot be served under its name"):
        checked(out.with_name(name), force=True)


def test_a_file_in_the_folders_place_is_told(out: Path) -> None:
    out.with_name("street.triton").write_text("")

    with pytest.raises(OutputError, match="is a file, and the folder for triton goes there"):
        checked(out, force=True)


def test_the_command_writes_the_folders_that_are_named(
    segpp: Command, tiny_checkpoint: Path, out: Path
) -> None:
    size = ("--size", "64x96", "--outputs", "both", "--no-check")
    done = segpp("export", tiny_checkpoint, out, *size, "--for", "triton,isaac-ros")

    assert done.returncode == 0, done.stderr
    assert f"for      triton: {out.with_name('street.triton')}/" in done.stdout
    record = json.loads(served_paths(out, "isaac-ros")["segpp.json"].read_text())
    assert record["server"] == "isaac-ros"
    assert record["files"].keys() == set(SERVERS["isaac-ros"].names("street"))
    assert not out.with_name("street.deepstream").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--for", "tritn"), "known: deepstream, engine, isaac-ros, triton"),
        (("--for", "deepstream"), "nvinfer divides all channels by one number"),
        (("--for", "isaac-ros"), "take --outputs labels or --outputs both"),
        (("--for", "isaac-ros"), "--for isaac-ros with --outputs logits"),
    ],
)
def test_the_command_refuses_before_it_traces_and_leaves_nothing(
    segpp: Command, tiny_checkpoint: Path, out: Path, words: tuple[str, ...], says: str
) -> None:
    done = segpp("export", tiny_checkpoint, out, "--size", "64x96", *words)

    assert done.returncode == 2
    assert says in done.stderr
    assert "tracing" not in done.stderr
    assert list(out.parent.iterdir()) == []


def test_a_check_that_fails_leaves_no_folder(
    segpp: Command, tiny_checkpoint: Path, out: Path, tmp_path: Path
) -> None:
    numbers = tmp_path / "owner.npz"
    np = pytest.importorskip("numpy")
    draws = np.random.default_rng(0)
    x = draws.standard_normal((1, 3, 64, 96)).astype(np.float32)
    logits = draws.standard_normal((1, 19, 16, 24)).astype(np.float32)
    np.savez(numbers, x=x, logits=logits)

    done = segpp(
        "export", tiny_checkpoint, out, "--size", "64x96", "--for", "triton", "--reference", numbers
    )

    assert done.returncode == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["owner.npz"]
