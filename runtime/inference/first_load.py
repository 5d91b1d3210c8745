"""A file that was written where nothing could run it proves itself where it is first loaded.

An engine built for another GPU, or an INT8 file for a library that was not there, has a certificate
and has never been run. The first session on it runs the certificate's pictures before any of the
user's. What was proved is noted in ``x.engine.verified.json`` beside it, once for each machine and
library, so that it happens once.
"""

import json
from pathlib import Path
from typing import Any

from segpp import __version__
from segpp.certificate.sealed import read_certificate
from segpp.errors import CheckError, ManifestError, OutputError
from segpp.manifest import Manifest
from segpp.runtime.inference.session import Session
from segpp.runtime.system.hardware import this_machine
from segpp.runtime.verification.replay import Replayed, replay
from segpp.utils.files import write_whole
from segpp.utils.overwrite import is_own

__all__ = ["check_first_load", "note_passed", "verified_path"]

_UNPROVED = (
    "the engine was built where it did not run, and has no certificate to be proved by: build it "
    "of a file that has one"
)

_SCHEMA = 1
_MAX_BYTES = 1 << 20
# The oldest are forgotten: nobody moves one file through more machines.
_MOST_MACHINES = 64


def verified_path(path: Path) -> Path:
    """Return where it is noted that a file has been proved: ``x.onnx.verified.json``."""
    return path.with_name(path.name + ".verified.json")


def check_first_load(path: Path, session: Session, *, precision: str = "fp32") -> tuple[str, ...]:
    """Prove a file that has never run, unless that has happened on this machine.

    Args:
        path: The file.
        session: On it, filled as its manifest says.
        precision: What its FP32 is computed in.

    Returns:
        What there is to say of it, a sentence each.

    Raises:
        CheckError: The masks are not those of its certificate, or are infinite.
    """
    proof, engine = session.manifest.certificate, session.manifest.engine
    if proof is None and engine is not None and not engine.ran:
        return (_UNPROVED,)
    if proof is None or proof.ran:
        return ()
    machine = _machine(session.description, precision)
    if machine in _passed(path, session.manifest):
        return ()
    try:
        _, proof, probes = read_certificate(path)
    except ManifestError as failure:
        return (f"it has never been run, and cannot be proved here: {failure.problem}",)
    pictures = replay(session, proof, probes, precision=precision)
    if wrong := [one for one in pictures if not one.passed]:
        raise _refusal(path, session, wrong[0])
    told = f"first run on this machine: its masks are those of its certificate, by {machine}"
    return (told, *_note(path, session.manifest, machine))


def note_passed(path: Path, manifest: Manifest, description: str, precision: str = "fp32") -> None:
    """Note that a file which has never been run where it was written has been proved here."""
    if manifest.certificate is not None and not manifest.certificate.ran:
        _note(path, manifest, _machine(description, precision))


def _refusal(path: Path, session: Session, picture: Replayed) -> CheckError:
    worst = picture.classes[0]
    names = session.classes.names
    return CheckError(
        f"{path} gives other masks here than its certificate: {picture.agreement:.5f} of the "
        f"pixels of {picture.name} agree",
        f"asked for: {picture.min_agreement:g}; the most is lost of {names[worst.number]}, "
        f"{worst.expected - worst.agreeing:,} of {worst.expected:,} pixels",
        f"run by: {session.description}",
        hint=f"segpp-verify {path} --out DIR shows where; do not use this file here",
    )


def _machine(description: str, precision: str) -> str:
    """Return what masks may depend on: library, processor, GPU and its driver."""
    machine = this_machine()
    gpu = machine.gpu
    parts = [description, machine.board or machine.cpu.model, machine.architecture]
    if gpu.compute_capability:
        parts += [*gpu.names, f"compute capability {gpu.compute_capability}"]
        parts += [f"driver {gpu.driver}"] if gpu.driver else []
    return ", ".join([*parts, *([] if precision == "fp32" else [precision])])


def _passed(path: Path, manifest: Manifest) -> dict[str, Any]:
    """Return where the file has been proved; nothing of another file, or if the note is damaged."""
    beside = verified_path(path)
    try:
        if beside.stat().st_size > _MAX_BYTES:
            return {}
        noted = json.loads(beside.read_text(encoding="utf-8"))
        is_same = noted["schema"] == _SCHEMA and noted["file"] == manifest.file.sha256
        machines = noted["machines"] if is_same and noted["kind"] == "verified" else {}
        return machines if isinstance(machines, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _note(path: Path, manifest: Manifest, machine: str) -> tuple[str, ...]:
    beside = verified_path(path)
    if beside.exists() and not is_own(beside, "verified"):
        return (f"{beside} is not of segpp, and keeps it from being noted",)
    passed = list(_passed(path, manifest))[-_MOST_MACHINES + 1 :]
    noted = {
        "segpp": __version__,
        "schema": _SCHEMA,
        "kind": "verified",
        "file": manifest.file.sha256,
        "machines": dict.fromkeys([*passed, machine], True),
    }
    try:
        write_whole(beside, (json.dumps(noted, indent=2, ensure_ascii=False) + "\n").encode())
    except OutputError as failure:
        return (f"that could not be noted, and is done again every time: {failure.facts[0]}",)
    return ()
