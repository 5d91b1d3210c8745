"""A film through an engine: two frames under way, and every mask where it belongs.

The engine is ONNX Runtime behind streams that are threads: it computes at the addresses and at the
time that the lanes say.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from segpp.manifest import read_manifest
from segpp.runtime.backends.engine.buffers import Tensor, array_at
from segpp.runtime.backends.engine.network import EngineNetwork
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.predict import Prediction, predict_all
from segpp.runtime.inference.seeing import Seeing
from segpp.runtime.inference.session import Session
from segpp.runtime.media.items import Frame, ImageName, ImageSource, numbered
from segpp.runtime.media.looks.base import Segmented
from tests.runtime.backends.engine.parts.streams_on_cpu import StreamedCuda

Network = Callable[..., Path]


class OrtProgram:
    """Computes a file at the addresses that were bound when it was enqueued."""

    def __init__(self, cuda: StreamedCuda, path: Path, tensors: list[Tensor]) -> None:
        self.cuda, self.tensors, self.addresses = cuda, tensors, dict[str, int]()
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def bind(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def enqueue(self, stream: Any) -> bool:
        addresses = dict(self.addresses)

        def compute() -> None:
            at = {one.name: array_at(addresses[one.name], one) for one in self.tensors}
            feeds = {one.name: at[one.name] for one in self.tensors if one.is_input}
            names = [one.name for one in self.tensors if not one.is_input]
            found = self.session.run(names, feeds)
            for name, values in zip(names, found, strict=True):
                at[name][...] = values

        self.cuda.do(compute, stream)
        return True

    def close(self) -> None:
        self.addresses.clear()


def engine_session(path: Path, cuda: StreamedCuda) -> Session:
    manifest = read_manifest(path)
    tensors = [
        Tensor(one.name, one.shape, np.dtype(one.dtype), is_input=one is manifest.input)
        for one in (manifest.input, *manifest.outputs)
    ]
    program = OrtProgram(cuda, path, tensors)
    backend = EngineNetwork(
        cuda, program, tensors, name="(", path=path, shared=False, cuda_graph=True
    )
    return Session(backend, "tensorrt", manifest)


def film(stripes: Callable[[int, int], np.ndarray]) -> ImageSource:
    """Return twelve frames, no two alike, and of several sizes."""

    def frames() -> Iterator[Frame]:
        for number in range(12):
            yield Frame(np.roll(stripes(40 + number, 90), 7 * number, axis=1), number / 10)

    return ImageSource("video", "a.mp4", lambda: numbered("a.mp4", frames()), rate=10.0)


def masks_of(session: Session, source: ImageSource) -> list[np.ndarray]:
    found: list[np.ndarray] = []

    def keep(_named: ImageName, shown: Segmented) -> list[Path]:
        found.append(shown.labels)
        return []

    outcomes = list(predict_all(Seeing(session), source, keep))
    assert all(isinstance(one, Prediction) for one in outcomes)
    return found


@pytest.mark.parametrize("batch", [1, 2])
def test_a_films_masks_are_those_of_the_file_frame_by_frame(
    network: Network, stripes: Callable[[int, int], np.ndarray], batch: int
) -> None:
    path = network(batch=batch)
    cuda = StreamedCuda(longest_ms=2.0)
    with open_session(path, threads=1) as session:
        expected = masks_of(session, film(stripes))
    with engine_session(path, cuda) as session:
        assert session.at_once == 2
        found = masks_of(session, film(stripes))

    assert len(found) == 12
    assert all(itertools.starmap(np.array_equal, zip(found, expected, strict=True)))
    assert (cuda.held, cuda.memory) == ([], {})


def test_while_the_engine_works_for_one_frame_the_next_is_copied(
    network: Network, stripes: Callable[[int, int], np.ndarray]
) -> None:
    cuda = StreamedCuda(longest_ms=4.0, steady=True)
    with engine_session(network(), cuda) as session:
        cuda.spans.clear()
        masks_of(session, film(stripes))

    works = [one for one in cuda.spans if one.kind == "work"]
    copies = [one for one in cuda.spans if one.kind == "upload"]
    assert len(works) == len(copies) == 12
    assert sum(any(copy.overlaps(work) for work in works) for copy in copies) >= 6
