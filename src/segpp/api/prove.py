"""Files proved again: the masks of their certificates, on any machine, by any backend."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from segpp.api._types import OneOrMore, PathLike, checked_settings
from segpp.certificate.archive import Probe
from segpp.certificate.pictures import pictures_for
from segpp.errors import SegppError
from segpp.manifest import read_manifest
from segpp.runtime.backends.base import BackendConfig
from segpp.runtime.verification.differences import pictures_folder, write_pictures
from segpp.runtime.verification.divergence import Divergence, first_divergence
from segpp.runtime.verification.report import VerificationReport
from segpp.runtime.verification.verify import Refused, Verified, verify_file
from segpp.utils import arguments
from segpp.utils.files import check_file

__all__ = ["verify"]


def verify(
    models: OneOrMore,
    *,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    bisect: PathLike | None = None,
    out: PathLike | None = None,
    force: bool = False,
) -> VerificationReport:
    """Prove that files give the masks of their certificates here.

    Beside each file lie its manifest and its certificate: pictures, and what the reference labels
    them. Nothing else is needed: no torch, no onnx.

    Args:
        models: ONNX files or engines.
        backend, provider, threads, precision, cache: As in ``load``.
        bisect: Another ONNX file of the same network, or the same file: also say in which block
            each file parts from it. It is run by the library that auto chooses, in its precision.
        out: A folder for pictures of where masks differ, ``b0.onnx.street.png``.
        force: Replace pictures that segpp did not write, too.

    Returns:
        Whether all passed (``.passed``), each file's pictures and classes, text and JSON. Of
        several files one that cannot be verified is in it with its reason.

    Raises:
        ManifestError: A file has no certificate; or file, manifest and certificate do not belong
            together.
        InputError: A file or an argument cannot be used.
        MissingError: No library that runs a file is installed.

    Example:
        >>> segpp.verify("b0.onnx").passed
        True
    """
    paths = arguments.several(arguments.path, "models", models, least=1)
    settings = checked_settings(
        backend=backend, provider=provider, threads=threads, precision=precision, cache=cache
    )
    other = arguments.optional(arguments.path, "bisect", bisect)
    folder = arguments.optional(arguments.path, "out", out)
    replace = arguments.flag("force", force)
    if other:
        check_file(other, kind="file")
    files: list[Verified | Refused] = []
    written: list[Path] = []
    with pictures_folder(folder, paths) if folder else nullcontext():
        for path in paths:
            done, probes = _verified(path, settings, alone=len(paths) == 1)
            files.append(done)
            if folder and isinstance(done, Verified):
                written += write_pictures(done, probes, folder, force=replace)
    ran = [one.path for one in files if isinstance(one, Verified)]
    parts = tuple(_bisect(path, other, settings) for path in ran if other)
    return VerificationReport(tuple(files), parts, tuple(map(str, written)))


def _verified(
    path: Path, settings: Mapping[str, Any], *, alone: bool
) -> tuple[Verified | Refused, Sequence[Probe]]:
    try:
        return verify_file(path, dict(settings))
    except SegppError as failure:
        # Of several files, one that cannot be run keeps none of the others from it.
        if alone:
            raise
        return Refused(path, str(failure), failure.exit_code), ()


def _bisect(model: Path, other: Path, settings: Mapping[str, Any]) -> Divergence:
    channels = read_manifest(model).input.channels
    pictures = [picture.pixels for picture in pictures_for(channels)]
    config = BackendConfig(
        settings["threads"],
        settings["provider"],
        alone=False,
        precision=settings["precision"],
        cache=False,
    )
    return first_divergence(model, other, pictures, backend=settings["backend"], config=config)
