"""The file of a certificate: the same bytes for the same contents, and hostile until read whole."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.certificate.archive import MAX_BYTES, Archive, Probe, read_archive, render_archive
from segpp.certificate.labels import Expected
from segpp.certificate.pictures import pictures_for
from segpp.errors import ManifestError
from segpp.utils.overwrite import is_own

Entries = dict[str, bytes]


def probe(classes: int = 19, channels: int = 3) -> Probe:
    picture = pictures_for(channels)[-1]
    draw = np.random.default_rng(0)
    size = picture.pixels.shape[:2]
    labels = draw.integers(0, classes, size).astype(np.uint8 if classes < 256 else np.int32)
    # What a crop leaves out.
    labels[0, 0] = 255 if classes < 256 else -1
    return Probe(picture, Expected(labels, draw.random(size) < 0.01))


ARCHIVE = Archive("0" * 64, (probe(),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "b0.onnx.probe.zip"
    file.write_bytes(render_archive(ARCHIVE))
    return file


def rewritten(path: Path, change: Callable[[Entries], object], method: int = 0) -> None:
    """Write the entries of an archive anew, changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(("classes", "channels"), [(2, 3), (19, 3), (256, 1), (300, 4)])
def test_what_is_read_is_what_was_written(tmp_path: Path, classes: int, channels: int) -> None:
    given = probe(classes, channels)
    path = tmp_path / "a.probe.zip"
    path.write_bytes(render_archive(Archive("1" * 64, (given,))))

    found = read_archive(path, channels, classes)

    [one] = found.probes
    assert found.manifest == "1" * 64
    assert one.picture.name == given.picture.name
    assert np.array_equal(one.picture.pixels, given.picture.pixels)
    assert one.expected.labels.dtype == given.expected.labels.dtype
    assert np.array_equal(one.expected.labels, given.expected.labels)
    assert np.array_equal(one.expected.ties, given.expected.ties)
    assert not one.pixels_differ


def test_the_same_contents_are_the_same_bytes() -> None:
    assert render_archive(ARCHIVE) == render_archive(ARCHIVE)


def test_it_may_be_replaced_by_another_and_nothing_else_is_one(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "photos.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("proof.json", "{}")

    assert is_own(path, "certificate")
    assert not is_own(other, "certificate")


def test_a_picture_that_decodes_otherwise_here_is_told(path: Path) -> None:
    def lie(entries: Entries) -> None:
        proof = json.loads(entries["proof.json"])
        proof["pixels"]["patches"] = "f" * 64
        entries["proof.json"] = json.dumps(proof).encode()

    rewritten(path, lie)

    assert read_archive(path, 3, 19).probes[0].pixels_differ


def png(size: tuple[int, int], mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


def proof_with(**keys: object) -> Callable[[Entries], object]:
    def change(entries: Entries) -> None:
        proof = {**json.loads(entries["proof.json"]), **keys}
        entries["proof.json"] = json.dumps(proof).encode()

    return change


HOSTILE: dict[str, tuple[Callable[[Entries], object], str]] = {
    "no proof": (lambda e: e.pop("proof.json"), "proof.json"),
    "no JSON": (lambda e: e.update({"proof.json": b"\x80\x04pickle"}), ""),
    "deep JSON": (lambda e: e.update({"proof.json": b"[" * 60_000}), ""),
    "long JSON": (lambda e: e.update({"proof.json": b" " * (1 << 17) + e["proof.json"]}), ""),
    "a list": (lambda e: e.update({"proof.json": b"[]"}), ""),
    "another kind": (proof_with(kind="manifest"), "schema"),
    "another schema": (proof_with(schema=2), "its schema is 2, and 1 is read"),
    "no pictures": (proof_with(pixels={}), "no pictures"),
    "pictures as a list": (proof_with(pixels=["patches"]), "no pictures"),
    "a way out": (proof_with(pixels={"../../etc/passwd": "0"}), "it names a picture"),
    "a picture that is not there": (proof_with(pixels={"street": "0"}), "street.png"),
    "a picture too many": (lambda e: e.update({"more.png": png((4, 4))}), "besides its pictures"),
    "no labels": (lambda e: e.pop("patches.labels.png"), "patches.labels.png"),
    "labels of another size": (
        lambda e: e.update({"patches.labels.png": png((7, 7))}),
        "labels",
    ),
    "labels in colour": (
        lambda e: e.update({"patches.labels.png": png((131, 181), "RGB")}),
        "labels",
    ),
    "a huge picture": (
        lambda e: e.update({"patches.png": png((6_000, 1_000))}),
        "a picture of 1,000x6,000 pixels",
    ),
    "a GIF": (lambda e: e.update({"patches.png": b"GIF89a" + bytes(50)}), ""),
    "a cut picture": (lambda e: e.update({"patches.png": e["patches.png"][:900]}), ""),
    "a hundred entries": (
        lambda e: e.update({f"{i}.png": b"" for i in range(100)}),
        "it holds 104 entries",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_made_to_harm_is_one_sentence(path: Path, case: str) -> None:
    change, reason = HOSTILE[case]
    rewritten(path, change)

    with pytest.raises(ManifestError, match=r"is no certificate, or damaged") as failure:
        read_archive(path, 3, 19)

    assert reason in str(failure.value)
    assert "hint: write the file again" in str(failure.value)


def test_a_bomb_of_zeros_is_not_unpacked(path: Path) -> None:
    rewritten(path, lambda e: e.update({"bomb": bytes(1 << 25)}), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < MAX_BYTES

    with pytest.raises(ManifestError, match="compressed or encrypted"):
        read_archive(path, 3, 19)


def test_a_file_too_large_is_not_opened(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(MAX_BYTES + 1)

    with pytest.raises(ManifestError, match="too large for a certificate"):
        read_archive(path, 3, 19)


def test_two_entries_of_one_name_are_refused(path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(path, "a") as archive,
    ):
        archive.writestr("proof.json", "{}")

    with pytest.raises(ManifestError, match="5 entries of 4 names"):
        read_archive(path, 3, 19)


def test_truncations_and_flipped_bytes_raise_nothing_but_our_error(path: Path) -> None:
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    refused = 0
    for trial in range(200):
        content = bytearray(whole[: draw.integers(1, len(whole))] if trial % 2 else whole)
        content[draw.integers(len(content))] ^= 1 << draw.integers(8)
        path.write_bytes(content)
        try:
            read_archive(path, 3, 19)
        except ManifestError:
            refused += 1

    # Zip's own checksums find all but what lies in headers that nobody reads.
    assert refused > 150
