"""Peak memory of each file beside the first one's, each in a process of its own.

    python -m benchmarks.networks.peak_memory own.onnx none.onnx hq.onnx fast.onnx --out FILE.json

A process loads and compiles the file and runs it three times on the bundled street; its peak is the
most that it held, interpreter and library included. What it held before it loaded the file is told
beside it, since no file can be blamed for that.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.interleaved import columns, place
from segpp.images import sample_image
from segpp.runtime.benchmark.case import parse_case
from segpp.runtime.benchmark.memory import PeakMemory, measure_peak_memory
from segpp.utils.files import check_writable

# Of ``open_session``; a cache would let the second process compile less than the first.
_SETTINGS = {"cache": False, "min_agreement": None}


def main() -> None:
    """Measure and write the result."""
    args = _arguments()
    check_writable(args.out)
    found = measure(args.files, backend=args.backend, threads=args.threads)
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="also as FILE@ENGINE or FILE@ENGINE:PRECISION"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backend", default="onnxruntime")
    return parser.parse_args()


def measure(files: Sequence[str], *, backend: str, threads: int) -> dict[str, Any]:
    """Return the peak of every file, and what it is of the first one's."""
    found = {text: _memory(text, backend, threads) for text in files}
    first = next(iter(found.values()))
    rows = {
        Path(text).name: {
            "peak_mb": memory.peak / 1e6,
            "before_mb": memory.before / 1e6,
            "of_first": memory.peak / first.peak,
            "own_of_first": _own(memory) / _own(first),
        }
        for text, memory in found.items()
    }
    return {**place(threads, backend), "rows": rows}


def _memory(text: str, backend: str, threads: int) -> PeakMemory:
    one = parse_case(text, backend=backend, precision="fp32")
    settings = {"backend": one.backend, "precision": one.precision, "threads": threads, **_SETTINGS}
    return measure_peak_memory(one, sample_image(), settings)


def _own(memory: PeakMemory) -> int:
    return memory.peak - memory.before


def table_of(found: dict[str, Any]) -> str:
    """Return a result as Markdown."""
    head = ["", "peak", "before loading", "of the first", "without that before"]
    lines = [
        [
            name,
            f"{row['peak_mb']:.0f} MB",
            f"{row['before_mb']:.0f} MB",
            f"{row['of_first']:.0%}",
            f"{row['own_of_first']:.0%}",
        ]
        for name, row in found["rows"].items()
    ]
    return columns(head, lines)


if __name__ == "__main__":
    main()
