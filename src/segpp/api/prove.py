"""Files proved again: the masks of their certificates, on any machine, by any backend."""

from pathlib import Path

from segpp.api._types import OneOrMore, PathLike, checked_settings
from segpp.certificate.pictures import pictures_for
from segpp.manifest import read_manifest
from segpp.runtime.verification.differences import check_pictures, write_pictures
from segpp.runtime.verification.divergence import Divergence, first_divergence
from segpp.runtime.verification.report import VerificationReport
from segpp.runtime.verification.verify import Verified, verify_file
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
        bisect: Another ONNX file of the same network: also say in which block the first of the
            files parts from it.
        out: A folder for pictures of where masks differ, ``b0.onnx.street.png``.
        force: Replace pictures that segpp did not write, too.

    Returns:
        Whether all passed (``.passed``), each file's pictures and classes, text and JSON.

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
    if folder:
        check_pictures(folder, paths)
    files: list[Verified] = []
    written: list[Path] = []
    for path in paths:
        done, probes = verify_file(path, settings)
        files.append(done)
        if folder:
            written += write_pictures(done, probes, folder, force=replace)
    parts = None if other is None else _bisect(paths[0], other, backend, settings["threads"])
    return VerificationReport(tuple(files), parts, tuple(map(str, written)))


def _bisect(model: Path, other: Path, backend: str, threads: int | None) -> Divergence:
    check_file(other, kind="file")
    channels = read_manifest(model).input.channels
    pictures = [picture.pixels for picture in pictures_for(channels)]
    return first_divergence(other, model, pictures, backend=backend, threads=threads)
