"""Whose an engine is, of which version, and whether all of it is there: told by 32 bytes."""

from pathlib import Path

import pytest

from segpp.errors import GraphError
from segpp.runtime.backends.engine.header import EngineHeader, read_header
from tests.runtime.backends.engine.parts.engines import header_of


@pytest.mark.rtx
def test_a_real_engine_tells_its_library_and_the_version_that_built_it(rtx_engine: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")

    assert read_header(rtx_engine) == EngineHeader("tensorrt-rtx", trt.__version__)


@pytest.mark.parametrize("magic", [b"ftrt", b"ptrt"])
def test_an_engine_of_tensorrt_is_told_by_its_magic(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.engine"
    path.write_bytes(header_of((10, 3, 0, 30), magic=magic, size=0))

    assert read_header(path) == EngineHeader("tensorrt", "10.3.0.30")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG" + bytes(60), "is not an engine\n  it looks like a PNG image"),
        (b"vtrt", "ends after 4 bytes"),
        (header_of((1, 7, 1, 116), size=65), "has 64 bytes, and was written with 65"),
        (header_of((1, 7, 1, 116), size=2**64 - 1), "has 64 bytes, and was written with 18,446"),
        (header_of((1, 7, 1, 116), size=63), "has 64 bytes, and was written with 63"),
    ],
)
def test_what_is_no_whole_engine_is_one_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.engine"
    path.write_bytes(content)

    with pytest.raises(GraphError, match=said):
        read_header(path)
