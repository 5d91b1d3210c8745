"""The plugins of the CPU-run library, called as TensorRT calls them, give what the oracle gives."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from segpp import ops

HERE = Path(__file__).parent
TYPES = (np.float32, np.float16, ml_dtypes.bfloat16)

Array = NDArray[Any]
Drive = Callable[..., tuple[Array, dict[str, int]]]


@pytest.fixture
def drive(driver: Path, library: Path) -> Drive:
    """Run one node and return its output and the fields that an engine would hold."""

    def run(
        operator: str,
        attributes: Mapping[str, int],
        inputs: Sequence[Array],
        output: tuple[tuple[int, ...], Any],
    ) -> tuple[Array, dict[str, int]]:
        done = subprocess.run(
            [sys.executable, str(HERE / "driver.py"), str(driver), str(library)],
            input=pickle.dumps((operator, dict(attributes), list(inputs), output)),
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        worked, text, result = pickle.loads(done.stdout)  # noqa: S301 - our own process
        assert worked, text
        fields = (one.split("=") for one in text.split(";") if one)
        return result, {name: int(value) for name, value in fields}

    return run


def tokens(shape: tuple[int, ...], kind: Any, seed: int = 0) -> Array:
    array: Array = np.random.default_rng(seed).standard_normal(shape, np.float32).astype(kind)
    return array


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("window", [0, 1])
def test_match_gives_the_oracles_slots(drive: Drive, kind: Any, window: int) -> None:
    attributes = {
        "height": 7, "width": 9, "stride_y": 2, "stride_x": 3, "merged": 20, "window": window,
    }  # fmt: skip
    x = tokens((2, 63, 40), kind)

    slot, fields = drive("SegppTokenMatch", attributes, [x], (x.shape[:2], np.int32))

    # Random scores lie further apart than the rounding of a sum of 40 products.
    assert (slot == ops.match_reference(x, **attributes)).all()
    assert fields == attributes


@pytest.mark.parametrize("kind", TYPES)
def test_merge_gives_the_oracles_bits(drive: Drive, kind: Any) -> None:
    x = tokens((2, 65, 33), kind)
    slot = np.random.default_rng(1).integers(0, 20, (2, 65), np.int32)

    attributes = {"slots": 21, "singles": 0}

    y, fields = drive("SegppTokenMerge", attributes, [x, slot], ((2, 21, 33), kind))

    assert y.tobytes() == ops.merge_reference(x, slot, slots=21).tobytes()
    assert fields == attributes


@pytest.mark.parametrize("kind", TYPES)
def test_unmerge_gives_every_token_the_row_of_its_slot(drive: Drive, kind: Any) -> None:
    y = tokens((2, 21, 33), kind)
    slot = np.random.default_rng(1).integers(0, 21, (2, 65), np.int32)

    x, fields = drive("SegppTokenUnmerge", {}, [y, slot], ((2, 65, 33), kind))

    assert x.tobytes() == ops.unmerge_reference(y, slot).tobytes()
    assert fields == {}


@pytest.mark.parametrize("kind", TYPES)
def test_unmerge_add_adds_that_row_to_the_residual(drive: Drive, kind: Any) -> None:
    y, residual = tokens((2, 21, 33), kind), tokens((2, 65, 33), kind)
    slot = np.random.default_rng(1).integers(0, 21, (2, 65), np.int32)

    x, fields = drive("SegppTokenUnmergeAdd", {}, [y, slot, residual], ((2, 65, 33), kind))

    assert x.tobytes() == ops.unmerge_add_reference(y, slot, residual).tobytes()
    assert fields == {}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("classes", "label", "told", "corners"),
    [
        (19, np.int8, 19, {}),
        (19, np.int8, 0, {"align_corners": 0}),
        (19, np.int8, 19, {"align_corners": 1}),
        (150, np.int32, 150, {}),
        (1, np.int8, 1, {}),
    ],
)
def test_resize_argmax_gives_the_oracles_labels(  # noqa: PLR0917 - pytest gives them by name
    drive: Drive, kind: Any, classes: int, label: Any, told: int, corners: dict[str, int]
) -> None:
    attributes = {"height": 12, "width": 20, "classes": told, **corners}
    logits = tokens((1, classes, 3, 5), kind)

    labels, fields = drive("SegppResizeArgmax", attributes, [logits], ((1, 12, 20), label))

    is_aligned = bool(corners.get("align_corners"))
    expected = ops.resize_argmax_reference(logits, height=12, width=20, align_corners=is_aligned)
    assert labels.dtype == expected.dtype
    assert (labels == expected).all()
    # Files from before there were two ways do not name one.
    assert fields == {"align_corners": 0, **attributes}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("corners", [{}, {"align_corners": 0}, {"align_corners": 1}])
def test_decode_head_gives_the_oracles_logits(
    drive: Drive, kind: Any, corners: dict[str, int]
) -> None:
    sizes = ((9, 34), (5, 17), (3, 9), (2, 5))
    levels = [tokens((2, 32, *size), kind, seed) for seed, size in enumerate(sizes)]
    weight, bias = tokens((19, 32, 1, 1), kind, 5), tokens((19,), kind, 6)

    inputs, output = [*levels, weight, bias], ((2, 19, 9, 34), kind)
    logits, fields = drive("SegppDecodeHead", corners, inputs, output)

    is_aligned = bool(corners.get("align_corners"))
    expected = ops.decode_head_reference(levels, weight, bias, align_corners=is_aligned)
    assert logits.dtype == expected.dtype
    # A fused value is rounded to the type, and the sum of 32 of them, of magnitude up to 20.
    atol = {"float32": 2.0**-16, "float16": 2.0**-5, "bfloat16": 2.0**-2}[logits.dtype.name]
    off = np.abs(logits.astype(np.float64) - expected.astype(np.float64))
    assert off.max() <= atol
    assert fields == {"align_corners": 0, **corners}
