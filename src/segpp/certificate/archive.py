"""The pictures of a certificate and their labels, as one file: ``x.onnx.probe.zip``.

    proof.json           {"segpp": …, "schema": 1, "kind": "certificate", "manifest": …, …}
    street.jpg           the picture; or street.png
    street.labels.png    16 bits: the class of each pixel plus one, 0 for none
    street.ties.png      1 bit: the pixels that do not count

Entries are stored, not compressed (pictures are so already), their dates are fixed, and any viewer
shows them. Read as all that comes from outside: nothing is unpacked to the disk, and sizes are
judged before anything of their size is made.
"""

import hashlib
import io
import json
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp import __version__
from segpp.certificate.labels import Expected
from segpp.certificate.pictures import Picture, decoded
from segpp.errors import ManifestError
from segpp.images.postprocess import UINT8_CLASSES
from segpp.utils.files import check_file

__all__ = ["ARCHIVE_SCHEMA", "MAX_BYTES", "Archive", "Probe", "read_archive", "render_archive"]

ARCHIVE_SCHEMA = 1

# A certificate is some two hundred kilobytes.
MAX_BYTES = 4 << 20
_MAX_ENTRIES = 64
_MAX_JSON_BYTES = 1 << 16
_MAX_PIXELS = 1 << 22
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PROOF = "proof.json"
_FORMATS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}
# Zip knows no date before it; the same certificate is the same bytes at any time.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_DAMAGED_HINT = "write the file again: segpp-export, segpp-calibrate or segpp-build-engine"


@dataclass(frozen=True)
class Probe:
    """A picture, and what its mask must be.

    Attributes:
        pixels_differ: Whether the picture decodes to other pixels here than where it was written.
    """

    picture: Picture
    expected: Expected
    pixels_differ: bool = False


@dataclass(frozen=True)
class Archive:
    """What a certificate's file holds.

    Attributes:
        manifest: SHA-256 of all that the manifest says, but for this file's own hash.
    """

    manifest: str
    probes: tuple[Probe, ...]


def render_archive(archive: Archive) -> bytes:
    """Return a certificate as the bytes of its file, the same for the same contents."""
    pixels = {one.picture.name: _digest(one.picture.pixels) for one in archive.probes}
    proof = {
        "segpp": __version__,
        "schema": ARCHIVE_SCHEMA,
        "kind": "certificate",
        "manifest": archive.manifest,
        "pixels": pixels,
    }
    entries = {_PROOF: json.dumps(proof, indent=2).encode()}
    for probe in archive.probes:
        entries |= _entries(probe)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive_file:
        for name, content in entries.items():
            archive_file.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def read_archive(path: Path, channels: int, classes: int) -> Archive:
    """Read a certificate's file.

    Args:
        path: The file.
        channels: Of the network's pictures.
        classes: How many the network has.

    Raises:
        ManifestError: It is missing, too large, damaged, or no certificate.
    """
    check_file(path, kind="certificate", error=ManifestError)
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ManifestError(f"{path} is {size:,} bytes, too large for a certificate")
    try:
        with (
            warnings.catch_warnings(),
            zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive,
        ):
            warnings.simplefilter("ignore")
            return _read(archive, channels, classes)
    except Exception as failure:
        # Bytes made to harm make zip's, JSON's and Pillow's parsers raise a dozen kinds of error.
        reason = str(failure) or type(failure).__name__
        raise ManifestError(
            f"{path} is no certificate, or damaged", f"{reason:.160}", hint=_DAMAGED_HINT
        ) from failure


def _entries(probe: Probe) -> dict[str, bytes]:
    picture, expected = probe.picture, probe.expected
    ending = next(end for start, end in _FORMATS.items() if picture.file.startswith(start))
    # int32 has no class as -1, uint8 as 255 among classes that are fewer.
    labels = (expected.labels.astype(np.int32) + 1).astype(np.uint16)
    return {
        f"{picture.name}.{ending}": picture.file,
        f"{picture.name}.labels.png": _png(Image.fromarray(labels)),
        f"{picture.name}.ties.png": _png(Image.fromarray(expected.ties)),
    }


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _read(archive: zipfile.ZipFile, channels: int, classes: int) -> Archive:
    contents = _contents(archive)
    proof = json.loads(contents.pop(_PROOF)[:_MAX_JSON_BYTES])
    if proof["kind"] != "certificate" or proof["schema"] != ARCHIVE_SCHEMA:
        raise ValueError(f"its schema is {proof['schema']!r:.40}, and {ARCHIVE_SCHEMA} is read")
    manifest, pixels = proof["manifest"], proof["pixels"]
    if not isinstance(manifest, str) or not isinstance(pixels, dict) or not pixels:
        raise TypeError("its proof names no manifest and no pictures")
    probes = tuple(_probe(name, contents, channels, classes, pixels) for name in pixels)
    if contents:
        raise ValueError(f"it holds {min(contents)!r:.80} besides its pictures")
    return Archive(manifest, probes)


def _contents(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Return every entry; their sizes are the file's own, since none is compressed."""
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if len(entries) > _MAX_ENTRIES or len(names) != len(entries):
        raise ValueError(f"it holds {len(entries)} entries of {len(names)} names")
    packed = [e for e in entries if e.compress_type != zipfile.ZIP_STORED or e.flag_bits & 1]
    if packed:
        raise ValueError(f"its entry {packed[0].filename!r:.80} is compressed or encrypted")
    # Entries may be made to lie over each other.
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise ValueError("its entries are larger than a certificate")
    return {entry.filename: archive.read(entry) for entry in entries}


def _probe(
    name: str, contents: dict[str, bytes], channels: int, classes: int, pixels: dict[str, Any]
) -> Probe:
    if not _NAME.fullmatch(name):
        raise ValueError(f"it names a picture {name!r:.80}")
    file = contents.pop(f"{name}.jpg", b"") or contents.pop(f"{name}.png")
    _check_size(file)
    picture = Picture(name, file, decoded(file, channels))
    size = picture.pixels.shape[:2]
    labels = _labels(contents.pop(f"{name}.labels.png"), size, classes)
    ties = _image(contents.pop(f"{name}.ties.png"), size).astype(bool)
    differ = _digest(picture.pixels) != pixels[name]
    return Probe(picture, Expected(labels, ties), differ)


def _labels(file: bytes, size: tuple[int, ...], classes: int) -> NDArray[Any]:
    stored = _image(file, size).astype(np.int32) - 1
    kind = np.uint8 if classes <= UINT8_CLASSES and stored.min() >= 0 else np.int32
    labels: NDArray[Any] = stored.astype(kind)
    return labels


def _image(file: bytes, size: tuple[int, ...]) -> NDArray[Any]:
    _check_size(file)
    with Image.open(io.BytesIO(file), formats=("PNG",)) as image:
        values = np.array(image)
    if values.shape != tuple(size):
        raise ValueError(f"labels {values.shape} of a picture {tuple(size)}")
    return values


def _check_size(file: bytes) -> None:
    # The header tells it; nothing is decoded yet.
    with Image.open(io.BytesIO(file), formats=("JPEG", "PNG")) as image:
        width, height = image.size
    if width * height > _MAX_PIXELS:
        raise ValueError(f"a picture of {height:,}x{width:,} pixels")
