"""The file of an EoMT labels as transformers does, and passes every command as the others do.

Tests models/vit/network/mask_classification.py and models/vit/family.py as a whole.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from filelock import FileLock

from benchmarks.common.random_network import random_network
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.family import FAMILY
from segpp.export.onnx_graph.lint import lint
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from tests.export.models.vit.eomt.folders import eomt, save_eomt, semantic
from tests.export.models.vit.test_files import pictures
from tests.helpers.commands import Completed, in_process

Command = Callable[..., Completed]

# Before and behind the block that queries join at, within attentions and for all that follows.
MERGED = ("1.q=bsm", "1.kv=bsm", "2.tokens=bsm:ratio=0.25", "3.q=bsm:sy=1,sx=2")
PROCESSOR = {
    "image_processor_type": "EomtImageProcessor",
    "size": {"shortest_edge": 64, "longest_edge": 64},
    "do_pad": True,
}


@pytest.fixture(scope="session")
def files(session_folder: Path) -> Path:
    """A folder of transformers with files of it, made once."""
    folder = session_folder / "eomt"
    with FileLock(f"{folder}.lock"):
        if not (folder / "merged.onnx").exists():
            save_eomt(folder, eomt(), processor=PROCESSOR)
            for name, options in {
                "plain": ("--outputs", "both"),
                "merged": tuple(word for one in MERGED for word in ("--reduce", one)),
            }.items():
                done = in_process("export", folder, folder / f"{name}.onnx", *options)
                assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_file_gives_the_scores_and_labels_of_transformers(files: Path, backend: str) -> None:
    pytest.importorskip(backend)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    scores, labels = (one.numpy() for one in semantic(eomt(), x))

    session = BACKENDS[backend].open(files / "plain.onnx", BackendConfig())
    found, labelled = session.run({"image": x.numpy()}, ["logits", "labels"])

    architecture = load_checkpoint(files).architecture
    allowed = min(1e-4, FAMILY.tolerance(architecture, Size(64, 64)))
    assert np.abs(found - scores).max() / np.abs(scores).max() <= allowed
    assert np.array_equal(labelled, labels)
    assert len(np.unique(labels)) > 1


def test_the_manifest_tells_queries_sites_and_what_lies_beside_a_picture(files: Path) -> None:
    manifest = read_manifest(files / "merged.onnx")

    assert manifest.architecture == load_checkpoint(files).architecture
    assert manifest.architecture.vit is not None
    assert (manifest.architecture.vit.queries, manifest.architecture.vit.query_blocks) == (7, 2)
    assert manifest.source.layout == "hf-eomt"
    assert (manifest.input.fit, manifest.input.padding) == ("letterbox", (0, 0, 0))
    # Patches alone are counted, with queries before them or without.
    told = [(one.stage, one.side, one.tokens_in, one.tokens_out) for one in manifest.reduction]
    assert told == [
        (1, "q", 16, 8), (1, "kv", 16, 8), (2, "tokens", 16, 12), (3, "q", 12, 6),
    ]  # fmt: skip
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0


def test_what_merged_for_good_is_restored_once_before_the_upscaling(files: Path) -> None:
    graph = onnx.load(files / "merged.onnx")

    shapes = {value.name: value.type.tensor_type.shape for value in graph.graph.value_info}
    unmerged = [node for node in graph.graph.node if node.op_type == "SegppTokenUnmerge"]
    # Queries of the first and the third block, and 64 channels of every patch.
    assert [[dim.dim_value for dim in shapes[node.output[0]].dim] for node in unmerged] == [
        [1, 16, 64], [1, 12, 64], [1, 16, 64],
    ]  # fmt: skip
    assert lint(graph) == []


def test_inspect_tells_the_queries(files: Path, segpp: Command) -> None:
    checkpoint = segpp("inspect", files, "--ratio", "0.5")
    manifest = segpp("inspect", files / "merged.onnx.json")

    told = "16x16 pixels, 3 tokens before them, 7 queries before those in the last 2 blocks"
    assert "a plain ViT checkpoint of hf-eomt" in checkpoint.stdout
    assert told in checkpoint.stdout
    assert "dovit  no tokens can leave at 3.tokens" in " ".join(checkpoint.stdout.split(" "))
    assert told in manifest.stdout
    assert (checkpoint.returncode, manifest.returncode) == (0, 0)


def test_calibrate_makes_int8_of_it(files: Path, segpp: Command, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    options = ("--target", "onnxruntime", "--no-timing", "--min-agreement", "0")

    done = segpp(
        "calibrate", files / "merged.onnx", pictures(tmp_path, 10), "-o", out, *options
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    made = read_manifest(out).calibration
    assert made is not None
    assert {"stage 1 block 1", "stage 3 block 1"} <= set(made.int8)


def test_every_attention_is_one_kernel_in_an_engine(
    files: Path, segpp: Command, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    half = tmp_path / "half.onnx"
    options = ("--precision", "fp16", "--no-check")
    assert segpp("export", files, half, *options).returncode == 0

    done = segpp("build-engine", half, tmp_path / "half.engine", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [report[f"attention_{key}"] for key in ("found", "expected", "fused")] == [3] * 3
    # The head's softmax between two products, over classes, is not missed as one.
    assert not [warning for warning in report["warnings"] if "attention" in warning]


# What merges, and a precision: an EoMT-S at 640x640.
BUILT = [
    (("--preset", "none"), "fp16"),
    (("--preset", "none"), "fp32"),
    (("--preset", "algm"), "fp16"),
    (("--preset", "algm"), "fp32"),
    (("--reduce", "3.tokens=similarity:share=0.75"), "fp16"),
]


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize(("reduction", "precision"), BUILT, ids=lambda one: one[-1])
def test_one_of_its_published_size_compiles_with_all_its_attention(
    reduction: tuple[str, ...], precision: str, *, segpp: Command, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    path, options = tmp_path / "eomt.onnx", ("--precision", precision, "--no-check")
    folder = random_network("eomt-s", Size(640, 640), 0, tmp_path)
    exported = segpp("export", folder, path, *options, *reduction)
    assert exported.returncode == 0, exported.stderr

    done = segpp("build-engine", path, tmp_path / "eomt.engine", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [report[f"attention_{key}"] for key in ("found", "expected")] == [12] * 2
    assert report["attention_fused"] == (12 if precision == "fp16" else 0)


def test_masked_attention_ends_with_2_and_writes_nothing(tmp_path: Path, segpp: Command) -> None:
    folder = save_eomt(tmp_path, eomt(), state=lambda s: s["attn_mask_probs"].fill_(1))
    before = set(tmp_path.iterdir())

    done = segpp("export", folder, tmp_path / "x.onnx")

    assert done.returncode == 2
    assert "masks its attention: attn_mask_probs is 1, 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(tmp_path.iterdir()) == before
