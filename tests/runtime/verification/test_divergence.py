"""Where two files part: the block that was changed is the one that is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.certificate.pictures import pictures_for
from segpp.errors import InputError
from segpp.runtime.backends.base import BackendConfig
from segpp.runtime.verification.divergence import (
    BlockDifference,
    compare_blocks,
    first_divergence,
)
from segpp.utils.files import manifest_path, sha256_of
from tests.runtime.backends.openvino_cpu import needs_bf16
from tests.runtime.verification.forgery import edited

Exported = Callable[[str, str, str], Path]
PICTURES = [picture.pixels for picture in pictures_for(3)]


def copied(source: Path, path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    """Write a changed copy of a file, with a manifest that fits it."""
    model = onnx.load(source)
    change(model)
    onnx.save(model, path)
    manifest_path(path).write_text(manifest_path(source).read_text())
    about = {"name": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
    edited(path, lambda manifest: manifest.update(file=about))
    return path


def negated(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        [tensor] = [one for one in model.graph.initializer if one.name.endswith(name)]
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))

    return change


@pytest.mark.parametrize(
    ("weight", "place"),
    [
        ("stages.0.patch_embed.conv.weight", "stage 1 patches"),
        ("stages.0.blocks.1.ffn.fc1.weight", "stage 1 block 2"),
        ("stages.2.blocks.0.ffn.fc2.weight", "stage 3 block 1"),
        ("stages.3.blocks.1.ffn.dwconv.weight", "stage 4 block 2"),
        ("head.classifier.weight", "output logits"),
    ],
)
def test_the_block_whose_weights_were_changed_is_the_first(
    exported: Exported, tmp_path: Path, weight: str, place: str
) -> None:
    path = exported("hq", "128x256", "fp32")
    other = copied(path, tmp_path / "changed.onnx", negated(weight))

    found = first_divergence(other, path, PICTURES)

    assert found.first == place
    before = found.blocks[: [b.place for b in found.blocks].index(place)]
    assert all(b.difference is not None and b.difference < 1e-4 for b in before)
    assert f"the first part that gives something else: {place}" in found.text()


def test_a_file_does_not_part_from_itself(exported: Exported) -> None:
    path = exported("hq", "128x256", "fp32")

    found = first_divergence(path, path, PICTURES)

    assert found.first is None
    assert [part.place for part in found.blocks[12:]] == ["output logits"]
    assert "no part gives more than rounding explains" in found.text()


@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 0.0), pytest.param("bf16", 1e-3, marks=needs_bf16)]
)
def test_a_file_is_compared_with_what_another_library_makes_of_it(
    exported: Exported, precision: str, least: float
) -> None:
    """OpenVINO's FP32 and, where the CPU has it, BF16 beside ONNX Runtime's FP32."""
    pytest.importorskip("openvino", reason="needs OpenVINO (extra openvino)")
    path = exported("none", "128x256", "fp32")
    config = BackendConfig(1, alone=False, precision=precision, cache=False)

    found = first_divergence(path, path, PICTURES, backend="openvino", config=config)

    assert found.precision == precision
    assert found.first is None
    assert max(b.difference or 0.0 for b in found.blocks) > least


def test_labels_are_compared_pixel_by_pixel() -> None:
    zeros, some = np.zeros((1, 8, 8), np.uint8), np.zeros((1, 8, 8), np.uint8)
    some[0, 0] = 3

    [found] = compare_blocks(lambda _: {"l": zeros}, lambda _: {"l": some}, [zeros], [zeros])

    assert found == BlockDifference("l", 1 / 8, labels=True)
    assert found.exceeds("int8")
    assert not BlockDifference("l", 1 / 100, labels=True).exceeds("fp16")


def test_halves_do_not_part_from_floats_where_no_tokens_are_merged(exported: Exported) -> None:
    halves = exported("none", "128x256", "fp16")

    found = first_divergence(halves, exported("none", "128x256", "fp32"), PICTURES)

    assert found.first is None
    assert any(b.difference and b.difference > 1e-4 for b in found.blocks)


def test_an_overflow_is_named_where_it_begins(exported: Exported, tmp_path: Path) -> None:
    def huge(model: onnx.ModelProto) -> None:
        [tensor] = [
            one for one in model.graph.initializer if one.name.endswith("1.blocks.1.ffn.fc2.weight")
        ]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        values.flat[0] = np.nan
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    path = exported("none", "128x256", "fp32")
    found = first_divergence(copied(path, tmp_path / "nan.onnx", huge), path, PICTURES)

    assert found.first == "stage 2 block 2"
    assert BlockDifference("stage 2 block 2", None) in found.blocks
    assert "not finite" in found.text()


def test_files_of_other_sizes_are_refused(exported: Exported) -> None:
    small, large = exported("none", "64x128", "fp32"), exported("none", "128x256", "fp32")

    with pytest.raises(InputError, match=r"cannot be compared(.|\n)*: 64x128, (.|\n)*: 128x256, "):
        first_divergence(small, large, PICTURES)


def test_networks_without_a_block_in_common_are_refused() -> None:
    a = np.zeros(1)

    with pytest.raises(InputError, match="no block of the same place"):
        compare_blocks(lambda _: {"one": a}, lambda _: {"two": a}, [a], [a])


def test_another_shape_is_a_difference_that_no_number_tells() -> None:
    a = np.ones((2, 2))

    [found] = compare_blocks(lambda _: {"one": a}, lambda _: {"one": a[:1]}, [a], [a])

    assert found == BlockDifference("one", None)


def test_the_worst_picture_counts() -> None:
    def same(tensor: np.ndarray) -> dict[str, np.ndarray]:
        return {"one": tensor}

    ones = np.ones(4, np.float32)

    [found] = compare_blocks(same, same, [ones, ones], [ones, 3 * ones])

    assert found.difference == pytest.approx(2.0)
