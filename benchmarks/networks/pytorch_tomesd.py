"""What merging gains without a deployment: tomesd patched into transformers' model, in PyTorch.

    python -m benchmarks.networks.pytorch_tomesd b0 OUT.json --size 1024x2048 --threads 2
    python -m benchmarks.networks.pytorch_tomesd FILE OUT.json --size 1024x2048 --threads 2

Times, in one interleaved run on the same input and with the same threads: transformers' model in
PyTorch, plain and with tomesd's matching at the sites and ratios of ``hq`` and ``fast``; the same
weights as ``transformers`` exports them; and our files without merging, with ``hq`` and with
``fast``. What is timed is the network alone, from the tensor to the logits. tomesd merges the same
tokens as ``bsm`` up to ties, so its labels are compared with those of our file.

A size's name instead of a file means random weights.
"""

import argparse
import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from numpy.typing import NDArray
from tomesd.merge import bipartite_soft_matching_random2d
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SegformerForSemanticSegmentation

from benchmarks.common.interleaved import (
    columns,
    equal_share,
    faster_text,
    interleaved,
    labels_of,
    opened,
    place,
    street,
    summary,
)
from benchmarks.networks.baselines import (
    export_own,
    export_transformers,
    transformers_model,
    write_random,
)
from segpp.errors import InputError
from segpp.export.config import ExportConfig
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import SIZES
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.sites import Side, Site
from segpp.export.targets import PORTABLE, TARGETS
from segpp.images.postprocess import resize_argmax
from segpp.manifest import read_manifest
from segpp.ops.grid import Grid, Size, parse_size
from segpp.utils.files import check_writable

MERGED = ("hq", "fast")
SHOWN = ("none", *MERGED)
SIDES: tuple[Side, ...] = ("q", "kv")


class NaiveMerging(nn.Module):
    """transformers' attention with tomesd's merging around queries, or keys and values.

    Args:
        attention: The layer that it stands in for.
        q: What to merge before the attention and to restore behind it.
        kv: What to merge of the reduced tokens.
    """

    def __init__(
        self, attention: Any, q: BipartiteSoftMatching | None, kv: BipartiteSoftMatching | None
    ) -> None:
        super().__init__()
        self.attention = attention
        self.q, self.kv = q, kv

    def forward(self, x: Tensor, height: int, width: int, **_: object) -> tuple[Tensor, None]:
        """Return the attention of tokens (B, N, C), as transformers' layer does."""
        grid, source = Grid(height, width), x
        if (side := self.attention.sequence_reduction_ratio) > 1:
            source = self.attention.sequence_reduction(x, height, width)
        if self.kv:
            source = _merging(source, Grid(height // side, width // side), self.kv)[0](source)
        if self.q is None:
            return self._attended(x, source), None
        merge, unmerge = _merging(x, grid, self.q)
        return unmerge(self._attended(merge(x), source)), None

    def _attended(self, x: Tensor, source: Tensor) -> Tensor:
        layer = self.attention
        q, k, v = (
            projection(tokens).unflatten(2, (-1, layer.head_dim)).transpose(1, 2)
            for projection, tokens in (
                (layer.q_proj, x),
                (layer.k_proj, source),
                (layer.v_proj, source),
            )
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        projected: Tensor = layer.o_proj(attended.transpose(1, 2).flatten(2))
        return projected


def _merging(x: Tensor, grid: Grid, reduction: BipartiteSoftMatching) -> Any:
    return bipartite_soft_matching_random2d(
        x,
        grid.width,
        grid.height,
        reduction.sx,
        reduction.sy,
        reduction.num_merged(grid),
        no_rand=True,
    )


def patched(model: SegformerForSemanticSegmentation, preset: str) -> nn.Module:
    """Put tomesd's merging into every block of ``model``, at the sites of ``preset``."""
    for number, stage in enumerate(model.segformer.stages, start=1):
        q, kv = (_matching(preset, Site(number, side)) for side in SIDES)
        for block in stage.blocks:
            block.attention = NaiveMerging(block.attention, q, kv)
    network: nn.Module = model
    return network


def _matching(preset: str, site: Site) -> BipartiteSoftMatching | None:
    reduction = PRESETS[preset].get(site)
    if reduction is None or isinstance(reduction, BipartiteSoftMatching):
        return reduction
    raise InputError(f"tomesd cannot merge as {preset} does at {site}: {reduction.to_string()}")


def main() -> None:
    """Measure and write the result."""
    args = _arguments()
    check_writable(args.out)
    torch.set_num_threads(args.threads)
    with TemporaryDirectory() as name:
        found = measure(args, Path(name))
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", metavar="FILE|SIZE", help="a checkpoint, or b0 to b5")
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--size", type=parse_size, default=Size(1024, 2048), metavar="HxW")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--target", choices=TARGETS, default=PORTABLE, help="of our files")
    parser.add_argument("--backend", default="onnxruntime", help="that runs the files")
    return parser.parse_args()


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return times and labels of all of them.

    Args:
        folder: For files that nobody needs afterwards.
    """
    source = _checkpoint(args.source, folder)
    files = _files(source, folder, args.size, args.target)
    image = street(read_manifest(files["none"]).input)
    tensor = torch.from_numpy(image)
    checkpoint = load_checkpoint(source)
    models: dict[str, nn.Module] = {"PyTorch": transformers_model(checkpoint)}
    for preset in MERGED:
        models[f"PyTorch, tomesd {preset}"] = patched(transformers_model(checkpoint), preset)
    with ExitStack() as stack, torch.inference_mode():
        backends = {
            name: opened(stack, file, backend=args.backend, threads=args.threads)
            for name, file in files.items()
        }
        runners: dict[str, Any] = {name: partial(m, tensor) for name, m in models.items()}
        for name, backend in backends.items():
            manifest = read_manifest(files[name])
            feeds, wanted = {manifest.input.name: image}, [manifest.outputs[0].name]
            runners[name] = partial(backend.run, feeds, wanted)
        labels = {name: _torch_labels(model, tensor) for name, model in models.items()}
        labels |= {name: labels_of(files[name], one, image) for name, one in backends.items()}
        times = interleaved(runners, args.rounds)
    versions = {name: version(name) for name in ("torch", "transformers", "tomesd")}
    return {
        "source": Path(args.source).name,
        "size": str(args.size),
        "rounds": args.rounds,
        "target": args.target,
        **place(args.threads, args.backend),
        "versions": versions,
        "rows": summary(times),
        "equal_labels": _equal(labels),
    }


def _checkpoint(source: str, folder: Path) -> Path:
    if source not in SIZES:
        return Path(source)
    write_random(source, 256, folder / "random.pth")
    return folder / "random.pth"


def _files(source: Path, folder: Path, size: Size, target: str) -> dict[str, Path]:
    files = {name: folder / f"{name}.onnx" for name in ("transformers", *SHOWN)}
    # The manifest of our plain file tells transformers' one how to be fed.
    manifest = export_own(source, folder / "own.onnx", size)
    export_transformers(load_checkpoint(source), files["transformers"], manifest)
    for preset in SHOWN:
        plan = PRESETS[preset]
        export_onnx(ExportConfig(source, files[preset], reduction=plan, size=size, target=target))
    return files


def _torch_labels(model: nn.Module, tensor: Tensor) -> NDArray[Any]:
    logits = model(tensor).logits
    size = (tensor.shape[2], tensor.shape[3])
    labels: NDArray[Any] = resize_argmax(logits.numpy(), size)[0]
    return labels


def _equal(labels: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    pairs = [("transformers", "PyTorch"), ("none", "PyTorch")]
    pairs += [(preset, f"PyTorch, tomesd {preset}") for preset in MERGED]
    return {f"{a} as {b}": equal_share(labels[a], labels[b]) for a, b in pairs}


def table_of(found: dict[str, Any]) -> str:
    """Return a result as Markdown."""
    lines = [
        [name, f"{row['median_ms']:.1f}", faster_text(row)] for name, row in found["rows"].items()
    ]
    equal = "; ".join(f"{pair}: {share:.5f}" for pair, share in found["equal_labels"].items())
    return columns(["", "network, ms", "faster"], lines) + f"\n\nequal labels: {equal}"


if __name__ == "__main__":
    main()
