r"""INT8 files by NNCF and by ONNX Runtime's static quantizer, for int8_accuracy and int8_speed.

    python -m benchmarks.precision.int8_peers --out FOLDER --pictures FOLDER --number 62 FILE.onnx …

NNCF asks for much that segpp does not; run this in an environment of its own that has nncf and
openvino, with ``src`` on PYTHONPATH. Both get the pictures that segpp would, prepared as the
manifest of the file says. Seconds and peak memory of each are printed; a process of its own each.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segpp.images.preprocess import load_image, prepare
from segpp.manifest import read_manifest

Batch = dict[str, NDArray[Any]]


def main() -> None:
    """Make the files of both peers, one process after the other."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.files:
        for make in (by_nncf, by_onnxruntime):
            if make.__name__ in args.makers:
                print(json.dumps(_alone(make, path, args)), flush=True)


def by_nncf(path: Path, batches: list[Batch], folder: Path) -> None:
    """Write ``NAME.nncf.xml``: NNCF's post-training quantization, its preset for transformers."""
    import nncf  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415
    import onnx  # noqa: PLC0415
    import openvino as ov  # noqa: PLC0415
    from onnx import inliner  # noqa: PLC0415

    model = inliner.inline_local_functions(onnx.load(path))
    inlined = folder / f"{path.stem}.inlined.onnx"
    onnx.save(model, inlined)
    quantized = nncf.quantize(
        ov.Core().read_model(inlined),
        nncf.Dataset(batches),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(batches),
    )
    ov.save_model(quantized, folder / f"{path.stem}.nncf.xml", compress_to_fp16=False)


def by_onnxruntime(path: Path, batches: list[Batch], folder: Path) -> None:
    """Write ``NAME.static.onnx``: QDQ, U8S8 by channel, Conv and MatMul with constant weights."""
    import onnx  # noqa: PLC0415
    from onnxruntime import quantization as q  # noqa: PLC0415

    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    nodes = [
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "MatMul") and node.input[1] in constants
    ]

    class Reader(q.CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.batches: Iterator[Batch] = iter(batches)

        def get_next(self) -> Batch | None:
            return next(self.batches, None)

    q.quantize_static(
        str(path),
        str(folder / f"{path.stem}.static.onnx"),
        Reader(),
        quant_format=q.QuantFormat.QDQ,
        activation_type=q.QuantType.QUInt8,
        weight_type=q.QuantType.QInt8,
        per_channel=True,
        nodes_to_quantize=nodes,
    )


def _alone(
    make: Callable[[Path, list[Batch], Path], None], path: Path, args: argparse.Namespace
) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(make.__name__, path, args, send))
    start = time.perf_counter()
    process.start()
    send.close()
    try:
        peak = receive.recv()
    except EOFError:
        peak = None
    process.join()
    found = {"file": path.name, "by": make.__name__, "pictures": args.number}
    seconds = round(time.perf_counter() - start, 1)
    return {**found, "seconds": seconds, "peak_mib": peak, "exit": process.exitcode}


def _child(name: str, path: Path, args: argparse.Namespace, send: Any) -> None:
    if args.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (args.memory << 30,) * 2)
    spec = read_manifest(path).input
    pictures = sorted(args.pictures.iterdir())
    chosen = pictures[:: max(1, len(pictures) // args.number)][: args.number]
    batches = [{spec.name: prepare([load_image(one)], spec)} for one in chosen]
    globals()[name](path, batches, args.out)
    send.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--number", type=int, default=62)
    parser.add_argument("--makers", nargs="+", default=["by_nncf", "by_onnxruntime"])
    parser.add_argument("--memory", type=int, help="most GiB of each process")
    return parser.parse_args()


if __name__ == "__main__":
    main()
