"""Files appear whole or not at all, and what stood there before is not lost."""

import hashlib
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from segpp.errors import ImageError, InputError, OutputError
from segpp.utils.files import (
    atomic_write,
    check_file,
    check_writable,
    manifest_path,
    remove_parts,
    sha256_of,
    write_whole,
)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond ``size`` bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def test_the_manifest_keeps_the_whole_name() -> None:
    assert manifest_path(Path("a/b.c.onnx")) == Path("a/b.c.onnx.json")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_fingerprint_is_that_of_the_whole_file(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "a").write_bytes(content)

    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_file_with_one_byte_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0")

    check_file(tmp_path / "a", kind="model")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none", "image .*none does not exist"),
        ("dangling", "image .*dangling does not exist"),
        ("empty", "image .*empty is empty"),
        ("folder", "image .*folder is a folder"),
        ("pipe", "image .*pipe is a device or a pipe"),
        ("empty/inside", "image .*inside does not exist"),
        ("x" * 300, r"cannot be read\n  File name too long"),
    ],
)
def test_what_is_no_file_is_told_with_the_callers_error(
    tmp_path: Path, name: str, problem: str
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ImageError, match=problem):
        check_file(tmp_path / name, kind="image", error=ImageError)


def test_the_check_before_writing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")

    check_writable(tmp_path / "new")
    check_writable(tmp_path / "old")

    assert contents(tmp_path) == {"old": b"old"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("folder", "is a folder\n  hint: give the name of a file"),
        ("none/a", "No such file or directory\n  hint: create the folder first"),
        ("file/a", "Not a directory"),
        ("pipe", "is a device or a pipe"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_place_that_takes_no_file_is_found_before(
    tmp_path: Path, name: str, problem: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"1")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(OutputError, match=problem):
        check_writable(tmp_path / name)

    assert sorted(tmp_path.rglob("*")) == before


def test_the_null_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(OutputError, match="/dev/null is a device or a pipe"):
        check_writable(Path(os.devnull))


def test_a_full_disk_is_found_before_and_nothing_stays(tmp_path: Path) -> None:
    with (
        largest_file(0),
        pytest.raises(OutputError, match="File too large\n  hint: raise the limit"),
    ):
        check_writable(tmp_path / "a")

    assert contents(tmp_path) == {}


def test_both_files_appear_and_nothing_else(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"old a")

    with atomic_write(a, b) as (part_a, part_b):
        part_a.write_bytes(b"new a")
        part_b.write_bytes(b"new b")
        assert a.read_bytes() == b"old a"
        assert not b.exists()

    assert contents(tmp_path) == {"a": b"new a", "b": b"new b"}


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), InputError("no"), ValueError("no"), MemoryError()], ids=repr
)
def test_what_stood_there_before_survives_a_failure(tmp_path: Path, failure: BaseException) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"old")

    with pytest.raises(type(failure)), atomic_write(a, b) as (part, _):  # noqa: PT012 - the block is what fails
        part.write_bytes(b"half")
        raise failure

    assert contents(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("old", [{}, {"a": b"old a"}, {"b": b"old b"}], ids=str)
def test_a_part_that_was_never_written_undoes_the_others(
    tmp_path: Path, old: dict[str, bytes]
) -> None:
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)

    with (
        pytest.raises(OutputError, match="cannot write"),
        atomic_write(tmp_path / "a", tmp_path / "b") as (part, _),
    ):
        part.write_bytes(b"new")

    assert contents(tmp_path) == old


def test_a_folder_in_the_way_of_the_second_file_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    worked = False

    with pytest.raises(OutputError, match="b is a folder"):  # noqa: SIM117 - worked is about the inner block
        with atomic_write(tmp_path / "a", tmp_path / "b"):
            worked = True

    assert not worked
    assert contents(tmp_path) == {"a": b"old", "b": None}


@pytest.mark.parametrize("old", [{}, {"a": b"old"}], ids=["new", "old"])
def test_when_the_second_file_cannot_be_moved_the_first_is_as_before(
    tmp_path: Path, old: dict[str, bytes]
) -> None:
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)

    def write() -> None:
        with atomic_write(tmp_path / "a", tmp_path / "b") as parts:
            for part in parts:
                part.write_bytes(b"new")
            # Somebody makes a folder of that name while we work.
            (tmp_path / "b").mkdir()

    with pytest.raises(OutputError, match="cannot write"):
        write()

    assert contents(tmp_path) == {**old, "b": None}


def test_a_disk_that_fills_up_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")

    with (
        largest_file(10),
        pytest.raises(OutputError, match=r"cannot write .*a\n  File too large"),
        atomic_write(tmp_path / "a") as (part,),
    ):
        part.write_bytes(b"longer than ten bytes")

    assert contents(tmp_path) == {"a": b"old"}


def test_the_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()

    with atomic_write(tmp_path / "a") as (part,):
        part.write_bytes(b"1")

    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_two_threads_that_write_one_pair_of_files_do_not_break_each_other(tmp_path: Path) -> None:
    """Each pair is of one writer, whoever is the last."""
    a, b = tmp_path / "a", tmp_path / "b"
    both_inside = Barrier(2)

    def write(content: bytes) -> None:
        for turn in range(20):
            check_writable(a)
            with atomic_write(a, b) as parts:
                both_inside.wait(timeout=30)
                for part in parts:
                    part.write_bytes(content + bytes([turn]))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write, content) for content in (b"one", b"two")]:
            done.result()

    assert contents(tmp_path) in ({"a": last, "b": last} for last in (b"one\x13", b"two\x13"))


def test_a_part_tells_the_process_that_writes_it(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as (part,):
        part.write_bytes(b"1")
        names = re.fullmatch(r"\.segpp\.[.0-9a-f]+\.(\d+)-\d+\.part", part.name)

    assert names
    assert int(names[1]) == os.getpid()


def test_parts_of_a_process_that_was_killed_go_and_others_stay(tmp_path: Path) -> None:
    """The part of a live process stays, and so does what only looks like one."""
    write = (
        "import os, sys; from pathlib import Path; from segpp.utils.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as (part,):\n"
        "    part.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", write, tmp_path / "a"], check=False)
    assert killed.returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    mine = left.with_name(left.name.replace(left.name.split(".")[-2], str(os.getpid())))
    mine.write_bytes(b"of a process that lives")
    (tmp_path / ".a.12345.part").write_bytes(b"somebody's")

    check_writable(tmp_path / "b")

    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / ".a.12345.part", mine])


def test_what_stood_there_before_goes_too_where_the_move_was_killed(tmp_path: Path) -> None:
    write = (
        "import os, sys; from pathlib import Path; from segpp.utils import files\n"
        "files._flush = lambda path: path.is_dir() and os.kill(os.getpid(), 9)\n"
        "files.write_whole(Path(sys.argv[1]), b'new')"
    )
    (tmp_path / "a").write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", write, tmp_path / "a"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(contents(tmp_path)) == 2

    check_writable(tmp_path / "b")

    assert contents(tmp_path) == {"a": b"new"}


def test_a_name_as_long_as_the_disk_allows_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)

    with atomic_write(path) as (part,):
        part.write_bytes(b"1")

    assert path.read_bytes() == b"1"


def test_parts_are_removed_from_another_thread_before_the_end(tmp_path: Path) -> None:
    with pytest.raises(OutputError), atomic_write(tmp_path / "a") as (part,):  # noqa: PT012 - the end of the block is what fails
        part.write_bytes(b"half")
        remove_parts()

    assert contents(tmp_path) == {}


def test_a_file_written_while_another_is_says_which_of_the_two_failed(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write .*scratch\.onnx\n"),
        atomic_write(tmp_path / "out.onnx"),
        largest_file(4096),
    ):
        write_whole(tmp_path / "scratch.onnx", bytes(8192))

    assert contents(tmp_path) == {}
