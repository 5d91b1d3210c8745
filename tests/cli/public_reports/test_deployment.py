"""What deployers do with files: other people's ONNX, other readers, names of their own, containers.

Each stands for a public report. The masks of other people's files are their owners' formula, those
of ours what the owner's code computes; the other readers are the real ones.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray
from onnx import version_converter
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image

from tests.cli.public_reports.commands import (
    SAME,
    Exported,
    agreement,
    export,
    mask,
    refusal,
    saved,
    scores,
)
from tests.helpers.commands import in_process
from tests.helpers.reported_networks import (
    IMAGENET,
    labels_of,
    mmseg_owner,
    mmseg_state,
    normalized,
    picture,
)

Labels = NDArray[np.uint8]

STATE = mmseg_state()
AT_64 = ("--size", "64x64")

# --- files of other exporters -------------------------------------------------------------------

HEIGHT, WIDTH = 64, 96
WEIGHT = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
MAPS = f"<float[4,3,1,1] w = {{{', '.join(map(repr, WEIGHT.ravel().tolist()))}}}>"

FOREIGN = {
    "nhwc": f"""(float[1,64,96,3] pixel_values) => (float[1,64,96,4] logits) {MAPS} {{
        n = Transpose<perm = [0, 3, 1, 2]>(pixel_values)
        y = Conv(n, w)
        logits = Transpose<perm = [0, 2, 3, 1]>(y)
    }}""",
    "mmdeploy": f"""(float[1,3,64,96] input) => (int64[1,1,64,96] output) {MAPS} {{
        y = Conv(input, w)
        output = ArgMax<axis = 1, keepdims = 1>(y)
    }}""",
    # The labels are those of the opposite maps, so that a mask tells which output it is of.
    "two outputs": f"""(float[1,3,64,96] input) =>
            (float[1,4,64,96] logits, int64[1,64,96] labels) {MAPS} {{
        logits = Conv(input, w)
        y = Neg(logits)
        labels = ArgMax<axis = 1, keepdims = 0>(y)
    }}""",
}


def formula(image: NDArray[np.uint8], sign: int = 1) -> Labels:
    """What the owner computes: the best of four linear maps of the normalised colours."""
    colors = (image - np.float32(IMAGENET[0])) / np.float32(IMAGENET[1])
    labels: Labels = (sign * colors @ WEIGHT.T).argmax(2).astype(np.uint8)
    return labels


@pytest.mark.parametrize(
    ("name", "flags", "sign", "says"),
    [
        ("nhwc", (), 1, "reading logits (1, 64, 96, 4) as logits with the classes last"),
        ("mmdeploy", (), 1, ""),
        ("two outputs", ("--output-name", "logits"), 1, ""),
        ("two outputs", ("--output-name", "labels"), -1, ""),
        ("two outputs", (), -1, "taking the labels of labels; --output-name chooses another"),
    ],
    ids=["nhwc", "mmdeploy", "logits of two", "labels of two", "neither of two named"],
)
def test_other_peoples_files_are_run_and_scored_by_their_formula(
    tmp_path: Path, name: str, flags: tuple[str, ...], sign: int, says: str
) -> None:
    text = f'<ir_version: 8, opset_import: ["": 17]> g {FOREIGN[name]}'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "foreign.onnx")
    image = picture(tmp_path / "data" / "images" / "a.png", size=(HEIGHT, WIDTH))
    (tmp_path / "data" / "labels").mkdir()
    Image.fromarray(formula(image, sign)).save(tmp_path / "data" / "labels" / "a.png")

    found = mask(tmp_path / "foreign.onnx", tmp_path / "data" / "images" / "a.png", *flags)
    report = scores(tmp_path / "foreign.onnx", "--dataset", tmp_path / "data", *flags)

    assert agreement(found, formula(image, sign)) == 1.0
    assert report["models"][0]["pixel_accuracy"] == 1.0
    assert says in report["said"]


# --- names and layouts of others ----------------------------------------------------------------


def test_a_server_gets_its_names_and_pixels_with_the_normalisation_inside(tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    names = ("--input-name", "input_1", "--output-name", "softmax_1")

    model = export(
        saved(STATE, tmp_path / "net.pth"), *AT_64, *names, "--input-dtype", "float32-pixels"
    )

    session = onnxruntime.InferenceSession(model.file, providers=["CPUExecutionProvider"])
    [given], [output] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("input_1", "tensor(float)", [1, 3, 64, 64])
    assert (output.name, output.shape) == ("softmax_1", [1, 4, 16, 16])
    pixels = image.astype(np.float32).transpose(2, 0, 1)[None]
    [logits] = session.run(None, {"input_1": pixels})
    expected = mmseg_owner(STATE).logits(image).numpy()
    # As in the parity check of a network of this depth: a few roundings of the largest logit.
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    assert agreement(mask(model.file, tmp_path / "a.png"), mmseg_owner(STATE).mask(image)) >= SAME
    # Beside a picture of another shape lies the mean colour, though outside the mean is 0.
    wide = picture(tmp_path / "wide.png", size=(64, 128))
    boxed = mmseg_owner(STATE).letterboxed(wide)
    assert agreement(mask(model.file, tmp_path / "wide.png"), boxed) >= SAME
    assert model.manifest.input.name == "input_1"
    assert model.manifest.outputs[0].name == "softmax_1"


# --- readers of little ONNX ---------------------------------------------------------------------


@pytest.fixture(scope="module", params=["none", "hq"])
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    checkpoint = saved(STATE, tmp_path_factory.mktemp(request.param) / "net.pth")
    return export(
        checkpoint, "--size", "128x128", "--preset", request.param, "--target", "plain",
    )  # fmt: skip


def test_a_plain_file_is_one_flat_graph_of_standard_operators(plain: Exported) -> None:
    graph = onnx.load(plain.file)

    onnx.checker.check_model(graph, full_check=True)
    operators = {node.op_type for node in graph.graph.node}
    constants = {tensor.name for tensor in graph.graph.initializer}
    assert not graph.functions
    assert [entry.domain for entry in graph.opset_import] == [""]
    assert not operators & {"Shape", "Range", "Expand", "ConstantOfShape", "If", "Loop"}
    assert [node.name for node in graph.graph.node if set(node.input) - {""} <= constants] == []
    kinds = {tensor.data_type for tensor in graph.graph.initializer}
    kinds |= {value.type.tensor_type.elem_type for value in graph.graph.value_info}
    assert onnx.TensorProto.DOUBLE not in kinds


def test_a_plain_file_is_read_by_others_as_it_is(plain: Exported) -> None:
    image = picture(size=(128, 128))
    x = normalized(image, *IMAGENET).numpy()
    graph = onnx.load(plain.file)
    if plain.manifest.reduction:
        # Merged, it is another network than the owner's: ONNX Runtime says what the file means.
        expected = first_output(onnxruntime_of(graph), x)
    else:
        expected = mmseg_owner(STATE).logits(image).numpy()

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    read = openvino.Core().compile_model(plain.file, "CPU", exact)
    newer = version_converter.convert_version(graph, 21)
    half = convert_float_to_float16(onnx.load(plain.file), keep_io_types=True)

    labels = shown(expected)
    assert agreement(shown(read({"image": x})["logits"]), labels) >= SAME
    assert newer.opset_import[0].version == 21
    assert agreement(shown(first_output(onnxruntime_of(newer), x)), labels) >= SAME
    # Half precision has 11 bits; merged, near ties of similarity may turn out otherwise.
    least = 0.9 if plain.manifest.reduction else 0.98
    assert agreement(shown(first_output(onnxruntime_of(half), x)), labels) >= least


def onnxruntime_of(graph: onnx.ModelProto) -> Any:
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def first_output(session: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = session.run(None, {"image": x})[0]
    return logits


def shown(logits: NDArray[np.float32]) -> Labels:
    import torch  # noqa: PLC0415

    return labels_of(torch.from_numpy(np.asarray(logits)), (128, 128))


def test_a_file_for_onnxruntime_alone_makes_no_engine(tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    model = export(saved(STATE, tmp_path / "net.pth"), *AT_64, "--target", "onnxruntime")

    done = in_process("build-engine", model.file, tmp_path / "net.engine")

    assert done.returncode == 2
    assert "is for ONNX Runtime alone" in done.stderr
    assert "--target portable" in done.stderr
    assert not (tmp_path / "net.engine").exists()
    assert agreement(mask(model.file, tmp_path / "a.png"), mmseg_owner(STATE).mask(image)) >= SAME


# --- containers ---------------------------------------------------------------------------------

# Looks on, as often as it can, which CPUs the threads of the process may use.
WATCHED = """
import os, sys, threading, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
seen, stop = set(), threading.Event()
def watch():
    while not stop.is_set():
        for task in os.listdir("/proc/self/task"):
            try:
                seen.update(os.sched_getaffinity(int(task)))
            except ProcessLookupError:
                pass
        time.sleep(0.0005)
thread = threading.Thread(target=watch)
thread.start()
from segpp.cli import main
code = main(sys.argv[1:])
stop.set()
thread.join()
print("CPUs", *sorted(seen), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("verb", ["run", "eval", "bench"])
def test_a_pinned_process_keeps_to_its_cpu(verb: str, tmp_path: Path) -> None:
    text = f'<ir_version: 8, opset_import: ["": 17]> g {FOREIGN["mmdeploy"]}'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "foreign.onnx")
    image = picture(tmp_path / "data" / "images" / "a.png", size=(HEIGHT, WIDTH))
    (tmp_path / "data" / "labels").mkdir()
    Image.fromarray(formula(image)).save(tmp_path / "data" / "labels" / "a.png")
    words = {
        "run": [tmp_path / "data" / "images" / "a.png", "--out", tmp_path / "o.png"],
        "eval": ["--dataset", tmp_path / "data"],
        "bench": ["--iterations", "20"],
    }

    done = subprocess.run(
        [sys.executable, "-c", WATCHED, verb, tmp_path / "foreign.onnx", *words[verb]],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    first = min(os.sched_getaffinity(0))
    assert done.stderr.splitlines()[-1] == f"CPUs {first}"


def test_too_little_address_space_is_told_before_tracing(tmp_path: Path) -> None:
    saved(STATE, tmp_path / "net.pth")
    words = [sys.executable, "-m", "segpp", "export", "net.pth", "net.onnx", "--size", "1024x2048"]

    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 4000000; exec "$@"', "bash", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 3, done.stderr
    assert "GB of memory, and has" in done.stderr
    assert "ulimit -v" in done.stderr
    assert "attention" in done.stderr
    assert "hint: " in done.stderr
    assert "tracing" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "net.onnx").exists()


def test_a_memory_limit_can_be_given(tmp_path: Path) -> None:
    checkpoint = saved(STATE, tmp_path / "net.pth")

    said = refusal(checkpoint, "--size", "1024x2048", "--memory-limit", "500M", code=3)

    assert "and has 0.5 GB" in said
    assert "--memory-limit" in said
    assert "tracing" not in said
