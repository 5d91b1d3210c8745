"""Whether selecting in two levels pays: the best of each group first, then the best of those.

    python -m benchmarks.kernels.topk_levels

Exact, ties included: groups follow each other as their entries do. It is meant for runtimes whose
TopK costs by the length of its axis. Writes docs/results/topk_levels.json and its table in
docs/kernels.md.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks.common.interleaved import interleaved, summary
from benchmarks.common.markdown import table, with_blocks
from benchmarks.common.scoring import cpu
from segpp.errors import CheckError

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "docs" / "results" / "topk_levels.json"
PAGE = ROOT / "docs" / "kernels.md"

# Sources, and how many of them stay: stages 3 of 512x1024 and 1024x2048, with hq and with fast.
SELECTIONS = {
    "512x1024, hq": (1920, 282),
    "512x1024, fast": (1920, 77),
    "1024x2048, hq": (7680, 1127),
    "1024x2048, fast": (7680, 308),
}
GROUPS = (1, 2, 4, 8, 16)
BLOCK = "topk in two levels"

Scores = NDArray[np.float32]


def main() -> None:
    """Time every selection in both engines, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    rows = {name: timed(*selection, rounds) for name, selection in SELECTIONS.items()}
    result = {
        "machine": f"{cpu()}, 1 thread",
        "versions": {one.__name__: one.__version__ for one in (onnxruntime, openvino)},
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_blocks(page, {BLOCK: block(result)}), encoding="utf-8")


def timed(sources: int, kept: int, rounds: int) -> dict[str, Any]:
    """Return for each engine how long one level takes, and how many times as fast others are."""
    scores = np.random.default_rng(0).standard_normal((1, sources)).astype(np.float32)
    # Ties, as real scores have them.
    scores = np.round(scores, 2)
    found = {}
    for engine, open_model in {"onnxruntime": _onnxruntime, "openvino": _openvino}.items():
        runners = {str(groups): open_model(model(sources, kept, groups)) for groups in GROUPS}
        for groups, run in runners.items():
            _check(run(scores)[0], scores[0], f"{engine} in {groups} groups", engine)
        calls = {name: (lambda run=run: run(scores)) for name, run in runners.items()}
        found[engine] = summary(interleaved(calls, rounds, warmup=3))
    return found


def _check(chosen: NDArray[np.int64], scores: Scores, what: str, engine: str) -> None:
    """Raise CheckError unless the lowest are chosen, in order; of equals the first, as ONNX says.

    OpenVINO takes any of equals.
    """
    expected = np.argsort(scores, kind="stable")[: len(chosen)]
    same = np.array_equal(scores[chosen], scores[expected])
    if not same or (engine != "openvino" and not np.array_equal(chosen, expected)):
        raise CheckError(f"{what} selects others")


def model(sources: int, kept: int, groups: int) -> bytes:
    """Return a file from scores (1, S) to the indices (1, K) of the lowest, the first of equals."""
    size = sources // groups
    ends = min(kept, size)
    constants = {
        "split": [1, groups, size],
        "ends": [ends],
        "kept": [kept],
        "joined": [1, groups * ends],
    }
    starts = np.arange(groups, dtype=np.int64)[None, :, None] * size
    levels = [
        helper.make_node("Reshape", ["scores", "split"], ["groups"]),
        helper.make_node("TopK", ["groups", "ends"], ["low", "at"], axis=2, largest=0),
        helper.make_node("Add", ["at", "starts"], ["index"]),
        helper.make_node("Reshape", ["low", "joined"], ["lows"]),
        helper.make_node("Reshape", ["index", "joined"], ["indices"]),
        helper.make_node("TopK", ["lows", "kept"], ["_", "places"], axis=1, largest=0),
        helper.make_node("GatherElements", ["indices", "places"], ["chosen"], axis=1),
    ]
    one = helper.make_node("TopK", ["scores", "kept"], ["_", "chosen"], axis=1, largest=0)
    nodes = [one] if groups == 1 else levels
    used = {name for node in nodes for name in node.input}
    arrays = {name: np.array(value, np.int64) for name, value in constants.items()}
    graph = helper.make_graph(
        nodes,
        "selection",
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, sources])],
        [helper.make_tensor_value_info("chosen", TensorProto.INT64, [1, kept])],
        [
            onnx.numpy_helper.from_array(array, name)
            for name, array in {**arrays, "starts": starts}.items()
            if name in used
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()  # type: ignore[no-any-return]


def _onnxruntime(file: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda scores: session.run(None, {"scores": scores})[0]


def _openvino(file: bytes) -> Any:
    core = openvino.Core()
    loaded = core.compile_model(core.read_model(file), "CPU", {"INFERENCE_NUM_THREADS": 1})
    request = loaded.create_infer_request()

    def run(scores: Scores) -> Any:
        return request.infer({"scores": scores})[0]

    return run


def block(result: Mapping[str, Any]) -> str:
    """Return the table: how many times as fast as one level each number of groups is."""
    heads = ["selection", "engine", *(f"{groups} groups" for groups in GROUPS[1:])]
    rows = [
        [
            f"{kept} of {sources} ({name})",
            engine,
            *(f"{found[str(groups)]['faster']:.2f}x" for groups in GROUPS[1:]),
        ]
        for name, (sources, kept) in SELECTIONS.items()
        for engine, found in result["rows"][name].items()
    ]
    return f"{result['machine']}:\n\n{table(heads, rows)}"


if __name__ == "__main__":
    main()
