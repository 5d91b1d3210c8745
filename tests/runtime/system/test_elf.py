"""Shared libraries are read without being loaded, and damaged ones end with a sentence."""

import random
import subprocess
from pathlib import Path

import pytest

from segpp.runtime.system.elf import read_shared_library

SOURCE = """
extern const char words[];
const char words[] = "one two";
int shown(void) { return 1; }
__attribute__((visibility("hidden"))) int hidden(void) { return 2; }
extern int elsewhere(void);
int calls(void) { return elsewhere(); }
__attribute__((constructor)) static void runs(void) { __builtin_trap(); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that ends the process that loads it."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "a.c").write_text(SOURCE)
    out = folder / "liba.so"
    command = ["cc", "-shared", "-fPIC", "-o", str(out), str(folder / "a.c")]
    subprocess.run(command, check=True)
    return out


def test_names_and_a_text_are_read_without_running_anything(library: Path) -> None:
    found = read_shared_library(library, "words")

    assert found.text == "one two"
    assert {"words", "shown", "calls"} <= found.symbols
    assert not {"hidden", "elsewhere"} & found.symbols


def test_a_symbol_that_is_not_there_has_no_text(library: Path) -> None:
    assert read_shared_library(library, "none").text is None


def test_stripped_of_its_own_symbols_it_says_the_same(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "stripped.so"
    subprocess.run(["strip", "-o", str(out), str(library)], check=True)

    assert read_shared_library(out, "words") == read_shared_library(library, "words")


def test_the_machine_is_that_of_the_header(library: Path, tmp_path: Path) -> None:
    data = bytearray(library.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    other = tmp_path / "arm.so"
    other.write_bytes(data)

    assert read_shared_library(other, "words").machine == "aarch64"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "only part of one"),
        (b"\x7fELF", "only part of one"),
        (b"MZ" + bytes(100), "does not begin as one"),
        (b"\x7fELF\x01\x01" + bytes(100), "no shared library of 64 bits"),
        (b"\x7fELF\x02\x02" + bytes(100), "no shared library of 64 bits"),
    ],
    ids=["empty", "cut", "another kind", "32 bits", "big-endian"],
)
def test_what_is_none_is_told(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(data)

    with pytest.raises(ValueError, match=told):
        read_shared_library(path, "words")


def test_no_damage_ends_otherwise_than_with_a_value_error(library: Path, tmp_path: Path) -> None:
    data, draw = library.read_bytes(), random.Random(0)  # noqa: S311 - a test's own draws
    path, refused = tmp_path / "damaged.so", 0
    for _ in range(400):
        damaged = bytearray(data[: draw.randrange(64, len(data))])
        for _ in range(draw.randrange(1, 9)):
            # The header and the tables at both ends are what is read.
            place = draw.choice((draw.randrange(64), draw.randrange(len(damaged))))
            damaged[place] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            read_shared_library(path, "words")
        except ValueError:
            refused += 1

    assert refused > 200
