"""--match-interval: what one block decides serves the next ones, in PyTorch and in the file."""

import json
from pathlib import Path

import onnx
import pytest
import torch

from segpp.errors import ManifestError
from segpp.export.config import ExportConfig
from segpp.export.custom_ops.torch_ops import MatchSettings, matching_by, plain_match
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.pipeline import export_onnx
from segpp.manifest import parse_manifest, read_manifest
from segpp.manifest.dataclass_json import encode
from segpp.ops.grid import Size

SIZE = Size(128, 256)


def network(preset: str, match_interval: int) -> SegFormer:
    torch.manual_seed(0)
    architecture = segformer("b0", classes=4)
    model = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    return model.apply_reductions(PRESETS[preset], match_interval=match_interval)


@pytest.mark.parametrize(("every", "matches"), [(1, 8), (2, 4), (5, 4)])
def test_a_match_is_made_once_for_its_blocks(every: int, matches: int) -> None:
    # Four sites in stages of two blocks.
    made: list[MatchSettings] = []

    def counting(x: torch.Tensor, settings: MatchSettings) -> torch.Tensor:
        made.append(settings)
        return plain_match(x, settings)

    model = network("hq", every)
    for _ in range(2):
        made.clear()
        with torch.inference_mode(), matching_by(counting):
            model(torch.zeros(1, 3, *SIZE))
        assert len(made) == matches


def test_a_pass_leaves_nothing_of_its_image_behind() -> None:
    model = network("hq", 2)

    with torch.inference_mode():
        model(torch.zeros(1, 3, *SIZE))

    first = model.attentions(3)[0].q_merging
    assert first.assignment is None  # type: ignore[union-attr]  # a block that is followed


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_file_matches_as_often_as_pytorch(
    tiny_or_b0: Path, tmp_path: Path, precision: str
) -> None:
    out = tmp_path / "b0.onnx"
    config = ExportConfig(
        tiny_or_b0,
        out,
        size=SIZE,
        reduction=PRESETS["fast"],
        match_interval=2,
        precision=precision,
        min_agreement=None if precision == "fp32" else 0.8,
    )

    manifest = export_onnx(config).manifest

    nodes = [node.op_type for node in onnx.load(out).graph.node]
    # A site in each of the four stages, which have two blocks at most.
    assert nodes.count("SegppTokenMatch") == 4
    assert nodes.count("SegppTokenMerge") == sum(manifest.architecture.depths)
    assert [site.match_every for site in manifest.reduction] == [2, 2, 2, 2]
    assert read_manifest(out) == manifest
    if precision == "fp32":
        assert manifest.parity is not None
        assert manifest.parity.agreement_given_matches == 1.0


def test_windowed_matches_pass_the_gate(tiny_or_b0: Path, tmp_path: Path) -> None:
    windowed = reduction_config(
        reduce=["1.kv=bsm:ratio=0.6,window=1", "3.q=bsm:ratio=0.8,sy=4,sx=4,window=1"]
    )

    config = ExportConfig(tiny_or_b0, tmp_path / "b0.onnx", size=SIZE, reduction=windowed)
    manifest = export_onnx(config).manifest

    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0


def test_a_manifest_that_matches_every_zero_blocks_is_refused(b0_onnx: Path) -> None:
    value = encode(read_manifest(b0_onnx))
    value["reduction"][0]["match_every"] = 0

    with pytest.raises(ManifestError, match="matches every 0 blocks"):
        parse_manifest(json.loads(json.dumps(value)))
