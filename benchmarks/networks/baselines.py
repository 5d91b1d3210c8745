"""What a user would run instead: the same weights through transformers and torch.onnx.export.

    python -m benchmarks.networks.baselines b0 OUT --size 1024x2048
    python -m benchmarks.networks.baselines FILE OUT --size 1024x2048

Writes ``OUT/transformers.onnx`` (transformers' model, exported by torch as it is) and
``OUT/own.onnx`` (ours with every rewrite off), each with a manifest, so that ``segpp-bench`` and
``segpp-eval`` take them beside any file of ``segpp-export``. The checkpoint must be Hugging Face's
or have its head and norms; a size's name instead of a file means random weights, which are written
to ``OUT/checkpoint.pth`` for the export to start from.
"""

import argparse
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from segpp.errors import CheckError, InputError
from segpp.export.config import ExportConfig
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.rewriting import select_rewrites
from segpp.export.models.segformer.architecture import SIZES, SR_RATIOS, segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.tolerance import relative_tolerance
from segpp.export.pipeline import export_onnx
from segpp.export.targets import OPSET
from segpp.manifest import Architecture, FileInfo, Manifest, render_manifest
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import manifest_path, sha256_of

_IN_MEMORY = "huggingface-v5"


class Logits(nn.Module):
    """transformers' model with a tensor for a result."""

    def __init__(self, model: SegformerForSemanticSegmentation) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, K, H/4, W/4)."""
        logits: Tensor = self.model(pixel_values=image).logits
        return logits


def main() -> None:
    """Write both files."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    source = args.out / "checkpoint.pth"
    if args.source in SIZES:
        write_random(args.source, args.decoder, source)
    else:
        source = Path(args.source)
    manifest = export_own(source, args.out / "own.onnx", args.size)
    export_transformers(load_checkpoint(source), args.out / "transformers.onnx", manifest)
    for name in ("transformers", "own"):
        path = args.out / f"{name}.onnx"
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", metavar="FILE|SIZE", help="a checkpoint, or b0 to b5")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--size", type=parse_size, default=Size(1024, 2048), metavar="HxW")
    parser.add_argument("--decoder", type=int, default=256, help="channels of a random head")
    return parser.parse_args()


def write_random(size: str, decoder: int, path: Path) -> None:
    """Write a checkpoint with random weights and Hugging Face's head, 19 classes."""
    torch.manual_seed(0)
    architecture = segformer(size, classes=19, head="linear", decoder=decoder)
    model = SegFormer(architecture, FORMATS["huggingface"].numerics)
    torch.save(state_dict_for("huggingface", model.state_dict()), path)


def export_own(source: Path, path: Path, size: Size, *, check: bool = True) -> Manifest:
    """Export with every rewrite off; the gate compares it with PyTorch if ``check``."""
    off = tuple(select_rewrites(family_of(load_checkpoint(source).architecture).rewrites()).on)
    config = ExportConfig(source, path, size=size, rewrites_off=off, check=check)
    return export_onnx(config).manifest


def export_transformers(checkpoint: Checkpoint, path: Path, like: Manifest) -> None:
    """Export transformers' model with torch's defaults, and check it against ours.

    Raises:
        InputError: The checkpoint is of another network than transformers'.
        CheckError: The file's logits differ from our network's by more than rounding.
    """
    if checkpoint.architecture.head != "linear" or checkpoint.numeric_settings != asdict(
        FORMATS[_IN_MEMORY].numerics
    ):
        raise InputError(
            f"transformers cannot run a {checkpoint.format} checkpoint",
            "its head projects without a norm, and all its norms add 1e-5",
        )
    image = torch.zeros(like.input.shape)
    torch.onnx.export(
        Logits(transformers_model(checkpoint)),
        (image,),
        path,
        dynamo=True,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        external_data=False,
        verbose=False,
    )
    _check_equal(checkpoint, path, like)
    file = FileInfo(path.name, sha256_of(path), path.stat().st_size)
    tools = {**like.tools, "transformers": version("transformers")}
    options = {"exporter": "transformers through torch.onnx.export"}
    manifest = replace(like, file=file, tools=tools, options=options, parity=None)
    manifest_path(path).write_text(render_manifest(manifest), encoding="utf-8")


def transformers_model(checkpoint: Checkpoint) -> SegformerForSemanticSegmentation:
    """Return transformers' network with the checkpoint's weights."""
    model = SegformerForSemanticSegmentation(_config(checkpoint.architecture))
    model.load_state_dict(state_dict_for(_IN_MEMORY, checkpoint.build().state_dict()))
    return model.eval().requires_grad_(requires_grad=False)


def _config(architecture: Architecture) -> SegformerConfig:
    return SegformerConfig(
        num_channels=architecture.channels,
        depths=list(architecture.depths),
        hidden_sizes=list(architecture.dims),
        num_attention_heads=list(architecture.heads),
        sr_ratios=list(SR_RATIOS),
        decoder_hidden_size=architecture.decoder,
        num_labels=architecture.classes,
    )


def _check_equal(checkpoint: Checkpoint, path: Path, like: Manifest) -> None:
    image = np.random.default_rng(0).standard_normal(like.input.shape, np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"image": image})
    with torch.inference_mode():
        expected = checkpoint.build()(torch.from_numpy(image)).numpy()
    keys = like.input.height * like.input.width // 1024
    allowed = relative_tolerance(checkpoint.architecture, keys) * float(np.abs(expected).max())
    if not (difference := float(np.abs(expected - found).max())) <= allowed:
        raise CheckError(
            f"transformers' logits differ from ours by up to {difference:.3g}",
            f"rounding explains at most {allowed:.3g}",
        )


if __name__ == "__main__":
    main()
