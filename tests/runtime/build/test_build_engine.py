"""``segpp-build-engine`` on the real compiler, with graphs small enough to write down.

What ``runtime/build/__init__``, ``worker`` and ``builders/tensorrt_rtx`` promise shows only there.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from segpp.errors import GraphError
from segpp.images import sample_image
from segpp.manifest import Source, read_manifest
from segpp.runtime.build.builders import BuildConfig
from segpp.runtime.build.worker import build_in_subprocess
from segpp.utils.files import manifest_path, sha256_of
from tests.runtime.build.parsed import (
    ATTENTION,
    HEAD,
    LARGE_TOPK,
    SOFTMAX_BY_HAND,
    names,
    write,
    write_manifest,
)

onnx = pytest.importorskip("onnx")
pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytestmark = pytest.mark.rtx

Command = Callable[..., "subprocess.CompletedProcess[str]"]

WRONG_SHAPES = (
    HEAD
    + """ g (float[1,3,8,8] x) => (float[1,3,8,8] y) <float[7] w = {1,2,3,4,5,6,7}> {
    [adder] y = Add(x, w)
}"""
)
UNKNOWN_OPERATOR = HEAD + " g (float[1,64] x) => (float[N] y) { [rare] y = Unique(x) }"
OPEN_DIMENSION = HEAD + " g (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = Relu(x) }"
# Makes the parser recurse until its stack ends.
RECURSIVE_FUNCTION = """<ir_version: 8, opset_import: ["": 18, "f": 1]>
g (float[1,8] x) => (float[1,8] y) { y = f.again(x) }
<domain: "f", opset_import: ["": 18, "f": 1]> again (a) => (b) { b = f.again(a) }"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_file_for_onnxruntime_alone_is_refused(segpp: Command, folder: Path) -> None:
    foreign = HEAD.replace("18]", '18, "com.microsoft": 1]')
    text = ATTENTION.replace(HEAD, foreign).replace("Softmax<axis = -1>", "com.microsoft.QuickGelu")
    by_operators = write(folder / "a.onnx", text)
    by_manifest = write(folder / "b.onnx", ATTENTION)
    write_manifest(by_manifest, sites=1, target="onnxruntime")

    for source in (by_operators, by_manifest):
        done = segpp("build-engine", source, folder / "x.engine")

        assert done.returncode == 2
        assert "is for ONNX Runtime alone" in done.stderr
        assert "--target portable" in done.stderr
        assert not (folder / "x.engine").exists()


def test_engine_and_manifest_come_with_a_report(segpp: Command, folder: Path) -> None:
    source, target = write(folder / "a.onnx", ATTENTION), folder / "a.engine"
    write_manifest(source, sites=1)

    result = segpp("build-engine", source, target, "--compute-capability", "12.0,8.6", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["compute_capabilities"] == ["8.6", "12.0"]
    assert (report["attention_found"], report["attention_expected"]) == (1, 1)
    assert report["engine_bytes"] == target.stat().st_size
    manifest = read_manifest(target)
    assert manifest.kind == "engine"
    assert manifest.source == Source("a.onnx", sha256_of(source), "onnx")
    assert manifest.parity is None
    assert manifest.engine is not None
    assert manifest.engine.library == "tensorrt-rtx"
    assert manifest.engine.compute_capabilities == ("8.6", "12.0")
    assert manifest.engine.activation_bytes == report["activation_bytes"]
    assert not manifest.engine.ran
    assert names(folder) == {"a.onnx", "a.onnx.json", "a.engine", "a.engine.json"}


def test_pictures_that_are_asked_for_are_read_before_and_missed_where_nothing_runs(
    segpp: Command,
    folder: Path,
) -> None:
    source, target = write(folder / "a.onnx", ATTENTION), folder / "a.engine"
    other = folder / "a.png"
    other.write_bytes(b"no picture")

    for wrong in (folder / "none.png", other):
        done = segpp("build-engine", source, target, "--images", wrong)
        assert (done.returncode, target.exists()) == (2, False)
        assert str(wrong) in done.stderr

    done = segpp("build-engine", source, target, "--images", sample_image())
    assert done.returncode == 0, done.stderr
    assert "warning: not compared on your 1 picture(s)" in done.stderr


def test_a_name_need_not_be_utf8(segpp: Command, folder: Path) -> None:
    source = write(folder / os.fsdecode(b"a\xff.onnx"), ATTENTION)

    done = segpp("build-engine", source, folder / "a.engine")

    assert done.returncode == 0, done.stderr


def test_without_a_manifest_the_engine_gets_none_and_loses_an_old_one(
    segpp: Command, folder: Path
) -> None:
    source, target = write(folder / "a.onnx", ATTENTION), folder / "a.engine"
    manifest_path(target).write_text('{"kind": "engine", "segpp": "0.1.0", "schema": 1}')

    result = segpp("build-engine", source, target)

    assert result.returncode == 0, result.stderr
    assert "1 recognised; no manifest tells of how many" in result.stdout
    assert "without a certificate, so nothing will prove it" in result.stdout
    assert "warning: a.onnx has no manifest beside it, so its engine has none" in result.stderr
    assert "with --trust alone: copy a.onnx.json along" in result.stderr
    assert names(folder) == {"a.onnx", "a.engine"}


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (WRONG_SHAPES, ["node: adder (Add)", "broadcast dimensions must be conformable"]),
        (UNKNOWN_OPERATOR, ["node: rare (Unique)", "the operator Unique is not supported"]),
        (LARGE_TOPK, ["K exceeds the maximum value allowed (3840)", "hint: its TopK ends at 3840"]),
        (OPEN_DIMENSION, ["hint: fix every dimension"]),
    ],
    ids=["wrong-shapes", "unknown-operator", "large-topk", "open-dimension"],
)
def test_a_graph_that_cannot_be_compiled_is_an_error_that_leaves_nothing(
    segpp: Command, folder: Path, graph: str, told: list[str]
) -> None:
    source = write(folder / "a.onnx", graph)

    result = segpp("build-engine", source, folder / "a.engine", cwd=folder)

    assert result.returncode == 2
    assert "error: TensorRT-RTX" in result.stderr
    assert "cudaError" not in result.stderr
    for words in told:
        assert words in result.stderr
    assert names(folder) == {"a.onnx"}


def test_a_crash_of_the_compiler_is_an_error(folder: Path) -> None:
    """The command refuses the file; what makes the compiler crash is not always known before."""
    source = write(folder / "a.onnx", RECURSIVE_FUNCTION)
    config = BuildConfig(source, folder / "a.engine", "tensorrt-rtx", ("8.9",))

    with pytest.raises(GraphError, match=r"RTX crashed on a\.onnx\n  it ended with SIGSEGV"):
        build_in_subprocess(config, "a.onnx")

    assert names(folder) == {"a.onnx"}


def test_weights_outside_the_folder_are_not_compiled(segpp: Command, folder: Path) -> None:
    """Neither through a link, nor from a pipe or a device that lies in it."""
    source = write(folder / "a.onnx", WRONG_SHAPES)
    model = onnx.load(source)
    weight = model.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "w.bin"
    source.write_bytes(model.SerializeToString())
    weights = folder / "w.bin"
    odd = {
        "outside its folder": lambda: weights.symlink_to("/etc/passwd"),
        "device or pipe": lambda: os.mkfifo(weights),
        "outside its folder: 'w.bin'": lambda: weights.symlink_to("/dev/zero"),
    }

    for told, make in odd.items():
        make()
        result = segpp("build-engine", source, folder / "a.engine", timeout=60)
        weights.unlink()

        assert result.returncode == 2
        assert told in result.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "it looks like a JPEG image"),
        (b"vtrt\x00\x00", "it looks like a TensorRT-RTX engine"),
        (b"\x08\x08\x12\x7ftruncated", "not an ONNX file, or only part of one"),
        (b"hello", "not an ONNX file, or only part of one"),
    ],
    ids=["missing", "empty", "jpeg", "engine", "truncated", "text"],
)
def test_what_is_no_onnx_file_is_refused(
    segpp: Command, folder: Path, content: bytes | None, told: str
) -> None:
    source = folder / "a.onnx"
    if content is not None:
        source.write_bytes(content)

    result = segpp("build-engine", source, folder / "a.engine")

    assert result.returncode == 2
    assert told in result.stderr
    assert not (folder / "a.engine").exists()


def test_a_manifest_of_another_file_stops_the_build(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    write_manifest(source, sites=1)
    write(source, SOFTMAX_BY_HAND)

    result = segpp("build-engine", source, folder / "a.engine")

    assert result.returncode == 2
    assert "was written for another file" in result.stderr
    assert not (folder / "a.engine").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--backend", "tensorrt-rxt"], "did you mean 'tensorrt-rtx'?"),
        (["--compute-capability", "8.7"], "it builds for: 7.5, 8.0, 8.6, 8.9, 12.0"),
        (["--compute-capability", "89"], "separate by commas, as 8.6,8.9,12.0"),
        (["--workspace", "2048"], "one of the units K, M and G"),
        (["--workspace", "0G"], "one of the units K, M and G"),
        (["--workspace", "1K"], "hint: give a larger --workspace"),
        (["--timing-cache", "a.cache"], "TensorRT-RTX has no use for --timing-cache"),
        (["--plugin", "a.so"], "reason: its parser takes no plugins"),
        (["--embed-plugin"], "TensorRT-RTX has no use for --embed-plugin"),
        (["--optimization-level", "3"], "TensorRT-RTX has no use for --optimization-level"),
        (["--optimization-level", "6"], "--optimization-level is 6"),
        (["--version-compatible"], "TensorRT-RTX has no use for --version-compatible"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_told(
    segpp: Command, folder: Path, arguments: list[str], told: str
) -> None:
    source = write(folder / "a.onnx", ATTENTION)

    result = segpp("build-engine", source, folder / "a.engine", *arguments)

    assert result.returncode == 2
    assert told in result.stderr
    assert names(folder) == {"a.onnx"}


def test_the_source_is_never_overwritten(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    before = sha256_of(source)

    result = segpp("build-engine", source, folder / "." / "a.onnx")

    assert result.returncode == 2
    assert "is the input itself, and would be replaced by an engine" in result.stderr
    assert sha256_of(source) == before


def test_a_disk_that_ends_keeps_the_old_engine(segpp: Command, folder: Path) -> None:
    source, target = write(folder / "a.onnx", ATTENTION), folder / "a.engine"
    target.write_bytes(b"old")
    room = 64 << 10  # the log fits, the engine (over 100 kB) does not

    result = segpp(
        "build-engine", source, target, "--force",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )  # fmt: skip

    assert result.returncode == 2
    assert f"cannot write {target}\n  File too large" in result.stderr
    assert target.read_bytes() == b"old"
    assert names(folder) == {"a.onnx", "a.engine"}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_neither_file_nor_process(
    folder: Path, stop: signal.Signals
) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    command = [sys.executable, "-m", "segpp", "build-engine", str(source), str(folder / "a.engine")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as build:
        children = _wait_for_children(build.pid)

        build.send_signal(stop)
        _, told = build.communicate(timeout=60)

    assert build.returncode == 130
    assert "interrupted; nothing half-written is left" in told
    # A killed process is gone a moment after the signal, and later where nobody reaps it.
    _, alive = psutil.wait_procs(children, timeout=30)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
    assert names(folder) == {"a.onnx"}


def _wait_for_children(pid: int) -> list[psutil.Process]:
    for _ in range(3000):
        if children := psutil.Process(pid).children():
            return list(children)
        time.sleep(0.01)
    pytest.fail("the build never started its process")


@pytest.mark.parametrize(
    ("engine", "told"),
    [("auto", "no engine builder is installed"), ("tensorrt-rtx", "TensorRT-RTX is not installed")],
)
def test_without_the_library_one_sentence_says_how_to_get_it(
    folder: Path, engine: str, told: str
) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    # None among the modules is how Python marks one that is not there.
    code = (
        "import sys; sys.modules['tensorrt_rtx'] = None\n"
        "from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["build-engine", str(source), str(folder / "a.engine"), "--backend", engine]

    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )

    assert result.returncode == 3
    assert f"error: {told}\n  hint: pip install 'segpp[rtx]'" in result.stderr


def test_a_library_that_does_not_load_is_told(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    (folder / "broken").mkdir()
    (folder / "broken" / "tensorrt_rtx.py").write_text("raise ImportError('libtensorrt_rtx.so')")
    environment = {**os.environ, "PYTHONPATH": str(folder / "broken")}

    result = segpp("build-engine", source, folder / "a.engine", env=environment)

    assert result.returncode == 3
    assert "TensorRT-RTX is installed and does not load\n  libtensorrt_rtx.so" in result.stderr
