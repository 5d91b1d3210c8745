"""The comparison with the owner's own numbers: what his code computed for an input.

The parity check proves that a file follows PyTorch with the checkpoint as it was read. Whether it
was read as its owner trained it, only his own code can tell.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from segpp.errors import CheckError, InputError
from segpp.export.models.base import Checkpoint
from segpp.export.onnx_graph.rounded_copy import rounded_copy
from segpp.manifest import InputSpec, Reference
from segpp.ops.grid import Size
from segpp.utils.files import check_file, sha256_of

__all__ = ["ReferenceArrays", "check_reference", "measure_reference", "read_reference"]

# Of the labels, without merging: rounding moves a pixel between two classes now and then.
_MIN_AGREEMENT = 0.999

# Of the largest logit: a mask of one class agrees with any other. Half precision on the owner's
# side stays below a hundredth.
_MAX_DIFFERENCE = 0.02

_SAVE = "np.savez('reference.npz', x=x.numpy(), logits=logits.numpy())"
_DIMENSIONS = 4
# A quarter of a gigabyte in FP32: the logits of 150 classes at 512x512, or 19 at 1024x2048.
_MAX_VALUES = 1 << 26
_PART = 1 << 22
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ReferenceArrays:
    """What the owner's code took and gave.

    Attributes:
        x: Its input (1, C, H, W), normalised, in its own order of channels.
        logits: What it gave, (1, K, h, w).
    """

    file: str
    sha256: str
    x: Floats
    logits: Floats

    @property
    def size(self) -> Size:
        """The input in pixels."""
        return Size(*self.x.shape[2:])


def read_reference(path: Path) -> ReferenceArrays:
    """Read ``x`` and ``logits`` from a ``.npz``; nothing in it is run.

    Raises:
        InputError: It is missing, damaged, or holds something else.
    """
    check_file(path, kind="reference")
    try:
        with zipfile.ZipFile(path) as archive:
            x, logits = (_array(archive, name, path) for name in ("x", "logits"))
    except InputError:
        raise
    except Exception as failure:
        # Bytes made to harm make zip's, NumPy's and Python's parsers raise a dozen kinds of error.
        raise InputError(
            f"{path} is no reference",
            f"it cannot be read: {str(failure) or type(failure).__name__:.120}",
            hint=_SAVE,
        ) from failure
    return ReferenceArrays(path.name, sha256_of(path), x, logits)


def check_reference(
    arrays: ReferenceArrays, checkpoint: Checkpoint, spec: InputSpec, path: Path
) -> None:
    """Raise InputError unless the file to be written can be run on the owner's input."""
    if spec.dtype == "uint8":
        raise InputError(
            "--reference with --input-dtype uint8",
            "the owner's input is normalised and the file takes pixels",
            hint="check with --input-dtype float32 first, then export with uint8",
        )
    shape = checkpoint.architecture
    if arrays.x.shape[1] != shape.channels or arrays.logits.shape[1] != shape.classes:
        raise InputError(
            f"{path} is of another network than the checkpoint",
            f"the reference: {arrays.x.shape[1]} channels, {arrays.logits.shape[1]} classes",
            f"the checkpoint: {shape.channels} channels, {shape.classes} classes",
        )
    if (found := Size(spec.height, spec.width)) != arrays.size:
        raise InputError(
            f"{path} is of another size than the export",
            f"the reference: {arrays.size}",
            f"the export: {found}",
            hint=f"--size {arrays.size}",
        )


def measure_reference(
    arrays: ReferenceArrays, checkpoint: Checkpoint, file: Path, spec: InputSpec
) -> Reference:
    """Run the network without merging, and the file as written, on the owner's input.

    Raises:
        CheckError: The network without merging does not give the owner's labels and logits.
    """
    x = torch.from_numpy(arrays.x)
    x = checkpoint.as_trained(x)
    with torch.inference_mode():
        network: Floats = checkpoint.build()(x).numpy()
    size = arrays.logits.shape[2:]
    owner = _labels(arrays.logits)
    unmerged = _agreement(_labels(_at(network, size, checkpoint)), owner)
    difference = float(np.abs(network - arrays.logits).max()) if network.shape[2:] == size else None
    far = difference is not None and difference > _MAX_DIFFERENCE * np.abs(arrays.logits).max()
    if unmerged < _MIN_AGREEMENT or far:
        raise _differs(arrays, checkpoint, unmerged, difference)
    logits, labels = _run(file, x.numpy(), spec)
    if logits is not None:
        labels = _labels(_at(logits, size, checkpoint))
        difference = float(np.abs(_at(logits, size, checkpoint) - arrays.logits).max())
    else:
        labels = _nearest(labels, size)
    return Reference(
        file=arrays.file,
        sha256=arrays.sha256,
        pixel_agreement=_agreement(labels, owner),
        max_logit_difference=difference or 0.0,
        unmerged_agreement=unmerged,
        min_agreement=_MIN_AGREEMENT,
    )


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> Floats:
    _check_has(archive, name, path)
    with archive.open(f"{name}.npy") as file:
        shape, dtype, count = _header(file)
        # The header is judged before anything of its size is made.
        if len(shape) != _DIMENSIONS or shape[0] != 1 or min(shape) < 1 or count > _MAX_VALUES:
            raise InputError(
                f"{path} holds {name} of the shape {shape!r:.80}",
                f"expected: 1 and three more, at most {_MAX_VALUES:,} numbers",
            )
        if dtype.kind != "f":
            raise InputError(f"{path} holds {name} as {dtype!s:.40}", "expected: float32")
        values = _values(file, count, dtype)
    if not np.isfinite(values.sum(dtype=np.float64)) and not np.isfinite(values).all():
        raise InputError(f"{path} has NaN or infinity in {name}")
    return values.reshape(shape)


def _check_has(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    names = [entry.removesuffix(".npy") for entry in archive.namelist()]
    if name not in names:
        held = ", ".join(names)[:120] or "nothing"
        raise InputError(
            f"{path} is no reference: it has no {name}", f"it holds: {held}", hint=_SAVE
        )


def _values(file: IO[bytes], count: int, dtype: np.dtype[Any]) -> Floats:
    """Read numbers part by part, so that nothing but the result is as large as they are."""
    values = np.empty(count, np.float32)
    with np.errstate(over="ignore"):
        for first in range(0, count, _PART):
            part = values[first : first + _PART]
            part[:] = np.frombuffer(file.read(part.size * dtype.itemsize), dtype, part.size)
    return values


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of NumPy's format")
    shape, is_fortran, dtype = _HEADERS[version](file)
    if is_fortran or dtype.hasobject:
        raise ValueError("an array of objects or in Fortran's order")
    count = 1
    for side in shape:
        count *= side
    return shape, dtype, count


def _at(logits: Floats, size: tuple[int, ...], checkpoint: Checkpoint) -> Floats:
    if logits.shape[2:] == size:
        return logits
    tensor = torch.from_numpy(logits)
    resized: Floats = torch.nn.functional.interpolate(
        tensor, tuple(size), mode="bilinear", align_corners=checkpoint.align_corners
    ).numpy()
    return resized


def _run(file: Path, x: Floats, spec: InputSpec) -> tuple[Floats | None, NDArray[Any]]:
    # Of FP32 it is the file itself.
    model = rounded_copy(onnx.load(file)).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    batch = np.repeat(x, spec.batch, 0).astype(spec.dtype)
    names = [output.name for output in session.get_outputs()]
    values = dict(
        zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True)
    )
    floats = [v for v in values.values() if v.ndim == _DIMENSIONS]
    logits = floats[0][:1].astype(np.float32) if floats else None
    return logits, next(iter(values.values()))[:1]


def _labels(logits: Floats) -> NDArray[Any]:
    # One channel is a yes or no: the sigmoid's 0.5 is 0 here.
    labels: NDArray[Any] = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(1)
    return labels


def _nearest(labels: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    rows, columns = (
        ((np.arange(out) + 0.5) * labels.shape[axis] / out).astype(int)
        for axis, out in zip((1, 2), size, strict=True)
    )
    return labels[:, rows[:, None], columns]


def _agreement(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.mean(a == b))


def _differs(
    arrays: ReferenceArrays, checkpoint: Checkpoint, agreement: float, difference: float | None
) -> CheckError:
    read = ", ".join(f"{key} {origin}" for key, origin in checkpoint.origins.items())
    far = f"; logits differ by up to {difference:.3g}" if difference is not None else ""
    return CheckError(
        f"the checkpoint as segpp reads it gives {agreement:.5f} of the labels in {arrays.file}",
        f"asked for: {_MIN_AGREEMENT}{far}",
        f"read as a {checkpoint.format} checkpoint, heads "
        f"{','.join(map(str, checkpoint.architecture.heads))}; {read}",
        hint="the reading differs from the owner's code, not the export from the reading: see "
        "--heads, --checkpoint-format, --weights, --colors, and whether x is normalised",
    )
