"""The whole export: the file computes what PyTorch computes, and says truly what it is.

``parity/file_manifest.py``, ``config/recorded.py`` and ``parity/certify.py`` show in what it writes
beside the file.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from segpp.errors import CheckError
from segpp.export.config import ExportConfig
from segpp.export.models.base import families
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.rewriting import ordered_rewrites, select_rewrites
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.onnx_graph.lint import lint
from segpp.export.pipeline import export_onnx
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from segpp.utils.files import manifest_path, sha256_of

SIZE = Size(128, 256)


def config(checkpoint: Path, out: Path, **options: object) -> ExportConfig:
    return ExportConfig(checkpoint, out, **{"size": SIZE, **options})  # type: ignore[arg-type]  # as the test says


def run(file: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"none"}))
def test_every_preset_passes_its_gate_and_the_lint(
    tiny_or_b0: Path, tmp_path: Path, preset: str
) -> None:
    out = tmp_path / "b0.onnx"

    manifest = export_onnx(config(tiny_or_b0, out, reduction=PRESETS[preset])).manifest

    assert lint(onnx.load(out)) == []
    assert read_manifest(out) == manifest
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    assert all(site.tokens_out < site.tokens_in for site in manifest.reduction)


def test_two_threads_may_export_at_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    both = Barrier(2)

    def export(name: str) -> Path:
        both.wait(timeout=60)
        choice = config(tiny_checkpoint, tmp_path / name, reduction=PRESETS["hq"])
        assert export_onnx(choice).manifest.parity is not None
        return choice.out

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(export, ["a.onnx", "b.onnx"])

    assert sha256_of(a) == sha256_of(b)
    assert read_manifest(b).file.sha256 == sha256_of(b)


# Each of the methods, on grids that neither their cells nor the spatial reduction divides.
EVERY_METHOD = reduction_config(
    reduce=[
        "1.kv=bsm:ratio=0.4,sy=1,sx=2",
        "2.q=n1d:length=3",
        "2.kv=n2d",
        "3.q=bsm:ratio=0.7,sy=2,sx=2,window=1",
        "4.q=n1d",
    ]
)


@pytest.mark.parametrize(
    ("size", "reduction"),
    [
        (Size(33, 47), PRESETS["2x2"]),
        (Size(101, 131), EVERY_METHOD),
        (Size(135, 241), PRESETS["hq"]),
        (Size(135, 241), PRESETS["fast"]),
    ],
    ids=["smallest", "methods", "hq", "fast"],
)
def test_a_size_that_nothing_divides_passes_its_gate_with_labels_at_that_size(
    tiny_checkpoint: Path, tmp_path: Path, size: Size, reduction: object
) -> None:
    choice = config(
        tiny_checkpoint, tmp_path / "x.onnx", size=size, reduction=reduction, outputs="both"
    )

    manifest = export_onnx(choice).manifest

    logits, labels = manifest.outputs
    assert logits.shape[2:] == (-(-size.height // 4), -(-size.width // 4))
    assert labels.shape[1:] == size
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_b0_passes_its_gate_at_the_size_of_a_camera(
    b0_checkpoint: Path, tmp_path: Path, preset: str
) -> None:
    choice = config(
        b0_checkpoint, tmp_path / "b0.onnx", size=Size(360, 480), reduction=PRESETS[preset]
    )

    manifest = export_onnx(choice).manifest

    parity = manifest.parity
    assert parity
    assert parity.max_logit_difference is not None
    assert parity.tolerance is not None
    assert parity.max_logit_difference <= parity.tolerance
    # But for pixels whose two best logits are within that difference.
    assert (parity.agreement_given_matches or 0) >= 0.9999


def test_queries_and_keys_that_are_the_same_tokens_may_merge_alike(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    # Stage 4 has no spatial reduction.
    reduction = reduction_config(reduce=["4.q=bsm", "4.kv=bsm"])

    choice = config(tiny_checkpoint, tmp_path / "b0.onnx", reduction=reduction)
    manifest = export_onnx(choice).manifest

    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0


def test_without_merging_the_file_equals_pytorch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "b0.onnx"
    image = np.random.default_rng(0).standard_normal((2, 3, *SIZE), np.float32)

    manifest = export_onnx(config(tiny_checkpoint, out, batch=2)).manifest

    with torch.inference_mode():
        expected = load_checkpoint(tiny_checkpoint).build()(torch.from_numpy(image)).numpy()
    assert manifest.parity is not None
    assert manifest.parity.tolerance is not None
    relative = manifest.parity.tolerance / np.abs(expected).max()
    assert np.abs(run(out, image) - expected).max() <= relative * np.abs(expected).max()


def test_a_file_below_the_asked_agreement_is_not_written(tiny_or_b0: Path, tmp_path: Path) -> None:
    out = tmp_path / "b0.onnx"

    # Random weights in half precision do not reach 1 on every pixel.
    with pytest.raises(CheckError, match=r"asked for: 1\.0"):
        export_onnx(config(tiny_or_b0, out, precision="fp16", min_agreement=1.0))

    assert list(tmp_path.iterdir()) == []


def test_without_the_check_the_manifest_says_so(b0_onnx: Path) -> None:
    manifest = read_manifest(b0_onnx)

    assert manifest.parity is None
    assert "not compared with PyTorch (--no-check)" in manifest.notes


def test_the_manifest_holds_hashes_versions_and_counts(b0_checkpoint: Path, b0_onnx: Path) -> None:
    manifest = read_manifest(b0_onnx)

    assert manifest.file.sha256 == sha256_of(b0_onnx)
    assert manifest.source.sha256 == sha256_of(b0_checkpoint)
    assert manifest.source.layout == "mmsegmentation"
    assert manifest.tools["torch"].startswith("2.")
    # 128x256: 4x8 keys in stages 1 and 2, 8x16 queries in stage 3, 4x8 in stage 4; half merge.
    assert [(s.stage, s.side, s.tokens_in, s.tokens_out) for s in manifest.reduction] == [
        (1, "kv", 32, 16),
        (2, "kv", 32, 16),
        (3, "q", 128, 64),
        (4, "q", 32, 16),
    ]


def test_nothing_of_the_exporting_machine_is_in_file_or_manifest(
    b0_checkpoint: Path, b0_onnx: Path
) -> None:
    written = b0_onnx.read_bytes() + manifest_path(b0_onnx).read_bytes()

    for private in (str(b0_checkpoint.parent), str(Path.home()), str(Path.cwd()), "segpp.export"):
        assert private.encode() not in written


def test_the_bundled_image_is_the_default_and_is_named(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    manifest = export_onnx(config(tiny_checkpoint, tmp_path / "b0.onnx")).manifest

    assert manifest.parity is not None
    assert manifest.parity.image == "street.jpg"


@pytest.mark.shared
def test_a_trained_checkpoint_keeps_its_classes_and_agrees(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "camvid.onnx"
    image = shared / "images" / "camvid_960x720.png"
    checkpoint = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"

    result = export_onnx(
        config(checkpoint, out, size=Size(352, 480), parity_image=image, reduction=PRESETS["hq"])
    )

    manifest = result.manifest
    assert manifest.classes.names[:3] == ("Sky", "Building", "Pole")
    assert manifest.classes.palette[3] == (128, 64, 128)
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches is not None
    assert manifest.parity.agreement_given_matches >= 0.999


def test_json_prints_the_manifest(tiny_checkpoint: Path, tmp_path: Path, segpp: object) -> None:
    out = tmp_path / "b0.onnx"

    done = segpp("export", "--json", "--no-check", "--size", "64x64", tiny_checkpoint, out)  # type: ignore[operator]  # the fixture's function

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(manifest_path(out).read_text())


def test_the_manifest_names_the_dialect_and_the_rewrites(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    off = ("fold-decode-head", "gelu-for-fusion")

    manifest = export_onnx(
        config(tiny_checkpoint, tmp_path / "b0.onnx", rewrites_off=off, check=False)
    ).manifest

    assert manifest.options["target"] == "portable"
    assert manifest.options["rewrites"].split() == list(select_rewrites(REWRITES, off=off).on)


def test_the_dialect_of_onnxruntime_passes_the_gate_with_merged_tokens(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b0.onnx"

    manifest = export_onnx(
        config(tiny_checkpoint, out, target="onnxruntime", reduction=PRESETS["hq"])
    ).manifest

    assert manifest.options["target"] == "onnxruntime"
    assert "com.microsoft" in {entry.domain for entry in onnx.load(out).opset_import}
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0


def test_the_rewrites_are_listed(segpp: object) -> None:
    done = segpp("export", "--list-rewrites")  # type: ignore[operator]  # the fixture's function

    assert done.returncode == 0, done.stderr
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    # Families may share one.
    known = {name for family in families().values() for name in family.rewrites()}
    assert set(listed) == known
    assert [name for name in listed if name in REWRITES] == list(ordered_rewrites(REWRITES))


def test_a_misspelt_rewrite_stops_the_export(
    tiny_checkpoint: Path, tmp_path: Path, segpp: object
) -> None:
    out = tmp_path / "b0.onnx"

    done = segpp("export", "--no-rewrite", "gelu-for-fusin", tiny_checkpoint, out)  # type: ignore[operator]  # as above

    assert done.returncode == 2
    assert "did you mean 'gelu-for-fusion'?" in done.stderr
    assert not out.exists()
