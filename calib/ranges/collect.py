"""Pictures through the network, and the ranges of what it computes, a batch in memory at once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.graph.shapes import shapes_of
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.runs import Batch, batch_of, open_model
from segpp.calib.ranges.file import Ranges, RangesOf, difference, read_ranges, write_ranges
from segpp.calib.ranges.probes import Probe, add_probes
from segpp.calib.ranges.statistics import TensorStatistics
from segpp.errors import CheckError, InputError
from segpp.manifest import Manifest

__all__ = ["ROWS", "collect_ranges"]

# Places of each tensor of each picture: 128 pictures give 32,768 places of every channel.
ROWS = 256
_SAVE_SECONDS = 5.0
# What manifests could not say when the first ranges were kept.
_LATER = {"white", "bands"}


def collect_ranges(
    model: onnx.ModelProto,
    manifest: Manifest,
    axes: Mapping[str, int],
    pictures: Sequence[Picture],
    *,
    file: Path | None = None,
    version: str = "",
    threads: int | None = None,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> Ranges:
    """Return the ranges of tensors over all pictures.

    Args:
        model: The float network.
        manifest: Of it: how pictures become its input.
        axes: For every tensor to observe the axis of its channels.
        pictures: At least one.
        file: Where ranges are kept: used if they are of this network and these pictures, gone on
            with if they are of the first of them, written every few seconds otherwise.
        version: Of segpp, for the file.
        threads: CPU threads.
        after_each: Told how many pictures are done and how many there are; not where all were.

    Raises:
        CheckError: A tensor has infinities or not-a-numbers.
        ImageError: A picture cannot be read, or is of one colour.
        InputError: ``file`` has ranges of something else.
    """
    of = RangesOf(
        manifest.file.sha256,
        _as_stored(_input_of(manifest)),
        tuple(picture.sha256 for picture in pictures),
        ROWS,
    )
    ranges = _kept(file, of, _channels_of(model, axes)) or Ranges(
        of, names=tuple(picture.name for picture in pictures)
    )
    if ranges.complete:
        return ranges
    after_each(ranges.done, len(pictures))
    saved = float("-inf")  # the first batch shows at once whether the file can be written
    for probes, outputs, count in _run(model, manifest, axes, pictures[ranges.done :], threads):
        _add(ranges, probes, outputs, count)
        ranges.done += count
        after_each(ranges.done, len(pictures))
        if file is not None and (ranges.complete or time.monotonic() > saved + _SAVE_SECONDS):
            write_ranges(file, ranges, version)
            saved = time.monotonic()
    return ranges


def _input_of(manifest: Manifest) -> dict[str, Any]:
    """Return what turns pictures into the input, as ranges have it that were kept before."""
    given = asdict(manifest.input)
    return {key: given[key] for key in given if key not in _LATER or given[key] is not None}


def _as_stored(value: Any) -> Any:
    """Return what JSON makes of a value: lists where there were tuples."""
    if isinstance(value, dict):
        return {key: _as_stored(one) for key, one in value.items()}
    return [_as_stored(one) for one in value] if isinstance(value, tuple | list) else value


def _channels_of(model: onnx.ModelProto, axes: Mapping[str, int]) -> dict[str, int]:
    """Return how many channels tensors have, by the axis that these lie on."""
    shapes = shapes_of(model)
    return {name: shapes[name][axis] for name, axis in axes.items()}


def _kept(file: Path | None, of: RangesOf, channels: Mapping[str, int]) -> Ranges | None:
    if file is None or not file.exists():
        return None
    ranges = read_ranges(file)
    why = difference(ranges.of, of)
    found = {name: len(one.low) for name, one in ranges.tensors.items()}
    if why is None and ranges.done and found != channels:
        why = "they are of other tensors of the network, as another version of segpp looks at them"
    if why is not None:
        raise InputError(
            f"{file} has ranges of something else",
            why,
            hint="name another file with --ranges, or remove this one",
        )
    return ranges


def _run(
    model: onnx.ModelProto,
    manifest: Manifest,
    axes: Mapping[str, int],
    pictures: Sequence[Picture],
    threads: int | None,
) -> Iterator[tuple[tuple[Probe, ...], dict[str, Batch], int]]:
    """Yield what every batch of pictures gave, and how many pictures it held."""
    probed, probes = add_probes(model, axes, rows=ROWS)
    names = [name for probe in probes for name in (probe.low, probe.high, probe.mean, probe.rows)]
    session = open_model(probed, threads, lean=True)
    for batch, count in _batches(pictures, manifest):
        outputs = session.run(names, {manifest.input.name: batch})
        yield probes, dict(zip(names, outputs, strict=True)), count


def _batches(pictures: Sequence[Picture], manifest: Manifest) -> Iterator[tuple[Batch, int]]:
    """Yield pictures as the network takes them; the next are read while these are run."""
    size = manifest.input.batch
    groups = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(batch_of, groups[0], manifest.input)
        for index, group in enumerate(groups):
            batch = coming.result()
            if index + 1 < len(groups):
                coming = reader.submit(batch_of, groups[index + 1], manifest.input)
            yield batch, len(group)


def _add(ranges: Ranges, probes: Sequence[Probe], outputs: Mapping[str, Batch], count: int) -> None:
    for probe in probes:
        low, high, mean, rows = (
            outputs[name] for name in (probe.low, probe.high, probe.mean, probe.rows)
        )
        _check_finite(probe.tensor, low, high, mean)
        known = ranges.tensors.setdefault(probe.tensor, TensorStatistics.empty(probe.channels))
        # What fills up a batch that is not full was seen before.
        known.add(low, high, mean[:count].mean(0, np.float64), rows[:count], count)


def _check_finite(tensor: str, *values: NDArray[Any]) -> None:
    if not all(np.isfinite(value).all() for value in values):
        raise CheckError(
            f"the float network has infinities or not-a-numbers in {tensor!r:.80}",
            hint="segpp-export compares files with PyTorch; look at its check",
        )
