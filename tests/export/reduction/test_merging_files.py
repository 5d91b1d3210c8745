"""Files that merge in the feed-forward part, or by options of bsm: what both engines make of them.

Tests reduction/query_match.py and reduction/methods/_*.py in whole files.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import segpp
from segpp.export.config import ExportConfig
from segpp.export.images import normalized_image
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.onnx_graph.lint import lint
from segpp.export.pipeline import export_onnx
from segpp.images import sample_image
from segpp.images.postprocess import resize_argmax
from segpp.ops.grid import Size

# At this size no cell divides its grid.
ODD = Size(132, 196)
FFN = ("1.ffn=bsm:ratio=0.4", "2.q=bsm", "2.ffn=q", "3.grid=area", "3.ffn=n2d", "4.ffn=bsm")
OPTIONS = (
    "1.kv=bsm:sy=1,sx=2,protect=0.5",
    "2.q=bsm:destination=salient,protect=1,window=1",
    "3.q=bsm:ratio=0.6,sy=3,sx=3,destination=center,value=max",
    "4.q=bsm:value=max",
)


def exported(checkpoint: Path, out: Path, *reduce: str, **more: object) -> segpp.Manifest:
    config = ExportConfig(
        checkpoint,
        out,
        size=ODD,
        reduction=reduction_config(reduce=reduce),
        **more,  # type: ignore[arg-type]  # as the test says
    )
    return export_onnx(config).manifest


@pytest.mark.parametrize("reduce", [FFN, OPTIONS], ids=["ffn", "options"])
def test_a_file_labels_as_torch_in_both_engines(
    tiny_checkpoint: Path, tmp_path: Path, reduce: tuple[str, ...]
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")
    out = tmp_path / "x.onnx"

    manifest = exported(tiny_checkpoint, out, *reduce)

    assert lint(onnx.load(out)) == []
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    loaded = load_checkpoint(tiny_checkpoint)
    image = normalized_image(sample_image(), manifest.input)
    with torch.inference_mode():
        model = loaded.build().apply_reductions(reduction_config(reduce=reduce))
        logits = model(torch.from_numpy(image)).numpy()
    wanted = resize_argmax(logits, tuple(ODD), align_corners=loaded.align_corners)
    for backend in ("onnxruntime", "openvino"):
        with segpp.load(out, backend=backend) as session:
            [found] = session.run_raw(image).values()
        labels = resize_argmax(found, tuple(ODD), align_corners=loaded.align_corners)
        assert np.mean(labels == wanted) >= 0.999


@pytest.mark.parametrize(
    ("precision", "reduce"),
    [
        pytest.param("fp16", OPTIONS, id="fp16-options"),
        pytest.param("bf16", FFN, id="bf16-ffn"),
        pytest.param("fp16", FFN, id="fp16-ffn", marks=pytest.mark.exhaustive),
        pytest.param("bf16", OPTIONS, id="bf16-options", marks=pytest.mark.exhaustive),
    ],
)
def test_halves_pass_their_gate(
    tiny_checkpoint: Path, tmp_path: Path, precision: str, reduce: tuple[str, ...]
) -> None:
    out = tmp_path / "x.onnx"

    manifest = exported(tiny_checkpoint, out, *reduce, precision=precision)

    assert lint(onnx.load(out)) == []
    assert manifest.parity is not None
    assert manifest.parity.pixel_agreement >= 0.98


def test_a_shared_match_is_one_node_and_merges_three_times(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    exported(tiny_checkpoint, tmp_path / "x.onnx", "3.q=bsm", "3.ffn=q", check=False)

    nodes = Counter(node.op_type for node in onnx.load(tmp_path / "x.onnx").graph.node)
    # The third stage of the tiny network has one block: queries, the input of MixFFN, what is
    # between its layers.
    assert (nodes["SegppTokenMatch"], nodes["SegppTokenMerge"]) == (1, 3)
    assert nodes["SegppTokenUnmerge"] == 3


def test_the_manifest_tells_words_and_they_are_read_back(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    exported(tiny_checkpoint, tmp_path / "x.onnx", *OPTIONS, check=False)

    sites = segpp.read_manifest(tmp_path / "x.onnx").reduction

    told = {site.side + str(site.stage): site.settings for site in sites}
    assert told["q3"]["destination"] == "center"
    assert told["q4"]["value"] == "max"
    assert told["kv1"]["protect"] == 0.5
