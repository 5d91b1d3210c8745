"""The system's own files, and what stands in for those that are not there."""

from pathlib import Path

import pytest

from segpp.runtime.system.system_files import read_system_file, read_thousandths


def test_a_text_comes_without_what_surrounds_it(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"NVIDIA Jetson\0\n")

    assert read_system_file(tmp_path / "model") == "NVIDIA Jetson"


def test_what_is_no_text_is_replaced_and_what_is_not_there_is_empty(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"a\xffb")

    assert read_system_file(tmp_path / "odd") == "a\N{REPLACEMENT CHARACTER}b"
    assert read_system_file(tmp_path / "none") == ""
    assert read_system_file(tmp_path) == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("48500\n", 48.5), ("-3000", -3.0), ("broken", None), ("", None), ("1.5", None)],
)
def test_thousandths_are_numbers_or_nothing(
    tmp_path: Path, text: str, number: float | None
) -> None:
    (tmp_path / "temp").write_text(text)

    assert read_thousandths(tmp_path / "temp") == number
