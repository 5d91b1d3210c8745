"""A file of every setting labels as PyTorch in every engine, and keeps the rules of its targets.

Tests reduction/*.py and reduction/methods/*.py in whole files.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

import segpp
from segpp.export.images import normalized_image
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.export.models.segformer.family import FAMILY
from segpp.export.onnx_graph.lint import lint
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.gates import GATES
from segpp.export.reduction.gates.config import build_gates
from segpp.images import sample_image
from segpp.images.postprocess import resize_argmax
from tests.export.reduction.every_setting import SETTINGS

SIZE = (128, 160)
# A tie that another engine decides otherwise moves what lies behind it in its row. The gate, which
# replays what the file merged, asks for every pixel all the same.
AGREEMENT = dict.fromkeys(SETTINGS, 0.999) | {"similar": 0.99}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_file_labels_as_torch_in_both_engines(
    tiny_checkpoint: Path, tmp_path: Path, name: str
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")
    out, reduce = tmp_path / "x.onnx", SETTINGS[name]

    # The gate holds the file to PyTorch with its own matches.
    manifest = segpp.export_onnx(
        tiny_checkpoint, out, size="x".join(map(str, SIZE)), reduce=reduce
    ).manifest

    assert lint(onnx.load(out)) == []
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    image = normalized_image(sample_image(), manifest.input)
    wanted = labels_of_torch(tiny_checkpoint, reduce, image)
    for backend in ("onnxruntime", "openvino"):
        with segpp.load(out, backend=backend) as session:
            [found] = session.run_raw(image).values()
        assert np.mean(resize_argmax(found, SIZE) == wanted) >= AGREEMENT[name], backend


def labels_of_torch(
    checkpoint: Path, reduce: tuple[str, ...], image: NDArray[np.float32]
) -> NDArray[np.integer]:
    model: Network = load_checkpoint(checkpoint).build()
    model.apply_reductions(FAMILY.reduction_config(ReductionChoice(reduce=reduce)))
    gates = build_gates(reduce, FAMILY.places)
    # The file's were chosen on the same picture.
    FAMILY.apply_gates(model, gates, [lambda: image])
    with torch.inference_mode():
        logits = model(torch.from_numpy(image)).numpy()
    return resize_argmax(logits, SIZE)


def test_every_method_and_word_is_among_the_settings() -> None:
    texts = [text.partition("=")[2] for settings in SETTINGS.values() for text in settings]

    # What shortens a sequence is of plain ViTs, and these are files of a SegFormer.
    elsewhere = {("tokens",), ("patches",)}
    fitting = {name for name, one in REDUCTIONS.items() if one.sides not in elsewhere}
    assert {text.partition(":")[0] for text in texts} >= {*fitting, *GATES, "q"} - {"n1d"}
    words = {setting for text in texts for setting in text.partition(":")[2].split(",")}
    kinds = ("typical", "salient", "center")
    assert words >= {"value=max", "window=1", *(f"destination={kind}" for kind in kinds)}
