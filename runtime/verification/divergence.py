"""Where two files of one network part: block by block, the first that gives something else.

Both files get what their blocks, their decode heads and they themselves give as outputs, and see
the same pictures. A difference is relative, |a - b| / |a| over all values, and of labels the share
of the pixels. What rounding and near-ties explain stays below the limit of the coarser of the two
precisions; a wrong weight, an overflow or a wrong kernel shows in its own block and in all that
follow.

The one file runs as it is meant to be run, the other, which is to be right, by ONNX Runtime in its
own precision: a file that is compared with itself shows what a library makes of it.

An engine has no insides to show: it is built a second time from the file with more outputs
(``marked_copy``), and compared in the same way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.images.preprocess import ImageArray, prepare
from segpp.manifest import Manifest, read_manifest
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.inference.choose_backend import choose_backend
from segpp.runtime.onnx_reader.block_outputs import block_outputs, with_outputs
from segpp.utils.files import check_file
from segpp.utils.table import table

__all__ = [
    "LABEL_LIMITS",
    "LIMITS",
    "BlockDifference",
    "Blocks",
    "Divergence",
    "blocks_of_file",
    "compare_blocks",
    "first_divergence",
    "marked_copy",
]

# Float files differ by rounding and by near-ties between tokens; halves and integers by far more.
LIMITS = {"fp32": 0.01, "fp16": 0.05, "bf16": 0.2, "int8": 0.5}
# Of labels, ties among them.
LABEL_LIMITS = {"fp32": 0.005, "fp16": 0.02, "bf16": 0.05, "int8": 0.1}

_DEFAULT = BackendConfig(cache=False, alone=False)

# Runs an input tensor, and returns what each block gives, by its place.
Blocks = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class BlockDifference:
    """How far what one block gives is from what it gives in the other file.

    Attributes:
        place: "stage 1 block 2".
        difference: Relative, or of labels the share of pixels; None where a value is not finite or
            the shapes differ.
        labels: Whether it is of labels.
    """

    place: str
    difference: float | None
    labels: bool = False

    def exceeds(self, precision: str) -> bool:
        """Return whether it is more than rounding in a precision explains."""
        limit = (LABEL_LIMITS if self.labels else LIMITS)[precision]
        return self.difference is None or self.difference > limit


@dataclass(frozen=True)
class Divergence:
    """Where two files part; the fields are the keys of ``--json``.

    Attributes:
        model: The one.
        other: The other.
        precision: The coarser of the two, which tells what rounding explains.
        first: The first block beyond it; None if none is.
        blocks: All of them, in order.
    """

    model: str
    other: str
    precision: str
    first: str | None
    blocks: tuple[BlockDifference, ...]

    def text(self) -> str:
        """Return it as lines for a terminal."""
        rows = [("block", "difference"), *((b.place, _number(b.difference)) for b in self.blocks)]
        limit, labels = LIMITS[self.precision], LABEL_LIMITS[self.precision]
        told = (
            f"{self.model} and {self.other}, block by block (rounding in {self.precision} explains "
            f"{limit:g}, of labels {labels:g})"
        )
        verdict = (
            f"the first part that gives something else: {self.first}"
            if self.first
            else "no part gives more than rounding explains"
        )
        return "\n".join([told, table(rows, "lr", indent="  "), f"  {verdict}"])


def first_divergence(
    model: Path,
    other: Path,
    pictures: Sequence[ImageArray],
    *,
    backend: str = "auto",
    config: BackendConfig = _DEFAULT,
) -> Divergence:
    """Return where an ONNX file parts from another of the same network.

    Args:
        model: An ONNX file with its manifest.
        other: What it is compared with, as of another precision; may be the same file.
        pictures: What both see, (H, W, C).
        backend: The library that runs the first; the other is run by the one that auto chooses.
        config: How the first is run.

    Raises:
        InputError: They are not of one network, or of other sizes.
        GraphError: The names in one do not tell its blocks.
        MissingError: The library is not installed.
    """
    manifests = [_manifest_of(path) for path in (model, other)]
    _check_alike(*zip((model, other), manifests, strict=True))
    mine, theirs = (
        [prepare([image] * one.input.batch, one.input) for image in pictures] for one in manifests
    )
    with (
        blocks_of_file(other) as reference,
        blocks_of_file(model, backend=backend, config=config) as blocks,
    ):
        parts = compare_blocks(reference, blocks, theirs, mine)
    precisions = (config.precision, *(manifest.precision for manifest in manifests))
    coarsest = max(precisions, key=LIMITS.__getitem__)
    first = next((part.place for part in parts if part.exceeds(coarsest)), None)
    return Divergence(str(model), str(other), coarsest, first, parts)


def compare_blocks(
    one: Blocks,
    other: Blocks,
    inputs: Sequence[NDArray[Any]],
    others: Sequence[NDArray[Any]],
) -> tuple[BlockDifference, ...]:
    """Return how far the blocks of two networks are from each other, the worst of all inputs.

    Args:
        one: What the differences are relative to.
        other: The other network.
        inputs: The tensors of the first.
        others: Those of the other, of the same pictures.

    Raises:
        InputError: They have no blocks in common.
    """
    worst: dict[str, BlockDifference] = {}
    for tensor, second in zip(inputs, others, strict=True):
        mine, theirs = one(tensor), other(second)
        for place in (place for place in mine if place in theirs):
            found = _difference(place, mine[place], theirs[place])
            worst[place] = max(worst.get(place, found), found, key=_size)
    if not worst:
        raise InputError("the two files have no block of the same place")
    return tuple(worst.values())


@contextmanager
def blocks_of_file(
    path: Path, *, backend: str = "auto", config: BackendConfig = _DEFAULT
) -> Iterator[Blocks]:
    """Yield a function that runs an ONNX file and returns what its blocks give."""
    name = choose_backend(backend, path, None)
    with ExitStack() as stack:
        marked, places = stack.enter_context(marked_copy(path))
        loaded = stack.enter_context(closing(BACKENDS[name].open(marked, config)))
        given = loaded.inputs[0].name

        def run(tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            values = loaded.run({given: tensor}, list(places.values()))
            return dict(zip(places, values, strict=True))

        yield run


@contextmanager
def marked_copy(path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a copy of an ONNX file whose blocks' values are outputs, and their names by place."""
    check_file(path, kind="model")
    places = block_outputs(path)
    with TemporaryDirectory(prefix="segpp-") as folder:
        marked = Path(folder, "blocks.onnx")
        marked.write_bytes(with_outputs(path.read_bytes(), list(places.values())))
        yield marked, places


def _manifest_of(path: Path) -> Manifest:
    manifest = read_manifest(path)
    if manifest.kind != "onnx":
        raise InputError(
            f"{path} is an engine, which does not show its blocks",
            hint=f"compare the ONNX file that it was built from: {manifest.source.name}",
        )
    return manifest


def _check_alike(one: tuple[Path, Manifest], other: tuple[Path, Manifest]) -> None:
    """Refuse files that give something else in every block because they are something else."""
    told = [_facts(manifest) for _, manifest in (one, other)]
    if told[0] != told[1]:
        raise InputError(
            f"{one[0]} and {other[0]} cannot be compared block by block",
            *(f"{path.name}: {facts}" for (path, _), facts in zip((one, other), told, strict=True)),
            hint="export both of one checkpoint, at one --size and --batch",
        )


def _facts(manifest: Manifest) -> str:
    given, network = manifest.input, manifest.architecture
    depths = "-".join(map(str, network.depths))
    widths = "-".join(map(str, network.dims))
    return (
        f"{given.height}x{given.width}, batch {given.batch}, {given.channels} channels, "
        f"blocks {depths} of width {widths}, {network.classes} classes"
    )


def _difference(place: str, mine: NDArray[Any], theirs: NDArray[Any]) -> BlockDifference:
    labels = mine.dtype.kind in "iu"
    if mine.shape != theirs.shape:
        return BlockDifference(place, None, labels)
    if labels:
        return BlockDifference(place, float((mine != theirs).mean()), labels)
    a, b = mine.astype(np.float32).ravel(), theirs.astype(np.float32).ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        far, size = np.linalg.norm(a - b), np.linalg.norm(a)
    # What is not a number or infinite is no small difference.
    finite = np.isfinite(far) and np.isfinite(size)
    return BlockDifference(place, float(far / max(size, 1e-30)) if finite else None)


def _size(one: BlockDifference) -> float:
    return np.inf if one.difference is None else one.difference


def _number(difference: float | None) -> str:
    return "not finite, or another shape" if difference is None else f"{difference:.2g}"
