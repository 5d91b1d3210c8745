r"""How fast INT8 files are beside their float files and those of other quantizers, in one run.

    python -m benchmarks.precision.int8_speed --checkpoint FILE --pictures FOLDER --size 1024x2048 \
        --work FOLDER --out FILE.json [--peers FOLDER] [--timing]

Of every preset the float file for ONNX Runtime and the portable one, which OpenVINO runs, in BF16
too where the CPU has it, and the INT8 files made of them; ``--peers`` holds what ``int8_peers``
made of ``PRESET.onnx`` and ``PRESET.ort.onnx`` in the folder ``--work``. All of a preset are timed
in turn, round by round: the network alone, on noise. With ``--timing`` parts that do not pay stay
float, which takes minutes a file; else all products are INT8, for ONNX Runtime without the head.
Equalization and bias correction change numbers, not times, and are left out.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import segpp
from benchmarks.common.interleaved import Runner, interleaved, place, summary
from segpp.manifest import read_manifest
from segpp.ops.grid import parse_size
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.utils.files import check_writable
from segpp.utils.limits import cpu_flags

PRESETS = ("none", "hq", "fast")
TARGETS = {"openvino": "", "onnxruntime": ".ort"}


def main() -> None:
    """Measure all presets and write the result."""
    args = _arguments()
    check_writable(args.out)
    args.work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "checkpoint": args.checkpoint.name,
        "size": args.size,
        "parts timed": args.timing,
        "rounds": args.rounds,
        **place(args.threads, "onnxruntime and openvino"),
    }
    found["presets"] = {preset: _measure(args, preset) for preset in args.presets}
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def table_of(found: dict[str, Any]) -> str:
    """Return a result as a Markdown table: milliseconds, and times as fast as the engine's FP32."""
    presets = found["presets"]
    lines = [f"| | {' | '.join(presets)} |", f"|---|{'---|' * len(presets)}"]
    for name in next(iter(presets.values())):
        cells = []
        for rows in presets.values():
            row = rows.get(name)
            against = rows[f"{name.partition(' ')[0]} FP32"]["median_ms"]
            cells.append(
                f"{row['median_ms']:.0f} ({against / row['median_ms']:.2f}x)" if row else ""
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _measure(args: argparse.Namespace, preset: str) -> dict[str, dict[str, float]]:
    files = {target: _made(args, preset, target) for target in TARGETS}
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for target, (plain, int8) in files.items():
            run = partial(_runner, stack, backend=target, threads=args.threads)
            runners[f"{target} FP32"] = run(plain)
            runners[f"{target} INT8"] = run(int8)
            if target == "openvino" and cpu_flags() & {"avx512_bf16", "amx_bf16"}:
                runners[f"{target} BF16"] = run(plain, precision="bf16")
                runners[f"{target} INT8, rest BF16"] = run(int8, precision="bf16")
        runners.update(_peers(args, preset))
        return summary(interleaved(runners, args.rounds))


def _made(args: argparse.Namespace, preset: str, target: str) -> tuple[Path, Path]:
    """Return the float and the INT8 file of a preset, made where they are not there yet."""
    plain = args.work / f"{preset}{TARGETS[target]}.onnx"
    int8 = args.work / f"{preset}{TARGETS[target]}.int8.onnx"
    if not plain.exists():
        dialect = "onnxruntime" if target == "onnxruntime" else "portable"
        segpp.export_onnx(args.checkpoint, plain, size=args.size, preset=preset, target=dialect)
    if not int8.exists():
        segpp.calibrate(
            plain,
            args.pictures,
            int8,
            target=target,
            keep_float="head" if target == "onnxruntime" and not args.timing else (),
            min_agreement=0,
            only_what_pays=args.timing,
            equalize=False,
            correct_biases=False,
            threads=args.threads,
        )
    return plain, int8


def _runner(
    stack: ExitStack, path: Path, *, backend: str, threads: int, precision: str = "fp32"
) -> Runner:
    config = BackendConfig(
        threads=threads, provider="cpu", alone=False, cache=False, precision=precision
    )
    loaded = BACKENDS[backend].open(path, config)
    stack.callback(loaded.close)
    spec = read_manifest(path).input
    feeds = {spec.name: _noise((spec.batch, spec.channels, spec.height, spec.width))}
    return partial(loaded.run, feeds, [output.name for output in loaded.outputs])


def _peers(args: argparse.Namespace, preset: str) -> dict[str, Runner]:
    if args.peers is None:
        return {}
    nncf, static = args.peers / f"{preset}.nncf.xml", args.peers / f"{preset}.ort.static.onnx"
    runs: dict[str, Callable[[Any], Sequence[Any]]] = {}
    if nncf.exists():
        runs["openvino NNCF"] = compiled(nncf, args.threads, "f32")
        runs["openvino NNCF, rest BF16"] = compiled(nncf, args.threads, "bf16")
    if static.exists():
        runs["onnxruntime quantize_static"] = opened(static, args.threads)
    noise = _noise((1, 3, *parse_size(args.size)))
    return {name: partial(run, noise) for name, run in runs.items()}


def compiled(path: Path, threads: int, precision: str) -> Callable[[Any], list[Any]]:
    """Return what runs an OpenVINO file on an input, in a precision as OpenVINO names it."""
    import openvino as ov  # noqa: PLC0415 - one engine at least is installed, not both

    hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
    request = ov.Core().compile_model(path, "CPU", hints).create_infer_request()
    return lambda given: [request.infer({0: given}, share_inputs=True, share_outputs=True)[0]]


def opened(path: Path, threads: int) -> Callable[[Any], Sequence[Any]]:
    """Return what runs an ONNX file without a manifest on an input, in ONNX Runtime."""
    import onnxruntime as ort  # noqa: PLC0415 - as above

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    return lambda values: session.run(None, {given.name: values})


def _noise(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where files are made and kept")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--size", default="1024x2048")
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--timing", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
