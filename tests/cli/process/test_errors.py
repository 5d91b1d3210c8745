"""What goes wrong ends in one sentence, the right exit code, and folders as they were before."""

import ctypes
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.utils.files import manifest_path
from tests.cli.earlier_results import write_earlier_results

Command = Callable[..., "subprocess.CompletedProcess[str]"]
State = dict[str, tuple[int, int]]

# A graph that has what a segmentation network needs, but for one open dimension.
OPEN = """<ir_version: 8, opset_import: ["": 18]>
g (float[B,3,32,64] image) => (float[B,3,8,16] out) {
    out = AveragePool<kernel_shape=[4,4], strides=[4,4]>(image)
}"""
# And one that has none of it.
VECTORS = """<ir_version: 8, opset_import: ["": 18]>
g (float[1,64] a, float[1,64] b) => (float[1,64] out) { out = Add(a, b) }"""

# What a log holds before the error: steps that were done, a bar that did not move.
PROGRESS = re.compile(r"|\S.* …( (stopped after )?\d+\.\d s)?| *\d+%\|.* images/s\]")

rtx = pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="needs TensorRT-RTX (extra rtx)")

EVAL = "--images images --labels labels"


@pytest.fixture(scope="module")
def inputs(b0_checkpoint: Path, b0_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of everything that is given to the commands, good and bad."""
    onnx = pytest.importorskip("onnx", reason="onnx writes the graphs")
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copy(b0_checkpoint, folder / "b0.pth")
    shutil.copy(b0_onnx, folder / "b0.onnx")
    shutil.copy(manifest_path(b0_onnx), manifest_path(folder / "b0.onnx"))
    shutil.copy(b0_onnx, folder / "bare.onnx")
    for name, graph in {"open.onnx": OPEN, "vectors.onnx": VECTORS}.items():
        (folder / name).write_bytes(onnx.parser.parse_model(graph).SerializeToString())
    for name in ("empty.pth", "empty.onnx", "empty.engine", "empty.jpg"):
        (folder / name).touch()
    (folder / "text.pth").write_text("Not Found\n")
    (folder / "text.onnx.json").write_text("no manifest\n")
    _write_images(folder)
    shutil.copy(folder / "images" / "street.jpg", folder / "photo.onnx")
    return folder


def _write_images(folder: Path) -> None:
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 96, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "images" / "street.jpg")
    Image.fromarray(pixels[..., 0] % 19).save(folder / "labels" / "street.png")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with the results of an earlier run."""
    folder = tmp_path / "out"
    folder.mkdir()
    write_earlier_results(folder)
    return folder


def state(*folders: Path) -> State:
    """Return every file below with its size and the time of its last change."""
    stats = {str(path): path.stat() for folder in folders for path in folder.rglob("*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def check_one_sentence(stderr: str, told: str) -> None:
    """Check that stderr is one error, with its facts indented, after the progress."""
    lines = [line for line in stderr.splitlines() if not PROGRESS.fullmatch(line)]

    assert lines[0].startswith("error: "), stderr
    assert all(line.startswith("  ") for line in lines[1:]), stderr
    assert told in "\n".join(lines)


CASES = [
    # missing
    ("export none.pth {out}/b.onnx", "checkpoint none.pth does not exist"),
    ("export b0.pth {out}/b.onnx --parity-image none.jpg", "image none.jpg does not exist"),
    ("run none.onnx images --out {out}", "model none.onnx does not exist"),
    ("run b0.onnx none.jpg --out {out}/b.png", "image none.jpg does not exist"),
    ("build-engine none.onnx {out}/b.engine", "ONNX file none.onnx does not exist"),
    ("calibrate none.onnx images -o {out}/b.onnx", "ONNX file none.onnx does not exist"),
    ("calibrate b0.onnx none -o {out}/b.onnx", "image none does not exist"),
    (f"eval none.onnx {EVAL} --csv {{out}}/b.csv", "model none.onnx does not exist"),
    ("eval b0.onnx --images none --labels labels --csv {out}/b.csv", "none"),
    ("inspect none.pth", "file none.pth does not exist"),
    # empty
    ("export empty.pth {out}/b.onnx", "checkpoint empty.pth is empty"),
    ("run empty.onnx images --out {out}", "model empty.onnx is empty"),
    ("run b0.onnx empty.jpg --out {out}/b.png", "image empty.jpg is empty"),
    ("build-engine empty.onnx {out}/b.engine", "ONNX file empty.onnx is empty"),
    ("calibrate empty.onnx images -o {out}/b.onnx", "ONNX file empty.onnx is empty"),
    (f"eval empty.onnx {EVAL} --csv {{out}}/b.csv", "model empty.onnx is empty"),
    ("inspect empty.pth", "empty.pth is empty"),
    ("inspect empty.engine", "empty.engine is empty"),
    # a text file named .pth
    ("export text.pth {out}/b.onnx", "text.pth is text, not a checkpoint"),
    ("run text.pth images --out {out}", "text.pth"),
    ("build-engine text.pth {out}/b.engine", "text.pth"),
    (f"eval text.pth {EVAL} --csv {{out}}/b.csv", "text.pth"),
    ("inspect text.pth", "text.pth is text"),
    ("inspect text.onnx.json", "text.onnx.json is not JSON"),
    # a checkpoint where its ONNX file is due
    ("run b0.pth images --out {out}", "hint: export it first: segpp-export b0.pth b0.onnx"),
    (f"eval b0.pth {EVAL} --csv {{out}}/b.csv", "hint: export it first: segpp-export b0.pth"),
    # a camera
    ("run b0.onnx /dev/video97 --out {out}", "the camera /dev/video97 is not there"),
    # a JPEG named .onnx
    ("export photo.onnx {out}/b.onnx", "photo.onnx is a JPEG image, not a checkpoint"),
    ("run photo.onnx images --out {out}", "photo.onnx"),
    ("build-engine photo.onnx {out}/b.engine", "photo.onnx is not an ONNX file"),
    ("calibrate photo.onnx images -o {out}/b.onnx", "photo.onnx is not an ONNX file"),
    (f"eval photo.onnx {EVAL} --csv {{out}}/b.csv", "photo.onnx"),
    ("inspect photo.onnx", "photo.onnx"),
    # a folder
    ("export images {out}/b.onnx", "images"),
    ("run images images --out {out}", "model images is a folder"),
    ("build-engine images {out}/b.engine", "images is a folder"),
    ("calibrate images images -o {out}/b.onnx", "images is a folder"),
    (f"eval images {EVAL} --csv {{out}}/b.csv", "model images is a folder"),
    ("inspect images", "images"),
    # without a manifest, and without what it would have told
    ("run open.onnx images --out {out}", "has an open dimension in its input"),
    (f"eval open.onnx {EVAL} --csv {{out}}/b.csv", "has an open dimension in its input"),
    ("run vectors.onnx images --out {out}", "has no manifest and 2 inputs"),
    (f"eval vectors.onnx {EVAL} --csv {{out}}/b.csv", "has no manifest and 2 inputs"),
    ("build-engine open.onnx {out}/b.engine", "open"),
    ("calibrate bare.onnx images -o {out}/b.onnx", "bare.onnx"),
    ("calibrate b0.onnx images -o {out}/b.int8", "does not end in .onnx"),
    # sizes
    ("export b0.pth {out}/b.onnx --size 0x0", "size 0x0 has no pixels"),
    ("export b0.pth {out}/b.onnx --size 16x200", "nearest that works: --size 32x200"),
    ("inspect b0.pth --size 0x0", "size 0x0 has no pixels"),
    # ratios and presets
    ("export b0.pth {out}/b.onnx --ratio 1.5", "--ratio 1.5 cannot be merged away"),
    ("export b0.pth {out}/b.onnx --ratio half", "argument --ratio: invalid float value: 'half'"),
    ("inspect b0.pth --ratio 1.5", "--ratio 1.5 cannot be merged away"),
    ("export b0.pth {out}/b.onnx --preset fats", "hint: did you mean 'fast'?"),
    ("export b0.pth {out}/b.onnx --reduce 3.q=bms", "hint: did you mean 'bsm'?"),
    ("export b0.pth {out}/b.onnx --preset hq --size 32x32", "stage 1, kv: bsm"),
    ("run b0.onnx images --out {out} --backend onnxrutime", "hint: did you mean 'onnxruntime'?"),
    ("build-engine b0.onnx {out}/b.engine --backend tensort", "unknown engine builder 'tensort'"),
    # places to write to
    ("export b0.pth {out}", "is a folder"),
    ("export b0.pth {out}/b.engine", "b.engine does not end in .onnx"),
    ("export b0.pth {out}/none/b.onnx", "hint: create the folder first"),
    ("export b0.pth b0.pth", "is the input itself"),
    ("export b0.pth /dev/null", "/dev/null is a device or a pipe"),
    ("run b0.onnx images/street.jpg --out {out}/none/b.png", "hint: create the folder first"),
    ("run b0.onnx images --out images", "holds the input images"),
    ("build-engine b0.onnx {out}", "is a folder"),
    ("build-engine b0.onnx b0.onnx", "is the input itself"),
    (f"eval b0.onnx {EVAL} --csv {{out}}", "is a folder"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "told"),
    [pytest.param(*case, marks=rtx if "build" in case[0] else (), id=case[0]) for case in CASES],
)
def test_what_cannot_be_used_is_one_sentence_exit_2_and_changes_nothing(
    *, segpp: Command, inputs: Path, out: Path, command: str, told: str
) -> None:
    before = state(inputs, out)

    done = segpp(*command.format(out=out).split(), cwd=inputs)

    assert done.returncode == 2, done.stderr
    check_one_sentence(done.stderr, told)
    assert done.stdout == ""
    assert state(inputs, out) == before


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("run bare.onnx images/street.jpg --out {out}/new.png", {"new.png"}),
        (f"eval bare.onnx {EVAL} --csv {{out}}/new.csv", {"new.csv"}),
        ("inspect bare.onnx", set()),
        pytest.param("build-engine bare.onnx {out}/new.engine", {"new.engine"}, marks=rtx),
    ],
)
def test_a_network_without_manifest_works_if_it_has_what_is_needed(
    *, segpp: Command, inputs: Path, out: Path, command: str, made: set[str]
) -> None:
    before = {path.name for path in out.iterdir()}

    done = segpp(*command.format(out=out).split(), cwd=inputs)

    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} - before == made


# --- places that cannot be written to

WRITING = [
    "export b0.pth {out}/b.onnx --size 64x64 --no-check",
    "run b0.onnx images/street.jpg --out {out}/b.png",
    "run b0.onnx images --out {out}",
    "run b0.onnx images --out {out}/deeper/still",
    pytest.param("build-engine b0.onnx {out}/b.engine", marks=rtx),
    f"eval b0.onnx {EVAL} --csv {{out}}/b.csv",
]


def _without_privilege() -> None:
    """Take from root the right to write where permissions forbid it."""
    drop_from_bounding_set, override_permissions = 24, 1
    # Fails for everybody else, who has no such right.
    ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions, 0, 0, 0)


@pytest.mark.parametrize("command", WRITING)
def test_a_read_only_folder_is_one_sentence_and_stays_as_it_is(
    segpp: Command, inputs: Path, out: Path, command: str
) -> None:
    out.chmod(0o555)
    if not subprocess.run(["touch", out / "x"], preexec_fn=_without_privilege, check=False,
                          capture_output=True).returncode:  # fmt: skip
        pytest.skip("this user may write into a read-only folder")
    before = state(inputs, out)

    done = segpp(*command.format(out=out).split(), cwd=inputs, preexec_fn=_without_privilege)

    out.chmod(0o755)
    assert done.returncode == 2, done.stderr
    check_one_sentence(done.stderr, "Permission denied")
    assert state(inputs, out) == before


@pytest.mark.parametrize(
    ("command", "room"),
    [
        # Each holds what comes before the file, and not the file.
        ("export b0.pth {out}/b.onnx --size 64x64 --no-check", 1 << 20),
        ("run b0.onnx images/street.jpg --out {out}/b.png", 100),
        ("run b0.onnx images --out {out}", 100),
        pytest.param("build-engine b0.onnx {out}/b.engine", 8 << 20, marks=rtx),
        (f"eval b0.onnx {EVAL} --csv {{out}}/b.csv", 10),
    ],
)
def test_a_limit_on_files_is_one_sentence_and_keeps_what_was_there(
    *, segpp: Command, inputs: Path, out: Path, command: str, room: int
) -> None:
    before = state(inputs, out)

    done = segpp(
        *command.format(out=out).split(),
        cwd=inputs,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert done.returncode == 2, done.stderr
    check_one_sentence(done.stderr, "File too large\n  hint: raise the limit")
    assert state(inputs, out) == before


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk with room for nothing but the results of an earlier run."""
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "segpp-tests", folder]
    with suppress(FileNotFoundError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            (folder / "b.onnx").write_bytes(b"1" * 8192)
            yield folder
            subprocess.run(["umount", folder], check=True)
            folder.rmdir()
            return
    folder.rmdir()
    pytest.skip("this user may not mount a small disk")


@pytest.mark.parametrize("command", WRITING)
def test_a_full_disk_is_one_sentence_and_keeps_what_was_there(
    segpp: Command, inputs: Path, small_disk: Path, command: str
) -> None:
    before = state(inputs, small_disk)

    done = segpp(*command.format(out=small_disk).split(), cwd=inputs)

    assert done.returncode == 2, done.stderr
    check_one_sentence(done.stderr, "No space left on device\n  hint: free some space")
    assert state(inputs, small_disk) == before
