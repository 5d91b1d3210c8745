r"""Which share of the machine's GEMM peak each file reaches.

    python -m benchmarks.networks.gemm_efficiency \
        own.onnx none.onnx hq.onnx --out FILE.json --threads 2

The peak is measured, not looked up: one big matrix product of FP32 numbers, whose second factor is
a constant as weights are, through the same backend, with the same threads and in the same
interleaved run; its fastest call counts. A file's multiply-accumulates are those that its own graph
holds: convolutions, matrix products, the attention operator of ONNX Runtime, and the products in
the functions of matching and merging. What a rewrite saved is not counted.
"""

import argparse
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.common.interleaved import columns, interleaved, opened, place, street, summary
from segpp.errors import InputError
from segpp.export.targets import OPSET
from segpp.inspection.onnx_macs import count_macs, shapes_of
from segpp.manifest import read_manifest
from segpp.utils.files import check_writable

_PEAK = "peak"
_IR_VERSION = 10


def main() -> None:
    """Measure and write the result."""
    args = _arguments()
    check_writable(args.out)
    with TemporaryDirectory() as name:
        found = measure(args, Path(name))
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.onnx")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--side", type=int, default=4096, help="of the big product's matrices")
    return parser.parse_args()


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the peak, and of every file its work, its time and its share.

    Args:
        folder: For files that nobody needs afterwards.
    """
    product = write_product(folder / "product.onnx", args.side)
    square = np.random.default_rng(0).standard_normal((args.side, args.side), np.float32)
    with ExitStack() as stack:
        open_one = partial(opened, stack, backend=args.backend, threads=args.threads)
        runners: dict[str, Any] = {_PEAK: partial(open_one(product).run, {"a": square}, ["c"])}
        for path in args.files:
            manifest = read_manifest(path)
            feeds = {manifest.input.name: street(manifest.input)}
            wanted = [output.name for output in manifest.outputs]
            runners[path.stem] = partial(open_one(path).run, feeds, wanted)
        times = interleaved(runners, args.rounds)
    peak = args.side**3 / min(times.pop(_PEAK)) / 1e6
    rows = summary(times)
    for path in args.files:
        work = macs_in(path)
        rate = work / rows[path.stem]["median_ms"] / 1e6
        rows[path.stem] |= {"gmacs": work / 1e9, "gmacs_per_second": rate, "share": rate / peak}
    return {
        **place(args.threads, args.backend),
        "product": f"{args.side}x{args.side} times {args.side}x{args.side}",
        "rounds": args.rounds,
        "peak_gmacs_per_second": peak,
        "rows": rows,
    }


def macs_in(path: Path) -> int:
    """Return the multiply-accumulates of one call of a file.

    Raises:
        InputError: It has an operator that multiplies and cannot be counted.
    """
    model = onnx.load(path)
    macs = count_macs(model, shapes_of(model))
    if macs.uncounted:
        raise InputError(f"the work of {path} cannot be counted: {macs.uncounted}")
    return macs.graph + macs.bodies


def write_product(path: Path, side: int) -> Path:
    """Write a graph that multiplies its input (side, side) by a constant of that shape."""
    constant = np.random.default_rng(1).standard_normal((side, side), np.float32)
    names = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, (side, side)) for name in "ac"
    }
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "product",
        [names["a"]],
        [names["c"]],
        [numpy_helper.from_array(constant, "b")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION), path)
    return path


def table_of(found: dict[str, Any]) -> str:
    """Return a result as Markdown."""
    head = ["", "network, ms", "billion MACs", "billion MACs/s", "of the peak"]
    lines = [
        [
            name,
            f"{row['median_ms']:.1f}",
            f"{row['gmacs']:.2f}",
            f"{row['gmacs_per_second']:.1f}",
            f"{row['share']:.0%}",
        ]
        for name, row in found["rows"].items()
    ]
    peak = f"peak: {found['peak_gmacs_per_second']:.1f} billion MACs/s ({found['product']})"
    return f"{columns(head, lines)}\n\n{peak}"


if __name__ == "__main__":
    main()
