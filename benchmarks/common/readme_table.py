"""The README's table, from the measurement that is committed.

python -m benchmarks.common.readme_table docs/results/camvid_352x480.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

HEAD = (
    "| tokens merged | mIoU in PyTorch | mIoU of the file | pixels as in PyTorch "
    "| pixels as without merging | network | faster |"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    print(table_of(json.loads(parser.parse_args().result.read_text(encoding="utf-8"))))


def table_of(result: dict[str, Any]) -> str:
    """Return a Markdown table of one result of ``benchmarks.networks.camvid``."""
    lines = [HEAD, "|---|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(_line(row) for row in result["rows"])])


def _line(row: dict[str, Any]) -> str:
    cells = (
        row["variant"],
        f"{row['miou_torch'] * 100:.2f}",
        f"{row['miou_onnx'] * 100:.2f}",
        f"{row['agreement_onnx_torch']:.5f}",
        f"{row['agreement_with_none']:.4f}",
        f"{row['network_ms']:.0f} ms" if row["network_ms"] else "not timed",
        f"{row['speedup']:.2f}x" if row["speedup"] else "not timed",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
