"""What is compiled once is kept beside its file, and replaced where it is not what it should be."""

import os
from pathlib import Path

import pytest

from segpp.runtime.backends._compile_cache import cache_key, compiled_path, load, store

KEY = cache_key("file", "1.0")
BLOB = bytes(range(256))


def test_what_is_kept_is_found_again_beside_the_network(tmp_path: Path) -> None:
    path = compiled_path(tmp_path / "b0.onnx", "openvino-fp32-2")

    store(path, KEY, BLOB)

    assert path == tmp_path / "b0.onnx.cache" / "openvino-fp32-2.blob"
    assert load(path, KEY) == BLOB


def test_nothing_is_found_where_nothing_was_kept(tmp_path: Path) -> None:
    assert load(tmp_path / "none.blob", KEY) is None


def test_what_was_kept_for_another_version_is_not_used(tmp_path: Path) -> None:
    store(tmp_path / "x.blob", KEY, BLOB)

    assert load(tmp_path / "x.blob", cache_key("file", "1.1")) is None


@pytest.mark.parametrize("place", [0, 30, 60, 100, -1])
def test_one_changed_bit_anywhere_is_noticed(tmp_path: Path, place: int) -> None:
    store(tmp_path / "x.blob", KEY, BLOB)
    content = bytearray((tmp_path / "x.blob").read_bytes())
    content[place] ^= 1
    (tmp_path / "x.blob").write_bytes(content)

    assert load(tmp_path / "x.blob", KEY) is None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    store(tmp_path / "file" / "x.blob", KEY, BLOB)

    assert load(tmp_path / "file" / "x.blob", KEY) is None


def test_a_key_tells_its_parts_apart() -> None:
    assert (
        len({cache_key("ab", "c"), cache_key("a", "bc"), cache_key("abc"), cache_key("abc", "")})
        == 4
    )


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_in_its_place_is_nothing_kept(tmp_path: Path, kind: str) -> None:
    """A pipe may never begin, and a device never end."""
    path = tmp_path / "x.blob"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")

    assert load(path, cache_key("a")) is None
