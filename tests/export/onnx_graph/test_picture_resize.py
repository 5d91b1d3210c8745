"""Pictures resized in the file as Pillow resizes them outside."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segpp.export.onnx_graph.picture_resize import PictureResize
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from segpp.runtime.inference.open_session import open_session
from tests.conftest import corners
from tests.helpers.commands import in_process

FILTERS = {
    "pillow-bilinear": Image.Resampling.BILINEAR,
    "pillow-bicubic": Image.Resampling.BICUBIC,
    "pillow-nearest": Image.Resampling.NEAREST,
}


def street(height: int, width: int) -> np.ndarray:
    """Patches and grain, (H, W, 3)."""
    draws = np.random.default_rng(2)
    coarse = draws.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    patches = coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
    return np.clip(patches + draws.integers(-20, 21, patches.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("resize", FILTERS)
@pytest.mark.parametrize("before", [(108, 192), (33, 47), (64, 96), (720, 1280)])
def test_the_pixels_are_pillows(resize: str, before: tuple[int, int]) -> None:
    image, after = street(*before), (64, 96)
    module = PictureResize(Size(*before), Size(*after), resize)

    ours = module(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0)

    across = Image.fromarray(image).resize((after[1], before[0]), FILTERS[resize])
    theirs = np.asarray(across.resize(after[::-1], FILTERS[resize]))
    assert np.array_equal(ours.numpy(), theirs)


@pytest.mark.parametrize("precision", corners(("fp32", "fp16"), "fp16".__eq__))
def test_a_file_that_resizes_labels_every_pixel_as_the_session_does_with_logits(
    tiny_checkpoint: Path, tmp_path: Path, precision: str
) -> None:
    size = ("--size", "128x192", "--preset", "hq", "--precision", precision)
    outside, inside = tmp_path / "outside.onnx", tmp_path / "inside.onnx"
    done = in_process("export", tiny_checkpoint, outside, *size)
    assert done.returncode == 0, done.stderr
    done = in_process(
        "export", tiny_checkpoint, inside, *size, "--for", "engine", "--picture", "256x384"
    )
    assert done.returncode == 0, done.stderr

    manifest = read_manifest(inside)
    picture = street(256, 384)
    [expected], [found] = (open_session(path)(picture).masks for path in (outside, inside))

    assert (manifest.input.height, manifest.input.width) == (256, 384)
    assert manifest.outputs[0].shape == (1, 256, 384)
    assert manifest.options["resized_inside"] == "128x192"
    assert (found == expected).mean() > (0.9995 if precision == "fp32" else 0.995)
    assert in_process("verify", inside).returncode == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--picture", "128x192"), "--picture 128x192 with --input-dtype float32"),
        (("--picture", "100x192", "--for", "engine"), "hint: --size 67x128, or --fit stretch"),
        (("--picture", "8x12", "--for", "engine"), "a side has 32 to 8192 pixels"),
        (("--picture", "big", "--for", "engine"), "'big'"),
    ],
)
def test_what_cannot_be_is_told(
    tiny_checkpoint: Path, tmp_path: Path, flags: tuple[str, ...], told: str
) -> None:
    done = in_process("export", tiny_checkpoint, tmp_path / "x.onnx", "--size", "64x96", *flags)

    assert done.returncode == 2
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_shape_fills_the_input_where_the_network_was_trained_so(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    flags = ("--size", "64x96", "--picture", "100x192", "--for", "engine", "--fit", "stretch")

    done = in_process("export", tiny_checkpoint, tmp_path / "x.onnx", *flags)

    assert done.returncode == 0, done.stderr
    assert open_session(tmp_path / "x.onnx")(street(100, 192)).masks[0].shape == (100, 192)
