"""What an engine must pass before it is kept: the masks of the file that it was built of.

Where a backend runs engines of the library, and the GPU here is one that the engine is for, it runs
the pictures of the ONNX file's certificate, and those of the caller beside ONNX Runtime. It must
give

    of the certificate's pictures   what the ONNX file must give again, wherever it runs
    of the caller's                 the same class to nearly all pixels, and nearly the same mIoU,
                                    the ONNX file's masks taken for labels

Elsewhere it is built and not run: its certificate says so, and its first session does this.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.certificate.agreement import SLACK
from segpp.certificate.archive import Probe
from segpp.certificate.pictures import pictures_for
from segpp.certificate.prove import Proof, not_run, prove
from segpp.certificate.sealed import read_certificate, sealed
from segpp.errors import CheckError
from segpp.images.channels import load_for
from segpp.images.preprocess import prepare
from segpp.manifest import Certificate, FileInfo, Manifest, read_manifest, render_manifest
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig
from segpp.runtime.evaluation.confusion_matrix import count_pixels
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Session
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.runtime.system.packages import is_installed
from segpp.runtime.verification.divergence import (
    blocks_of_file,
    compare_blocks,
    marked_copy,
)
from segpp.runtime.verification.replay import replay
from segpp.utils.files import certificate_path, manifest_path, sha256_of

__all__ = [
    "MIN_MIOU",
    "Certified",
    "GateConfig",
    "certified_engine",
    "check_engine",
    "first_block",
    "has_certificate",
    "runs_here",
]

# Of masks against masks: thin classes lose a larger share of theirs than all classes together.
MIN_MIOU = {"fp32": 0.99, "fp16": 0.95, "bf16": 0.9, "int8": 0.85}

# Names the first block in which an engine parts from its file, or None if none does.
Bisect = Callable[[], str | None]


@dataclass(frozen=True)
class GateConfig:
    """What to ask besides the certificate.

    Attributes:
        images: Pictures of the caller.
        min_agreement: Share of their pixels that must keep their class; by the precision if None.
        min_miou: What the mIoU of the masks must be, 0 to 1; by the precision if None.
    """

    images: tuple[Path, ...] = ()
    min_agreement: float | None = None
    min_miou: float | None = None


@dataclass(frozen=True)
class Certified:
    """An engine's manifest and certificate.

    Attributes:
        manifest: With the certificate in it, if there is one.
        archive: The bytes of the certificate's file; None if the ONNX file has none.
    """

    manifest: Manifest
    archive: bytes | None

    @property
    def ran(self) -> bool:
        """Whether the engine has run here."""
        return self.manifest.engine is not None and self.manifest.engine.ran


def has_certificate(onnx: Path, manifest: Manifest | None) -> bool:
    """Return whether an ONNX file brings what an engine of it could be held to."""
    told = manifest is not None and manifest.certificate is not None
    return told and certificate_path(onnx).exists()


def certified_engine(
    manifest: Manifest, onnx: Path, part: Path, config: GateConfig, bisect: Bisect
) -> Certified:
    """Run an engine if it runs here, and return its manifest with its certificate.

    Args:
        manifest: Of the engine, complete but for the certificate.
        onnx: The file that it was built of.
        part: The engine, under whatever name.
        config: What to ask besides the certificate.
        bisect: Called where the masks are others.

    Raises:
        CheckError: It gives other masks; the first block that differs is named.
        ManifestError: The ONNX file's certificate is damaged.
    """
    manifest = replace(manifest, certificate=None)
    if not has_certificate(onnx, read_manifest(onnx)):
        return Certified(manifest, None)
    _, proof, probes = read_certificate(onnx)
    if not runs_here(manifest):
        return Certified(*sealed(not_run(manifest, proof), probes))
    with _engine_session(manifest, part) as engine, open_session(onnx) as reference:
        certified = check_engine(engine, reference, proof, probes, config=config, bisect=bisect)
    return Certified(*sealed(certified, probes))


def runs_here(manifest: Manifest) -> bool:
    """Return whether this machine has the library and a GPU that an engine is for."""
    engine = manifest.engine
    if engine is None or engine.library not in BACKENDS:
        return False
    gpu = gpu_compute_capability()
    return gpu in engine.compute_capabilities and is_installed(BACKENDS[engine.library].module)


def check_engine(
    engine: Session,
    reference: Session,
    proof: Certificate,
    probes: Sequence[Probe],
    *,
    config: GateConfig,
    bisect: Bisect,
) -> Manifest:
    """Return the manifest of an engine's session with what was proved of it.

    Args:
        engine: On the engine.
        reference: On the ONNX file, which was proved.
        proof: What the ONNX file's certificate asks for.
        probes: Its pictures.
        config: What to ask besides.
        bisect: Called where the masks are others.

    Raises:
        CheckError: It gives other masks.
    """
    pictures = replay(engine, proof, probes)
    for one in pictures:
        if not one.passed:
            _refuse(f"{one.name}, {one.agreement:.5f}", f"{one.min_agreement:g}", bisect)
    _check_images(engine, reference, config, bisect)
    told = engine.manifest
    about = None if told.engine is None else replace(told.engine, ran=True)
    again = Proof(proof.reference, engine.description, proof.tie_margin)
    masks = [one.mask for one in pictures]
    return prove(replace(told, engine=about, certificate=None), probes, masks, again)


def _check_images(engine: Session, reference: Session, config: GateConfig, bisect: Bisect) -> None:
    precision, classes = engine.manifest.precision, len(engine.classes.names)
    least = 1 - SLACK[precision] if config.min_agreement is None else config.min_agreement
    least_miou = MIN_MIOU[precision] if config.min_miou is None else config.min_miou
    matrix = np.zeros((classes, classes), np.int64)
    for path in config.images:
        image = load_for(path, engine.input)
        [mask], [expected] = engine(image).masks, reference(image).masks
        matrix += count_pixels(expected, mask, classes, frozenset()).matrix
    if not matrix.any():
        return
    agreement, miou = float(np.trace(matrix) / matrix.sum()), _miou(matrix)
    what = f"{len(config.images)} picture(s) of yours"
    if agreement < least:
        _refuse(f"{what}, {agreement:.5f}", f"{least:g}", bisect)
    if miou < least_miou:
        _refuse(f"{what}, {agreement:.5f}, mIoU {miou:.4f}", f"mIoU {least_miou:g}", bisect)


def _miou(matrix: NDArray[np.int64]) -> float:
    """Return the mean IoU over the classes that occur in either mask."""
    both = np.diagonal(matrix)
    either = matrix.sum(0) + matrix.sum(1) - both
    return float(np.mean(both[either > 0] / either[either > 0]))


def _refuse(found: str, asked: str, bisect: Bisect) -> None:
    block = bisect()
    where = (
        f"the first part that gives something else: {block}"
        if block
        else ("no part by itself gives more than rounding explains")
    )
    raise CheckError(
        f"the engine gives other masks than its file: of the pixels of {found} agree",
        f"asked for: {asked}",
        where,
        hint="no engine is left; build in a higher precision (segpp-export --precision fp32)",
    )


def first_block(onnx: Path, manifest: Manifest, build: Callable[[Path, Path], None]) -> str | None:
    """Return the first block in which an engine parts from its file, or None if none does.

    Args:
        onnx: The file.
        manifest: Of the engine.
        build: Builds an engine of an ONNX file in the same way; takes the two paths.
    """
    pictures = pictures_for(manifest.input.channels)
    inputs = [
        prepare([picture.pixels] * manifest.input.batch, manifest.input) for picture in pictures
    ]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="segpp-")))
        marked, places = stack.enter_context(marked_copy(onnx))
        build(marked, folder / "blocks.engine")
        loaded = stack.enter_context(_opened(manifest, folder / "blocks.engine"))
        reference = stack.enter_context(blocks_of_file(onnx))

        def blocks(tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            values = loaded.run({manifest.input.name: tensor}, list(places.values()))
            return dict(zip(places, values, strict=True))

        found = compare_blocks(reference, blocks, inputs, inputs)
    return next((part.place for part in found if part.exceeds(manifest.precision)), None)


@contextmanager
def _engine_session(manifest: Manifest, part: Path) -> Iterator[Session]:
    """Yield a session on an engine that is not in its place yet."""
    if manifest.engine is None:
        raise ValueError("a manifest of no engine")
    with _opened(manifest, part) as loaded:
        yield Session(loaded, manifest.engine.library, manifest)


@contextmanager
def _opened(manifest: Manifest, part: Path) -> Iterator[Backend]:
    """Yield an engine that is not in its place yet, loaded by its library."""
    if manifest.engine is None:
        raise ValueError("a manifest of no engine")
    library = manifest.engine.library
    about = FileInfo(part.name, sha256_of(part), part.stat().st_size)
    # A library takes an engine by the word of the manifest beside it alone.
    beside = manifest_path(part)
    beside.write_text(render_manifest(replace(manifest, file=about)), encoding="utf-8")
    try:
        with closing(BACKENDS[library].open(part, BackendConfig(cache=False))) as loaded:
            yield loaded
    finally:
        beside.unlink(missing_ok=True)
