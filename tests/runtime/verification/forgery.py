"""Files with certificates made for tests, and certificates that were altered afterwards.

A forger who knows the format renews every hash: what he changed shows in the masks alone.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segpp.certificate.archive import Probe
from segpp.certificate.labels import Expected
from segpp.certificate.pictures import pictures_for
from segpp.certificate.prove import Proof, prove
from segpp.certificate.sealed import read_certificate, sealed
from segpp.manifest import FileInfo, Manifest, read_manifest, render_manifest
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import certificate_path, manifest_path, sha256_of

__all__ = ["certified", "edited", "resealed"]

Change = Callable[[dict[str, Any]], object]


def certified(path: Path, *, ran: bool = True) -> Path:
    """Give a file with a manifest a certificate of its own masks."""
    manifest = read_manifest(path)
    pictures = pictures_for(manifest.input.channels)
    with open_session(path) as session:
        masks = [session(picture.pixels).masks[0] for picture in pictures]
    nowhere = [np.zeros(mask.shape, bool) for mask in masks]
    probes = [
        Probe(picture, Expected(mask, ties))
        for picture, mask, ties in zip(pictures, masks, nowhere, strict=True)
    ]
    proof = Proof("itself", "a test", 0.0, ran=ran)
    _write(path, prove(manifest, probes, masks, proof), probes)
    return path


def edited(path: Path, change: Change) -> None:
    """Change the JSON of a file's manifest, and nothing else."""
    beside = manifest_path(path)
    value = json.loads(beside.read_text())
    change(value)
    beside.write_text(json.dumps(value))


def resealed(
    path: Path,
    *,
    manifest: Callable[[Manifest], Manifest] = lambda same: same,
    probe: Callable[[Probe], Probe] = lambda same: same,
    content: bytes | None = None,
) -> None:
    """Change a file, its manifest or its pictures, and make every hash fit again."""
    told, _, probes = read_certificate(path)
    if content is not None:
        path.write_bytes(content)
    about = FileInfo(path.name, sha256_of(path), path.stat().st_size)
    _write(path, replace(manifest(told), file=about), [probe(one) for one in probes])


def _write(path: Path, manifest: Manifest, probes: Sequence[Probe]) -> None:
    written, archive = sealed(manifest, probes)
    manifest_path(path).write_text(render_manifest(written))
    certificate_path(path).write_bytes(archive)
