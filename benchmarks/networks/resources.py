"""Time and memory of the two heaviest things a user does, each in a process of its own.

    python -m benchmarks.networks.resources --out docs/results/resources.json

Exports a random B5 at 1024x2048 with ``hq``, gate included, loads the file in ONNX Runtime and
lints it; and runs a random B0 on one 1024x2048 image.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import onnxruntime
import torch

from benchmarks.common.scoring import cpu
from examples.street_scenes.draw import main as draw
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import LAYOUTS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.onnx_graph.lint import lint

SIZE = "1024x2048"
CLASSES = 19


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "machine": f"{cpu()}, {os.cpu_count()} cores",
            "export B5 hq": _export(folder),
            "run B0 none": _run(folder, "none"),
            "run B0 hq": _run(folder, "hq"),
        }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


def _export(folder: Path) -> dict[str, Any]:
    checkpoint, file = _checkpoint(folder, "b5"), folder / "b5.onnx"
    used = _used(["export", "--preset", "hq", "--size", SIZE, str(checkpoint), str(file)])
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    findings = [str(finding) for finding in lint(onnx.load(file))]
    return {**used, "loads": bool(session.get_outputs()), "lint": findings}


def _run(folder: Path, preset: str) -> dict[str, Any]:
    file, image = folder / f"b0-{preset}.onnx", folder / "scene" / "images" / "000000.png"
    if not image.exists():
        draw(["--count", "1", "--seed", "0", "--size", SIZE, str(folder / "scene")])
    arguments = ["--preset", preset, "--size", SIZE, "--no-check"]
    _used(["export", *arguments, str(_checkpoint(folder, "b0")), str(file)])
    return _used(["run", str(file), str(image), "--out", str(folder / "overlay.png")])


def _checkpoint(folder: Path, size: str) -> Path:
    path = folder / f"{size}.pth"
    torch.manual_seed(0)
    model = SegFormer(segformer(size, classes=CLASSES), LAYOUTS["mmsegmentation"].numerics)
    torch.save({"state_dict": state_dict_for("mmsegmentation", model.state_dict())}, path)
    return path


def _used(arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "segpp", *arguments]
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments[:2])} ended with {process.returncode}")
    return {"seconds": round(time.monotonic() - start, 1), "peak_mib": _mib(usage)}


def _mib(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
