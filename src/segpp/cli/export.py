"""``segpp-export``: a checkpoint as ONNX with every shape fixed."""

import argparse
import sys
from pathlib import Path

import segpp
from segpp.cli._options.arguments import add_force_argument, add_json_argument, memory_size
from segpp.cli._options.listings import (
    ListReductions,
    ListRewrites,
    channel_lines,
    search_lines,
    uses_of,
)
from segpp.cli._options.merging import match_interval
from segpp.cli._options.reading import add_feeding, add_reading, feeding_of, reading_of
from segpp.manifest import (
    Manifest,
    OutputSpec,
    Parity,
    ReductionSite,
    render_manifest,
)

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = (
    "Write a SegFormer checkpoint as ONNX with every shape fixed, tokens merged, masks proved."
)
GROUP = "make a model smaller"
ORDER = 1

# What flags were called before, and what they are called now.
RENAMED = {
    "--input": "--input-dtype",
    "--output": "--outputs",
    "--image": "--parity-image",
    "--images": "--search-images",
    "--source": "--checkpoint-format",
    "--match-every": "--match-interval",
}

_RENAMED_REWRITES = {
    "known-gelu": "gelu-for-fusion",
    "mix-ffn-in-images": "mix-ffn-as-conv",
    "one-kv-product": "fuse-kv-projection",
    "reduction-as-product": "spatial-reduction-as-matmul",
    "scale-on-queries": "fold-attention-scale",
    "onnxruntime-attention": "ort-multi-head-attention",
}

EXAMPLES = (
    "segpp-export --ratio 0.5 model.pth out.onnx",
    "segpp-export --preset hq --size 1024x2048 --precision fp16 model.pth out.onnx",
    "segpp-export --preset hq --precision fp16 --for engine model.pth out.onnx",
    "segpp-export --reduce 3.q=bsm:ratio=0.8,sy=4,sx=4 model.pth out.onnx",
    "segpp-export --outputs labels --for triton model.pth out.onnx",
)


# Who reads that all pixels agree may take it for what merging costs.
_UNMERGED = "(the unmerged network is another question: export it too, and give both to segpp-eval)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, in the order in which a person decides."""
    model = parser.add_argument_group("model")
    model.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="weights to read: .pth, .pt, .bin, .safetensors or a Hugging Face folder",
    )
    model.add_argument(
        "out", type=Path, metavar="OUT.onnx", help="file to write; its manifest goes beside it"
    )
    model.add_argument(
        "--size",
        metavar="HxW",
        help="input in pixels (default: the checkpoint's own, else 512x1024)",
    )
    model.add_argument(
        "--picture",
        metavar="HxW",
        help="size of a camera's pictures, which the file resizes itself: with --for engine",
    )
    model.add_argument(
        "--batch", type=int, default=1, metavar="N", help="images per call (default: 1)"
    )
    model.add_argument(
        "--precision",
        default="fp32",
        metavar="P",
        help="of weights and activations: fp32; fp16; or bf16, for engines that have it "
        "(default: fp32)",
    )
    model.add_argument(
        "--checkpoint-format",
        metavar="NAME",
        help="whose checkpoint it is, where the keys do not tell; an unknown name lists all",
    )
    model.add_argument(
        "--for",
        dest="uses",
        action="append",
        type=lambda text: text.split(","),
        default=[],
        metavar="USE,…",
        help="engine: pixels in, class numbers out, --input-dtype uint8 --outputs labels, so that "
        "next to nothing is left to the CPU; triton, deepstream, isaac-ros: also write a folder "
        "for that server beside the file; repeatable",
    )
    add_force_argument(model)
    add_feeding(add_reading(parser))
    _add_reduction(parser)
    _add_graph(parser)
    _add_check(parser)


def _add_graph(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("graph")
    group.add_argument(
        "--input-dtype",
        metavar="TYPE",
        help="float32: normalised, NCHW; float32-pixels: 0 to 255, NCHW, normalised in the graph; "
        "float16: normalised, NCHW; uint8: pixels, NHWC RGB, normalised in the graph "
        "(default: float32, for engines uint8)",
    )
    group.add_argument(
        "--output-dtype",
        default="float32",
        metavar="TYPE",
        help="of logits: float32, or float16 with --precision fp16 (default: float32)",
    )
    group.add_argument(
        "--outputs",
        metavar="WHAT",
        help="logits at a quarter of the size, labels at the input's size, or both "
        "(default: logits, for engines labels)",
    )
    group.add_argument(
        "--target",
        default="portable",
        metavar="T",
        help="portable: standard operators, for every engine; onnxruntime: with that engine's own "
        "attention, the fastest on a CPU; plain: one flat graph with everything folded, for "
        "OpenCV and converters; tensorrt: for every engine, with the decode head as one operator, "
        "which pays where TensorRT has segpp's plugins (default: portable)",
    )
    rewrites = group.add_mutually_exclusive_group()
    rewrites.add_argument(
        "--no-rewrite",
        action="append",
        type=_rewrite_name,
        default=[],
        metavar="NAME",
        help="leave out an exact rewrite of the network; all are on; repeatable",
    )
    # What it was called before: NAME=off, and NAME=on for what is on anyway.
    rewrites.add_argument(
        "--rewrite", action="append", type=_old_rewrite, default=[], help=argparse.SUPPRESS
    )
    group.add_argument(
        "--input-name", default="image", metavar="NAME", help="name of the input (default: image)"
    )
    group.add_argument(
        "--output-name",
        metavar="NAME",
        help="name of the output, or of both: LOGITS,LABELS (default: logits, labels)",
    )
    group.add_argument("--list-rewrites", action=ListRewrites, help="print every rewrite and exit")


def _old_rewrite(text: str) -> tuple[str, bool]:
    """Return the name of a rewrite and whether it is on."""
    name, _, value = text.partition("=")
    if value not in {"on", "off"}:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is not NAME=off")
    sys.stderr.write(
        "warning: --rewrite NAME=off is called --no-rewrite NAME now, and goes with version 0.3\n"
    )
    return _rewrite_name(name), value == "on"


def _rewrite_name(text: str) -> str:
    # Some of the names were others.
    name = text.removesuffix("=off")
    if current := _RENAMED_REWRITES.get(name):
        sys.stderr.write(f"warning: {name} is called {current} now, and goes with version 0.3\n")
    return current or name


def _add_reduction(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("token reduction (default: none)")
    group.add_argument(
        "--ratio",
        type=float,
        metavar="R",
        help="share of tokens merged away at keys and values of stages 1-2 and queries of 3-4",
    )
    group.add_argument(
        "--preset",
        metavar="NAME",
        help="none, hq, fast or 2x2, or deep; of plain ViTs none, even, algm, cts or dovit",
    )
    group.add_argument(
        "--reduce",
        action="append",
        default=[],
        metavar="SITE=METHOD",
        help="METHOD:KEY=VALUE,... or none, at STAGE.{q,kv,ffn,grid}, head.grid or "
        "STAGE.{hidden,qkv}, of plain ViTs at BLOCK.{q,kv,tokens}; 3-12.q are ten; repeatable",
    )
    group.add_argument(
        "--match-interval",
        type=match_interval,
        default=1,
        metavar="N",
        help="use the match of one block in the next N-1 of its stage too; auto measures, stage by "
        "stage, the largest N that costs less than 0.001 of the labels (default: 1)",
    )
    group.add_argument(
        "--search-images",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="on what --match-interval auto and fixed channels choose (default: --parity-image)",
    )
    group.add_argument(
        "--calibrate",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="find on images how many tokens clap, gbm and pass take away; repeatable",
    )
    group.add_argument(
        "--quantile",
        type=float,
        default=0.5,
        metavar="Q",
        help="with --calibrate: share of images that would have merged less (default: 0.5)",
    )
    group.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="with --calibrate: above it windows merge, tokens leave (default: as published)",
    )
    group.add_argument(
        "--list-reductions",
        action=ListReductions,
        help="print every method, its keys and the presets, and exit",
    )


def _add_check(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("check")
    group.add_argument(
        "--parity-image",
        type=Path,
        metavar="FILE",
        help="compare file and PyTorch on this image (default: a bundled street scene)",
    )
    group.add_argument(
        "--no-check", action="store_true", help="do not compare; the manifest says so"
    )
    group.add_argument(
        "--min-agreement",
        type=float,
        metavar="X",
        help="share of pixels that must agree (default: 0.999 in fp32, 0.99 in fp16, 0.98 in bf16)",
    )
    group.add_argument(
        "--reference",
        type=Path,
        metavar="FILE.npz",
        help="compare with the owner's own numbers too: x, an input, and logits, what it gave",
    )
    group.add_argument(
        "--memory-limit",
        type=memory_size,
        metavar="SIZE",
        help="memory that the export may take, as 512M or 8G (default: what this process may use)",
    )
    results = parser.add_argument_group("results")
    add_json_argument(results, "the manifest")


def run(args: argparse.Namespace) -> int:
    """Export and report."""
    is_for_engine, servers = uses_of(args.uses)
    result = segpp.export_onnx(
        args.checkpoint,
        args.out,
        size=args.size,
        picture=args.picture,
        preset=args.preset,
        ratio=args.ratio,
        reduce=args.reduce,
        match_interval=args.match_interval,
        search_images=args.search_images,
        **{name: getattr(args, name) for name in ("calibrate", "quantile", "threshold")},
        batch=args.batch,
        precision=args.precision,
        target=args.target,
        made_for="engine" if is_for_engine else "any",
        input_dtype=args.input_dtype,
        output_dtype=args.output_dtype,
        input_name=args.input_name,
        output_name=args.output_name and args.output_name.split(","),
        outputs=args.outputs,
        rewrites_off=[*args.no_rewrite, *(name for name, is_on in args.rewrite if not is_on)],
        checkpoint_format=args.checkpoint_format,
        parity_image=args.parity_image,
        min_agreement=args.min_agreement,
        check=not args.no_check,
        **reading_of(args),
        **feeding_of(args),
        reference=args.reference,
        serve_for=servers,
        force=args.force,
        memory_limit=args.memory_limit,
    )
    manifest, warnings = result.manifest, result.warnings
    sys.stderr.writelines(f"warning: {warning}\n" for warning in warnings)
    report = render_manifest(manifest) if args.json else _report(manifest, args.out, warnings)
    if not args.json:
        report += "".join(f"for      {name}: {path}/\n" for name, path in result.folders.items())
    sys.stdout.write(report)
    return 0


def _report(manifest: Manifest, out: Path, warned: tuple[str, ...]) -> str:
    spec, source, architecture = manifest.input, manifest.source, manifest.architecture
    classes = "1 class" if architecture.classes == 1 else f"{architecture.classes} classes"
    lines = [
        f"wrote    {out}  {manifest.file.bytes / 1e6:.1f} MB, {manifest.precision}",
        f"model    {architecture.name}, {classes}, {source.layout} checkpoint",
        f"input    {spec.height}x{spec.width}, batch {spec.batch}, {spec.dtype} {spec.layout}",
        f"output   {', '.join(_output_text(output) for output in manifest.outputs)}",
    ]
    lines += [
        f"{'tokens' if not index else '':<8} {site.part:<7} {site.side:<4} {site.method}: "
        f"{site.tokens_in:,} -> {site.tokens_out:,}{_reuse_text(site)}"
        for index, site in enumerate(manifest.reduction)
    ] or ["tokens   none merged"]
    lines += channel_lines(manifest)
    lines += search_lines(manifest)
    lines += [
        *_parity_lines(manifest),
        *_reference_lines(manifest),
        *(f"note     {note}" for note in manifest.notes if note not in warned),
    ]
    return "\n".join(lines) + "\n"


def _reuse_text(site: ReductionSite) -> str:
    if site.match_of is not None:
        return f", by the match of {site.match_of}"
    return f", one match for {site.match_every} blocks" if site.match_every > 1 else ""


def _output_text(output: OutputSpec) -> str:
    return f"{output.kind} {'x'.join(map(str, output.shape))} {output.dtype}"


def _parity_lines(manifest: Manifest) -> list[str]:
    parity = manifest.parity
    if parity is None:
        return ["check    skipped"]
    merging = " merging the same tokens" if manifest.reduction else ""
    line = (
        f"check    {parity.pixel_agreement:.5f} of the pixels agree with PyTorch in FP32{merging}"
    )
    lines = [f"{'':<8} {_UNMERGED}"] if merging else []
    return [f"{line}{_logits_text(parity, manifest.precision)}", *lines]


def _logits_text(parity: Parity, precision: str) -> str:
    if precision == "bf16":
        return ", with every value rounded to BF16, as an engine does it"
    if parity.agreement_rounded is not None:
        return f"; {parity.agreement_rounded:.5f} with every half rounded, as on a GPU"
    if parity.max_logit_difference is None:
        return ""
    text = f"; logits within {parity.max_logit_difference:.2g} (allowed {parity.tolerance:.2g})"
    if parity.matches_differing:
        text += f", {parity.matches_differing:,} of {parity.matches:,} matches decided by a tie"
    return text


def _reference_lines(manifest: Manifest) -> list[str]:
    reference = manifest.reference
    if reference is None:
        return []
    line = f"owner    {reference.pixel_agreement:.5f} of the labels are those of {reference.file}"
    return [f"{line}; {reference.unmerged_agreement:.5f} without merging"]
