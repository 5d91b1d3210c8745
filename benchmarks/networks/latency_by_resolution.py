"""What a network costs at each size of the image: plain, and with ours without and with merging.

    python -m benchmarks.networks.latency_by_resolution b0 --threads 2 \
        --out docs/results/latency_by_resolution.json --plot docs/images/latency_by_resolution.png

``plain`` is our network with every rewrite off, always in the portable form; the others are the
presets in the form of ``--target``. Of a size all variants run in turn, round by round; each is
loaded for its call, warmed up by one call and closed again, since several large ones do not fit
into memory together. The network alone is timed. A variant whose attention scores would not fit
into memory is not run, and the result says so; on every size the labels are compared with those of
the first variant that ran there.

A size's name instead of a file means random weights; then labels under merging mean nothing.
"""

import argparse
import json
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from benchmarks.common.interleaved import (
    columns,
    equal_share,
    faster_text,
    labels_of,
    opened,
    place,
    street,
    summary,
)
from benchmarks.networks.baselines import export_own, write_random
from segpp.export.config import ExportConfig
from segpp.export.models.segformer.architecture import SIZES
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.pipeline import export_onnx
from segpp.export.targets import ONNXRUNTIME, PORTABLE, TARGETS
from segpp.manifest import Manifest, read_manifest
from segpp.ops.grid import Size, parse_size
from segpp.runtime.benchmark.interleave import BenchmarkConfig, Sample, interleave, series
from segpp.runtime.benchmark.plot import check_plotting
from segpp.utils.files import check_writable

PLAIN = "plain"
VARIANTS = (PLAIN, "none", "hq", "fast")
IMAGES = "256x512 384x768 512x1024 768x1536 1024x2048 1536x3072 2048x4096"

_COLOURS = {PLAIN: "#999999", "none": "#0072B2", "hq": "#009E73", "fast": "#D55E00"}
_BYTES = 4


def main() -> None:
    """Measure all sizes; write the result and its picture."""
    args = _arguments()
    check_writable(args.out)
    if args.plot:
        check_plotting()
    with TemporaryDirectory() as name:
        found = measure(args, Path(name))
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if args.plot:
        draw(found, args.plot)
    print(table_of(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", metavar="FILE|SIZE", help="a checkpoint, or b0 to b5")
    parser.add_argument("--sizes", nargs="+", type=parse_size, metavar="HxW")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--target", choices=TARGETS, default=PORTABLE)
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--most-gib", type=float, help="memory for attention scores (default: what is free)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    parser.add_argument("--plot", type=Path, metavar="OUT.png")
    args = parser.parse_args()
    args.sizes = args.sizes or [parse_size(text) for text in IMAGES.split()]
    return args


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return a row for every size and variant.

    Args:
        folder: For files that nobody needs afterwards.
    """
    source = Path(args.source)
    if args.source in SIZES:
        source = folder / "random.pth"
        write_random(args.source, 256, source)
    most = args.most_gib if args.most_gib is not None else _free_gib()
    rows = [row for size in args.sizes for row in _at(args, source, size, most, folder)]
    return {
        "source": source.name if args.source not in SIZES else args.source,
        "target": args.target,
        "rounds": args.rounds,
        **place(args.threads, args.backend),
        "rows": rows,
    }


def _at(
    args: argparse.Namespace, source: Path, size: Size, most: float, folder: Path
) -> list[dict[str, Any]]:
    files, needs = {}, {}
    for variant in args.variants:
        files[variant] = folder / f"{variant}.onnx"
        manifest = _export(source, files[variant], size, variant, args.target)
        needs[variant] = scores_gib(manifest)
    running = {name: file for name, file in files.items() if needs[name] <= most}
    settings = {"backend": args.backend, "threads": args.threads}
    labels = {name: _labels(file, settings) for name, file in running.items()}
    runners = [partial(_sample, file, settings) for file in running.values()]
    samples = (
        interleave(runners, BenchmarkConfig(0, args.rounds, 0.0), clock=time.perf_counter)
        if runners
        else []
    )
    times = {name: series(own, "inference") for name, own in zip(running, samples, strict=True)}
    about = {"size": str(size), "pixels": size.height * size.width}
    rows = _measured(times, labels)
    return [
        {**about, "variant": name, "scores_gib": needs[name], **rows.get(name, {})}
        for name in files
    ]


def _measured(
    times: Mapping[str, list[float]], labels: Mapping[str, NDArray[Any]]
) -> dict[str, dict[str, Any]]:
    if not times:
        return {}
    first = next(iter(times))
    return {
        name: {
            **row,
            "compared_with": first,
            "equal_labels": equal_share(labels[name], labels[first]),
        }
        for name, row in summary(dict(times)).items()
    }


def _export(source: Path, path: Path, size: Size, variant: str, target: str) -> Manifest:
    if variant == PLAIN:
        return export_own(source, path, size, check=False)
    # The tests and every other benchmark run the gate; here it would take the memory of all.
    plan = PRESETS[variant]
    config = ExportConfig(source, path, reduction=plan, size=size, target=target, check=False)
    return export_onnx(config).manifest


def scores_gib(manifest: Manifest) -> float:
    """Return what the scores of stage 1 and their softmax take, in the file that has them.

    ONNX Runtime's own attention keeps them in its cache.
    """
    if manifest.options["target"] == ONNXRUNTIME:
        return 0.0
    tokens = manifest.input.height * manifest.input.width // 16
    keys = tokens // 64
    for site in manifest.reduction:
        if site.stage == 1:
            tokens = site.tokens_out if site.side == "q" else tokens
            keys = site.tokens_out if site.side == "kv" else keys
    return 2 * _BYTES * manifest.architecture.heads[0] * tokens * keys / 2**30


def _free_gib() -> float:
    text = Path("/proc/meminfo").read_text(encoding="utf-8")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 2**20 if found else float("inf")


def _labels(path: Path, settings: Mapping[str, Any]) -> NDArray[Any]:
    with ExitStack() as stack:
        tensor = street(read_manifest(path).input)
        return labels_of(path, opened(stack, path, **settings), tensor)


def _sample(path: Path, settings: Mapping[str, Any]) -> Sample:
    manifest = read_manifest(path)
    feeds, wanted = {manifest.input.name: street(manifest.input)}, [manifest.outputs[0].name]
    with ExitStack() as stack:
        backend = opened(stack, path, **settings)
        backend.run(feeds, wanted)
        start = time.perf_counter()
        backend.run(feeds, wanted)
        spent = 1e3 * (time.perf_counter() - start)
    return Sample(0.0, 0.0, inference_ms=spent, postprocess_ms=0.0, total_ms=spent)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw time, and time for a million pixels, against pixels."""
    figure = check_plotting()(figsize=(11, 4.2), layout="constrained")
    whole, each = figure.subplots(1, 2)
    measured = [row for row in found["rows"] if "median_ms" in row]
    for variant in VARIANTS:
        rows = [row for row in measured if row["variant"] == variant]
        if not rows:
            continue
        pixels, times = [r["pixels"] / 1e6 for r in rows], [r["median_ms"] for r in rows]
        style = {"marker": ".", "color": _COLOURS[variant], "label": variant}
        whole.plot(pixels, times, **style)
        each.plot(pixels, [t / p for t, p in zip(times, pixels, strict=True)], **style)
    ticks = {row["pixels"] / 1e6: row["size"] for row in measured}
    whole.set_yscale("log")
    for axes, label in ((whole, "ms"), (each, "ms for a million pixels")):
        axes.set_xscale("log")
        axes.xaxis.minorticks_off()
        axes.set_xticks(list(ticks), list(ticks.values()), rotation=40, ha="right")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    each.set_ylim(bottom=0)
    whole.legend(frameon=False, loc="upper left")
    figure.suptitle(
        f"{found['source']} by {found['backend']}, --target {found['target']}; "
        f"{found['machine']}, {found['threads']} thread(s)",
        fontsize="medium",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=150)


def table_of(found: Mapping[str, Any]) -> str:
    """Return a result as Markdown."""
    head = ["size", "variant", "network, ms", "ms for a million pixels", "faster", "same labels"]
    rows: Iterable[Mapping[str, Any]] = found["rows"]
    return columns(head, [_line(row) for row in rows])


def _line(row: Mapping[str, Any]) -> list[str]:
    if "median_ms" not in row:
        reason = f"not run: {row['scores_gib']:.0f} GiB of scores"
        return [row["size"], row["variant"], reason, "", "", ""]
    return [
        row["size"],
        row["variant"],
        f"{row['median_ms']:.1f}",
        f"{row['median_ms'] / row['pixels'] * 1e6:.0f}",
        f"{faster_text(row)} than {row['compared_with']}",
        "all" if row["equal_labels"] == 1 else f"{row['equal_labels']:.3%}",
    ]


if __name__ == "__main__":
    main()
