"""The tables of the README and of the page on accuracy and speed, from committed measurements.

python -m benchmarks.common.readme_table docs/results/decode_heads_b0_1024x2048.json
python -m benchmarks.common.readme_table docs/results/camvid_352x480.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

__all__ = ["accuracy_table", "speed_table", "table_of"]

_VARIANTS = {
    "plain": "plain export",
    "none": "segpp, no merging",
    "hq": "segpp, `--preset hq`",
    "fast": "segpp, `--preset fast`",
    "hq-openvino": "`hq`, run by OpenVINO",
    "hq-int8-openvino": "`hq` in INT8, run by OpenVINO",
}


_ACCURACY_HEAD = (
    "| tokens merged | mIoU in PyTorch | mIoU of the file | pixels as in PyTorch "
    "| pixels as without merging | network | faster |"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path)
    print(table_of(json.loads(parser.parse_args().result.read_text(encoding="utf-8"))))


def table_of(result: dict[str, Any]) -> str:
    """Return one result as a Markdown table, whichever of the two it is."""
    return speed_table(result) if "heads" in result else accuracy_table(result)


def speed_table(result: dict[str, Any]) -> str:
    """Return a result of ``benchmarks.networks.decode_heads``: a column for each head."""
    heads = result["heads"]
    lines = [
        f"| {result['network']}, {result['size']} | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
    ]
    for variant, title in _VARIANTS.items():
        # Not every result has the files that OpenVINO runs.
        if not all(variant in rows for rows in heads.values()):
            continue
        cells = [_speed(rows[variant]) for rows in heads.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _speed(row: dict[str, float]) -> str:
    return f"{row['median_ms']:,.0f} ms, {row['faster']:.2f}x"


def accuracy_table(result: dict[str, Any]) -> str:
    """Return a result of ``benchmarks.networks.camvid``: a line for each variant."""
    lines = [
        _ACCURACY_HEAD,
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_accuracy(row) for row in result["rows"])])


def _accuracy(row: dict[str, Any]) -> str:
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
