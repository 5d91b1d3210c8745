"""What blocks give, found and shown without the onnx package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.block_outputs import block_outputs, with_outputs

Exported = Callable[[str, str, str], Path]


@pytest.mark.parametrize("preset", ["none", "hq"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_block_of_a_file_is_found_in_order(
    exported: Exported, preset: str, precision: str
) -> None:
    found = block_outputs(exported(preset, "128x256", precision))

    depths = (2, 2, 2, 2)
    assert list(found)[-1] == "output logits"
    assert list(found)[:12] == [
        f"stage {stage} {part}"
        for stage, depth in enumerate(depths, start=1)
        for part in ("patches", *(f"block {block}" for block in range(1, depth + 1)))
    ]
    assert len(set(found.values())) == len(found)


def test_what_is_shown_is_what_the_onnx_package_would_show(exported: Exported) -> None:
    path = exported("hq", "128x256", "fp32")
    names = list(block_outputs(path).values())
    theirs = onnx.load(path)
    added = [name for name in names if name != "logits"]
    theirs.graph.output.extend(onnx.ValueInfoProto(name=name) for name in added)

    ours = onnx.load_from_string(with_outputs(path.read_bytes(), names))

    assert ours == theirs
    session = onnxruntime.InferenceSession(ours.SerializeToString())
    image = np.zeros((1, 3, 128, 256), np.float32)
    values = session.run(names, {"image": image})
    assert values[0].shape == (1, 2048, 32)
    assert all(np.isfinite(value).all() for value in values)


def test_names_longer_than_a_byte_can_tell_are_written_whole() -> None:
    name = "x" * 300

    model = onnx.load_from_string(with_outputs(onnx.ModelProto().SerializeToString(), [name]))

    assert [output.name for output in model.graph.output] == [name]


def test_a_file_without_blocks_is_told(network: Callable[..., Path]) -> None:
    with pytest.raises(GraphError, match="do not tell its blocks"):
        block_outputs(network())


def test_a_damaged_file_is_told(exported: Exported, tmp_path: Path) -> None:
    whole = exported("none", "128x256", "fp32").read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(GraphError, match=r"cut\.onnx is not an ONNX file, or only part of one"):
        block_outputs(cut)
