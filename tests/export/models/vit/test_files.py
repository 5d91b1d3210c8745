"""A plain ViT goes through every command as a SegFormer does, and its file is PyTorch's equal.

Tests models/vit/family.py as a whole.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from filelock import FileLock
from PIL import Image

from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.family import FAMILY
from segpp.export.onnx_graph.lint import lint
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from tests.export.models.vit.checkpoints import (
    mmsegmentation,
    save_mmsegmentation,
    save_segmenter,
    variant_of,
)
from tests.export.models.vit.references import reference
from tests.helpers.commands import Completed, in_process

Command = Callable[..., Completed]

# With a blank of 16 rows in the last patches, and logits that need cutting.
SIZE = "112x72"


@pytest.fixture(scope="session")
def files(session_folder: Path) -> Path:
    """A folder with a Segmenter's checkpoint and files of it, made once."""
    folder = session_folder / "vit"
    with FileLock(f"{folder}.lock"):
        if not (folder / "half.onnx").exists():
            folder.mkdir(exist_ok=True)
            network = reference(size=(64, 64), distilled=True)
            checkpoint = save_segmenter(folder, network)
            for name, options in {
                "plain": ("--size", SIZE),
                "half": ("--preset", "even", "--size", "96x64", "--outputs", "both"),
            }.items():
                done = in_process("export", checkpoint, folder / f"{name}.onnx", *options)
                assert done.returncode == 0, done.stderr
    return folder


def pictures(folder: Path, count: int) -> Path:
    """Write pictures of patches, no two alike, and labels of any class."""
    draw = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        coarse.resize((96, 128)).save(folder / "images" / f"{number}.png")
        labels = draw.integers(0, 5, (128, 96), dtype=np.uint8)
        Image.fromarray(labels).save(folder / "labels" / f"{number}.png")
    return folder / "images"


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_file_gives_the_logits_of_pytorch(files: Path, backend: str) -> None:
    pytest.importorskip(backend)
    path, checkpoint = files / "plain.onnx", load_checkpoint(files / "checkpoint.pth")
    x = torch.randn(1, 3, 112, 72, generator=torch.Generator().manual_seed(4))

    session = BACKENDS[backend].open(path, BackendConfig())
    [found] = session.run({"image": x.numpy()}, ["logits"])
    with torch.inference_mode():
        expected = checkpoint.build()(x).numpy()

    # Multiples of 16 are 112 and 80: the logits are cut where the picture ends.
    assert found.shape == expected.shape == (1, 5, 112, 72)
    allowed = FAMILY.tolerance(checkpoint.architecture, Size(112, 72))
    assert np.abs(found - expected).max() / np.abs(expected).max() <= allowed
    assert np.array_equal(found.argmax(1), expected.argmax(1))


def test_the_manifest_tells_the_network_and_what_merged(files: Path) -> None:
    manifest = read_manifest(files / "half.onnx")

    assert manifest.architecture == load_checkpoint(files / "checkpoint.pth").architecture
    assert manifest.source.layout == "segmenter"
    told = [(one.stage, one.side, one.tokens_in, one.tokens_out) for one in manifest.reduction]
    assert told == [
        (1, "q", 24, 12), (1, "kv", 24, 12), (2, "q", 24, 12), (2, "kv", 24, 12),
    ]  # fmt: skip
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    # A block's queries and keys are the same patches, and get one match.
    assert manifest.parity.matches % (2 * 24) == 0
    graph = onnx.load(files / "half.onnx")
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("SegppTokenMatch") == operators.count("SegppTokenMerge") == 2
    assert lint(graph) == []


def test_a_shortened_sequence_is_restored_by_one_gather_a_merge(
    files: Path, segpp: Command, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.onnx"
    reduce = ("1.tokens=bsm:ratio=0.25", "2.tokens=bsm:ratio=0.25,sy=1,sx=2")
    options = [word for one in reduce for word in ("--reduce", one)]

    done = segpp("export", files / "checkpoint.pth", path, "--size", "96x64", *options)

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(path)
    assert [(one.side, one.grid, one.tokens_out) for one in manifest.reduction] == [
        ("tokens", (6, 4), 18), ("tokens", (1, 18), 14),
    ]  # fmt: skip
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    graph = onnx.load(path).graph
    shapes = {value.name: value.type.tensor_type.shape for value in graph.value_info}
    unmerged = [node for node in graph.node if node.op_type == "SegppTokenUnmerge"]
    # Of five logits each, and not of 128 channels: to 18 tokens, and to 24 patches.
    assert [[dim.dim_value for dim in shapes[node.output[0]].dim] for node in unmerged] == [
        [1, 18, 5],
        [1, 24, 5],
    ]


@pytest.mark.parametrize("size", ["96x64", "64x80"], ids=["even", "odd"])
def test_algm_is_exported_with_its_counts(
    files: Path, segpp: Command, tmp_path: Path, size: str
) -> None:
    path = tmp_path / "algm.onnx"
    reduce = ("--reduce", "1.tokens=clap:count=1", "--reduce", "2.tokens=gbm:count=4")

    done = segpp("export", files / "checkpoint.pth", path, "--size", size, *reduce)

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(path)
    patches = 24 if size == "96x64" else 20
    assert [one.tokens_out for one in manifest.reduction] == [patches - 3, patches - 7]
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    graph = onnx.load(path)
    assert lint(graph) == []
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("SegppTokenMatch") == operators.count("SegppTokenMerge") == 1


def test_in_halves_windows_are_compared_in_fp32(
    files: Path, segpp: Command, tmp_path: Path
) -> None:
    path = tmp_path / "algm.onnx"
    options = ("--size", "96x64", "--precision", "fp16", "--reduce", "1.tokens=clap:count=2")

    done = segpp("export", files / "checkpoint.pth", path, *options)

    assert done.returncode == 0, done.stderr
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    compared = [n for n in graph.node if n.op_type == "Greater"]
    assert {kinds[name] for node in compared for name in node.input if name in kinds} == {
        onnx.TensorProto.FLOAT
    }


def test_positions_are_a_constant_of_the_exports_grid(files: Path) -> None:
    graph = onnx.load(files / "half.onnx").graph

    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}

    assert {(1, 6, 4, 128), (1, 24, 128)} & set(shapes.values())
    assert not [node for node in graph.node if node.op_type == "Resize"]


def test_inspect_tells_checkpoint_and_file(files: Path, segpp: Command) -> None:
    checkpoint = segpp("inspect", files / "checkpoint.pth", "--ratio", "0.5")
    manifest = segpp("inspect", files / "half.onnx.json")

    assert "a plain ViT checkpoint of segmenter" in checkpoint.stdout
    assert "16x16 pixels, 2 tokens before them" in checkpoint.stdout
    assert "ratio 0.5" in checkpoint.stdout
    assert "16x16 pixels, 2 tokens before them" in manifest.stdout
    assert (checkpoint.returncode, manifest.returncode) == (0, 0)


def test_run_eval_and_verify_take_the_file(files: Path, segpp: Command, tmp_path: Path) -> None:
    images = pictures(tmp_path, 2)

    ran = segpp("run", files / "half.onnx", images, "--out", tmp_path / "runs")
    scored = segpp(
        "eval", files / "half.onnx", files / "plain.onnx",
        "--images", images, "--labels", tmp_path / "labels",
    )  # fmt: skip
    verified = segpp("verify", files / "half.onnx")

    assert (ran.returncode, scored.returncode, verified.returncode) == (0, 0, 0), scored.stderr
    assert len(list((tmp_path / "runs").rglob("*.png"))) > 0
    # Two columns, each with a score.
    assert scored.stdout.count("half") == scored.stdout.count("plain") > 0


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_calibrate_makes_int8_of_it(
    files: Path, segpp: Command, tmp_path: Path, target: str
) -> None:
    out = tmp_path / "int8.onnx"
    options = ("--target", target, "--no-timing", "--min-agreement", "0")

    done = segpp("calibrate", files / "half.onnx", pictures(tmp_path, 10), "-o", out, *options)

    assert done.returncode == 0, done.stderr
    made = read_manifest(out).calibration
    assert made is not None
    assert {"stage 1 block 1", "stage 2 block 1"} <= set(made.int8)


def test_every_attention_is_one_kernel_in_an_engine(
    files: Path, segpp: Command, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    half = tmp_path / "half.onnx"
    options = ("--precision", "fp16", "--preset", "even", "--size", "96x64", "--no-check")
    assert segpp("export", files / "checkpoint.pth", half, *options).returncode == 0

    done = segpp("build-engine", half, tmp_path / "half.engine", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    # Two blocks of the encoder, and two of the head.
    expected = read_manifest(half).architecture.attentions
    assert expected == 4
    assert [report[f"attention_{key}"] for key in ("found", "expected", "fused")] == [expected] * 3


REDUCTIONS = {
    "none": ("--preset", "none"),
    "algm": ("--preset", "algm"),
    "dovit": ("--preset", "dovit"),
    "flat": ("--reduce", "embed.patches=flat:ratio=0.4", "--reduce", "5.tokens=gbm"),
}
# Channels, side of the picture and precision of those that are compiled by hand.
LARGE = [
    (384, 512, "fp16"), (384, 512, "fp32"), (384, 768, "fp16"), (768, 512, "fp16"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "reduction"),
    [
        ("mask", "algm"),
        ("mask", "dovit"),
        ("linear", "none"),
        ("setr", "none"),
        pytest.param("mask", "none", marks=pytest.mark.exhaustive),
        pytest.param("mask", "flat", marks=pytest.mark.exhaustive),
    ],
)
def test_a_small_vit_of_twelve_blocks_compiles_with_all_its_attention(
    segpp: Command, tmp_path: Path, head: str, reduction: str
) -> None:
    check_engine(segpp, tmp_path, REDUCTIONS[reduction], head=head)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("case", LARGE, ids=lambda case: "-".join(map(str, case)))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_vits_of_every_size_compile_with_all_their_attention(
    segpp: Command, tmp_path: Path, reduction: str, case: tuple[int, int, str]
) -> None:
    dim, side, precision = case
    check_engine(segpp, tmp_path, REDUCTIONS[reduction], dim=dim, side=side, precision=precision)


def check_engine(
    segpp: Command,
    folder: Path,
    options: tuple[str, ...],
    head: str = "mask",
    *,
    dim: int = 384,
    side: int = 128,
    precision: str = "fp16",
) -> None:
    """Export a ViT of random weights, build its engine, and count the attention in it."""
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    network = mmsegmentation(
        head=head, dim=dim, heads=dim // 64, depth=12, size=(side, side), classes=19
    )
    changes = {"out_indices=(0, 1)": "out_indices=(5, 11)"}
    checkpoint = save_mmsegmentation(folder / "vit.pth", network, **changes)
    path = folder / "vit.onnx"
    done = segpp("export", checkpoint, path, "--precision", precision, "--no-check", *options)
    assert done.returncode == 0, done.stderr

    done = segpp("build-engine", path, folder / "vit.engine", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    expected = 12 + (2 if head == "mask" else 0)
    fused = expected if precision == "fp16" else 0
    assert [report[f"attention_{key}"] for key in ("found", "expected")] == [expected] * 2
    assert report["attention_fused"] == fused


def test_a_variant_of_another_network_ends_with_2_and_writes_nothing(
    tmp_path: Path, segpp: Command
) -> None:
    network = reference()
    checkpoint = save_segmenter(tmp_path, network, variant_of(network, n_layers=12))
    before = set(tmp_path.iterdir())

    done = segpp("export", checkpoint, tmp_path / "x.onnx")

    assert done.returncode == 2
    assert "variant.yml is of another network than checkpoint.pth" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(tmp_path.iterdir()) == before
