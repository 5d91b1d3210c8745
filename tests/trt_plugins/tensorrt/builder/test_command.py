"""``segpp-build-engine --backend tensorrt`` with the real TensorRT, where no GPU is.

Dry runs, and every refusal that comes before the library compiles.
"""

import json
import os
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from segpp.ops import DOMAIN
from segpp.runtime.system.plugins import VARIABLE
from segpp.utils.files import sha256_of
from tests.helpers.commands import Completed, in_subprocess
from tests.trt_plugins.tensorrt.conftest import ROOT, WITHOUT_A_GPU
from tests.trt_plugins.tensorrt.fetch import TENSORRT, part

Build = Callable[..., Completed]

UNKNOWN_OPERATOR = """<ir_version: 8, opset_import: ["": 18]>
g (float[1,64] x) => (float[N] y) { [rare] y = Unique(x) }"""


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has everything of this one, and TensorRT, as its wheel installs it."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    theirs = (part("bindings"), sysconfig.get_paths()["purelib"])
    (packages / "all.pth").write_text("\n".join(map(str, theirs)))
    (packages / "tensorrt").mkdir()
    (packages / "tensorrt" / "__init__.py").write_text(
        "from tensorrt_bindings import *\nfrom tensorrt_bindings import __version__\n"
    )
    return folder / "bin" / "python"


@pytest.fixture
def build(python: Path, tmp_path: Path, b0_models: dict[str, Path]) -> Build:
    """Run the command: ``build("hq-fp16", "--dry-run", environment={…})``."""

    def run(name: str, *options: object, environment: dict[str, str] | None = None) -> Completed:
        settings = {key: value for key, value in os.environ.items() if key != VARIABLE}
        settings |= {
            "LD_LIBRARY_PATH": str(part("libraries")),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
            **(WITHOUT_A_GPU if environment is None else environment),
        }
        file = b0_models.get(name, tmp_path / name)
        words = ("build-engine", file, tmp_path / "x.engine", "--backend", "tensorrt", *options)
        return in_subprocess(*words, python=(str(python),), env=settings, cwd=tmp_path)

    return run


def nodes_of(path: Path) -> dict[str, int]:
    own = [node.op_type for node in onnx.load(path).graph.node if node.domain == DOMAIN]
    return {name: own.count(name) for name in own}


def test_a_dry_run_reports_every_plugin_and_writes_nothing(
    build: Build, library: Path, b0_models: dict[str, Path], tmp_path: Path
) -> None:
    done = build("hq-fp16", "--dry-run", "--json", "--plugin", library)

    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert (report["library"], report["built"]) == ("TensorRT", False)
    assert report["version"].startswith(TENSORRT)
    assert report["typing"] == "strong"
    assert report["plugins"] == nodes_of(b0_models["hq-fp16"])
    assert (report["functions"], report["warnings"], report["problems"]) == ({}, [], [])
    assert report["plugin_library"]["sha256"] == sha256_of(library)
    assert report["plugin_library"]["tensorrt"] == "10.16"
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_the_report_says_what_that_costs(build: Build) -> None:
    done = build("hq-fp16", "--dry-run", "--plugin", "none")

    assert done.returncode == 0, done.stderr
    assert "SegppTokenMatch 8, SegppTokenMerge 8" in done.stdout
    assert "standard operators" in done.stdout
    assert "instead of 21: no plugin library was loaded" in done.stderr


def test_the_library_that_the_environment_names_is_taken(build: Build, library: Path) -> None:
    named = {**WITHOUT_A_GPU, VARIABLE: str(library)}

    done = build("hq-fp32", "--dry-run", "--json", environment=named)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plugin_library"]["name"] == library.name


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["build", "dry run"])
def test_without_a_gpu_one_sentence_says_what_builds_there(
    build: Build, tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = build("none-fp16", *options, environment={})

    assert done.returncode == 3
    assert "error: TensorRT builds on the GPU that the engine is for, and no GPU" in done.stderr
    assert "hint: build it on the board, or for an RTX GPU without one" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def patched(library: Path, path: Path, old: bytes, new: bytes) -> Path:
    data = library.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return path


def test_a_library_for_another_major_version_is_refused_before_it_is_loaded(
    build: Build, library: Path, tmp_path: Path
) -> None:
    other = patched(library, tmp_path / "p.so", b"tensorrt=10.16", b"tensorrt=11.04")

    done = build("hq-fp16", "--dry-run", "--plugin", other)

    assert done.returncode == 2
    assert f"{other} was built for TensorRT 11.04, and this is TensorRT {TENSORRT}" in done.stderr
    assert "hint: build it with the headers of TensorRT 10" in done.stderr


def test_an_engine_gets_no_library_whose_kernels_run_on_the_cpu(
    build: Build, library: Path, tmp_path: Path
) -> None:
    done = build("hq-fp16", "--plugin", library)

    assert done.returncode == 2
    assert f"plugin library {library} runs its kernels on the CPU, for tests" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_registers_itself_is_refused(build: Build, self_registering: Path) -> None:
    done = build("hq-fp16", "--dry-run", "--plugin", self_registering)

    assert done.returncode == 2
    assert "registers itself, so TensorRT cannot load it by its path" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--plugin", "none.so"), 2, "plugin library none.so does not exist"),
        (("--plugin", "none", "--embed-plugin"), 2, "no plugin library to put into the engine"),
        (("--optimization-level", "6"), 2, "--optimization-level is 6"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_argument_is_told(
    build: Build, options: tuple[str, ...], code: int, told: str
) -> None:
    done = build("hq-fp16", "--dry-run", *options)

    assert done.returncode == code
    assert told in done.stderr


def test_a_graph_that_the_parser_refuses_is_told_by_its_node(build: Build, tmp_path: Path) -> None:
    model = onnx.parser.parse_model(UNKNOWN_OPERATOR)
    (tmp_path / "rare.onnx").write_bytes(model.SerializeToString())

    done = build("rare.onnx", "--dry-run")

    assert done.returncode == 2
    assert "error: TensorRT cannot compile rare.onnx" in done.stderr
    assert "(Unique)\n  reason: the operator Unique is not supported" in done.stderr


def test_what_would_fail_in_the_build_is_a_problem_of_the_dry_run(
    build: Build, tmp_path: Path
) -> None:
    text = """<ir_version: 8, opset_import: ["": 18]>
    g (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = Relu(x) }"""
    (tmp_path / "open.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())

    done = build("open.onnx", "--dry-run")

    assert done.returncode == 1
    assert "problem: input x has an open dimension: (-1, 3, 8, 8)" in done.stdout
    assert "not built: it would fail" in done.stdout
