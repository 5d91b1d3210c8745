"""File, manifest and certificate, each of which names the others by their hash.

    manifest     has the SHA-256 of the file and that of the certificate's file
    certificate  has the SHA-256 of all that the manifest says, but for its own hash

So a file, a manifest or a certificate of another network, or one that was changed afterwards, is
told from the one that was proved.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segpp.certificate.archive import MAX_BYTES, Archive, Probe, read_archive, render_archive
from segpp.errors import ManifestError
from segpp.manifest import Certificate, Manifest, read_manifest, render_manifest
from segpp.utils.files import certificate_path, check_file, difference, manifest_path
from segpp.utils.overwrite import is_own

__all__ = ["read_certificate", "remove_certificate", "sealed"]

# What a manifest says of the certificate's file, which is written after the rest.
_OWN = ("sha256", "bytes")
_HINT = "copy model, .json and .probe.zip together, as they were written; or write the file again"


def sealed(manifest: Manifest, probes: Sequence[Probe]) -> tuple[Manifest, bytes]:
    """Return a manifest and the bytes of its certificate's file, which belong together.

    Args:
        manifest: It has a certificate, whose own hash is yet to be filled in.
        probes: The pictures and labels.
    """
    if manifest.certificate is None:
        raise ValueError("the manifest has no certificate")
    archive = render_archive(Archive(_digest(json.loads(render_manifest(manifest))), tuple(probes)))
    if len(archive) > MAX_BYTES:
        raise ValueError(f"a certificate of {len(archive):,} bytes would not be read")
    digest = hashlib.sha256(archive).hexdigest()
    proof = replace(manifest.certificate, sha256=digest, bytes=len(archive))
    return replace(manifest, certificate=proof), archive


def read_certificate(path: Path) -> tuple[Manifest, Certificate, tuple[Probe, ...]]:
    """Read the manifest and the certificate beside a file, and compare all three.

    Raises:
        ManifestError: There is no certificate, or one of the three is damaged or another one.
        InputError: The file cannot be read.
    """
    check_file(path, kind="file")
    _check_siblings(path)
    manifest = read_manifest(path)
    proof = manifest.certificate
    if proof is None:
        raise ManifestError(f"{path} has no certificate", hint=_way_to_one(manifest))
    beside = certificate_path(path)
    if not beside.exists():
        raise ManifestError(
            f"the certificate {beside} does not exist", "its manifest tells of it", hint=_HINT
        )
    if (found := difference(beside, proof.bytes, proof.sha256)) is not None:
        raise ManifestError(
            f"{beside} is not the certificate that was written with {path}",
            f"written: {proof.sha256[:16]}…",
            f"found:   {found}",
            hint=_HINT,
        )
    archive = read_archive(beside, manifest.input.channels, len(manifest.classes.names))
    if archive.manifest != _digest(json.loads(manifest_path(path).read_text(encoding="utf-8"))):
        raise ManifestError(
            f"{manifest_path(path)} was changed after {beside} was written",
            "the certificate was written with another manifest",
            hint=_HINT,
        )
    _check_names(beside, proof, archive.probes)
    return manifest, proof, archive.probes


def remove_certificate(path: Path) -> None:
    """Remove the certificate of a file that is no longer there; what is none stays."""
    beside = certificate_path(path)
    if beside.is_file() and is_own(beside, "certificate"):
        beside.unlink()


def _check_siblings(path: Path) -> None:
    """Tell a sibling that was given in the network's place, and a network without its siblings."""
    for ending in (".json", ".probe.zip"):
        whose = path.with_name(path.name.removesuffix(ending))
        if path.name.endswith(ending) and whose.name:
            raise ManifestError(f"{path} lies beside a network, and is none", hint=f"give {whose}")
    if not manifest_path(path).exists():
        raise ManifestError(
            f"{path} has no manifest",
            f"expected beside it: {manifest_path(path).name}",
            hint=_HINT,
        )


def _check_names(beside: Path, proof: Certificate, probes: tuple[Probe, ...]) -> None:
    told = [(one.name, tuple(one.size)) for one in proof.probes]
    held = [(one.picture.name, one.expected.labels.shape) for one in probes]
    if all(one.expected.ties.all() for one in probes) or proof.tie_margin < 0:
        raise ManifestError(f"{beside} counts no pixel: it proves nothing")
    if told != held:
        raise ManifestError(
            f"{beside} holds other pictures than its manifest names", f"{told} and {held}"
        )


def _digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of what a manifest says, however its JSON is laid out."""
    proof = {k: v for k, v in manifest["certificate"].items() if k not in _OWN}
    text = json.dumps({**manifest, "certificate": proof}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _way_to_one(manifest: Manifest) -> str:
    if manifest.kind == "engine":
        return (
            "build it again from an ONNX file that has one: "
            f"segpp-build-engine {manifest.source.name} {manifest.file.name}"
        )
    if manifest.calibration:
        return f"calibrate it again from a float file that has one: {manifest.source.name}"
    command = f"segpp-export {manifest.source.name} {manifest.file.name}"
    return f"export it again, without --no-check: {command}"
