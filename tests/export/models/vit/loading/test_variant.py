"""variant.yml is read without running anything in it, within limits.

Tests models/vit/loading/variant.py.
"""

import sys
from pathlib import Path

import pytest

from segpp.errors import CheckpointError, MissingError
from segpp.export.models.vit.loading.variant import Variant, read_variant
from segpp.ops.grid import Size


def read(tmp_path: Path, text: str | bytes) -> Variant | None:
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "variant.yml").write_bytes(data)
    return read_variant(tmp_path / "checkpoint.pth")


def test_without_the_file_nothing_is_said(tmp_path: Path) -> None:
    assert read_variant(tmp_path / "checkpoint.pth") is None


def test_what_it_does_not_say_is_left_open(tmp_path: Path) -> None:
    assert read(tmp_path, "net_kwargs: {}") == Variant()


@pytest.mark.parametrize(
    "size", ["!!python/tuple [64, 96]", "[64, 96]", "!!python/tuple\n  - 64\n  - 96"]
)
def test_sizes_are_read_as_python_wrote_them(tmp_path: Path, size: str) -> None:
    found = read(tmp_path, f"net_kwargs:\n  image_size: {size}")

    assert found is not None
    assert found.size == Size(64, 96)


def _bomb() -> str:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join([*levels, "net_kwargs: {image_size: *a9}"])


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "code": ("net_kwargs: !!python/object/apply:os.system ['true']", "is not YAML that"),
    "a name": ("net_kwargs: !!python/name:os.system", "is not YAML that segpp reads"),
    "a bomb of aliases": (_bomb(), "more than 16 aliases"),
    "deep brackets": ("[" * 20_000, "is not YAML that segpp reads"),
    "a large file": ("#" * 100_000, "is 100,000 bytes, too large"),
    "no text": (b"\xff\xfe\x00\xd8", "is not YAML that segpp reads"),
    "a list": ("[1, 2]", "does not describe a Segmenter"),
    "no network": ("dataset_kwargs: {}", "does not describe a Segmenter"),
    "an odd key": ("net_kwargs: {[1, 2]: 3}", "is not YAML that segpp reads"),
    "a word for a number": ("net_kwargs: {n_heads: many}", r"net_kwargs\.n_heads as a str"),
    "a nought": ("net_kwargs: {n_heads: 0}", r"net_kwargs\.n_heads as 0"),
    "a huge number": (f"net_kwargs: {{n_heads: {'9' * 9000}}}", "is not YAML that segpp reads"),
    "an unknown word": ("net_kwargs: {normalization: clip}", "as 'clip'\n  known: vit, deit"),
    "three sides": ("net_kwargs: {image_size: [1, 2, 3]}", r"image_size as \[1, 2, 3\]\n"),
    "a date": ("net_kwargs: {d_model: 2001-99-99}", "is not YAML that segpp reads|as a str"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_hostile_or_wrong_is_one_sentence(tmp_path: Path, case: str) -> None:
    text, message = HOSTILE[case]

    with pytest.raises(CheckpointError, match=message) as caught:
        read(tmp_path, text)

    assert len(str(caught.value)) < 1000


def test_without_the_package_that_reads_it_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(MissingError, match="pip install pyyaml"):
        read(tmp_path, "net_kwargs: {}")
