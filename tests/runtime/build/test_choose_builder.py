"""Which builder "auto" is, and what is refused before anything is read.

What needs TensorRT itself is in tests/trt_plugins/tensorrt/builder.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.errors import InputError, MissingError
from segpp.runtime.build import choose_builder as module
from segpp.runtime.build.builders import BUILDERS, NO_PLUGIN, BuildConfig
from segpp.runtime.build.builders.tensorrt import TensorRt
from segpp.runtime.build.builders.tensorrt_rtx import TensorRtRtx
from segpp.runtime.build.choose_builder import resolve_builder

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Say which modules are installed, and which GPU answers."""

    def say(*modules: str, gpu: str | None) -> None:
        monkeypatch.setattr(module, "is_installed", lambda name: name in modules)
        monkeypatch.setattr(module, "gpu_compute_capability", lambda: gpu)

    return say


def test_both_libraries_are_known() -> None:
    assert list(BUILDERS) == ["tensorrt", "tensorrt-rtx"]


@pytest.mark.parametrize(
    ("modules", "gpu", "chosen"),
    [
        (("tensorrt", "tensorrt_rtx"), "8.7", "tensorrt"),
        (("tensorrt", "tensorrt_rtx"), None, "tensorrt-rtx"),
        (("tensorrt_rtx",), "8.9", "tensorrt-rtx"),
        (("tensorrt_rtx",), None, "tensorrt-rtx"),
        (("tensorrt",), "11.0", "tensorrt"),
    ],
)
def test_auto_is_tensorrt_where_a_gpu_answers(
    machine: Machine, modules: tuple[str, ...], gpu: str | None, chosen: str
) -> None:
    machine(*modules, gpu=gpu)

    assert resolve_builder("auto") == chosen


@pytest.mark.parametrize(
    ("modules", "gpu", "told"),
    [
        ((), None, "no engine builder is installed\n  hint: pip install 'segpp.rtx.'$"),
        (
            (),
            "8.7",
            (
                "no engine builder is installed\n"
                "  hint: pip install 'segpp.tensorrt.' or pip install 'segpp.rtx.'$"
            ),
        ),
        (
            ("tensorrt",),
            None,
            (
                "TensorRT needs a GPU to build, and none answers here\n"
                "  hint: pip install 'segpp.rtx.'$"
            ),
        ),
    ],
)
def test_without_one_that_builds_here_the_way_to_one_is_told(
    machine: Machine, modules: tuple[str, ...], gpu: str | None, told: str
) -> None:
    machine(*modules, gpu=gpu)

    with pytest.raises(MissingError, match=told):
        resolve_builder("auto")


@pytest.mark.parametrize(
    "asked",
    [
        {"timing_cache": Path("a.cache")},
        {"optimization_level": 3},
        {"plugin": Path("libsegpp_plugins.so")},
        {"embed_plugin": True},
        {"version_compatible": True},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_tensorrt_rtx_refuses_what_it_has_no_use_for(asked: dict[str, object]) -> None:
    config = BuildConfig(Path("a.onnx"), Path("a.engine"), **asked)  # type: ignore[arg-type]  # one of them

    with pytest.raises(InputError, match=f"TensorRT-RTX has no use for `{next(iter(asked))}`"):
        TensorRtRtx().check(config)


def test_tensorrt_rtx_takes_no_plugins_and_may_be_told_so() -> None:
    TensorRtRtx().check(BuildConfig(Path("a.onnx"), Path("a.engine"), plugin=NO_PLUGIN))


def test_tensorrt_builds_for_the_gpu_at_hand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from segpp.runtime.build.builders import tensorrt  # noqa: PLC0415 - patched for this test

    monkeypatch.setattr(tensorrt, "gpu_compute_capability", lambda: "8.7")

    assert TensorRt().compute_capabilities(()) == ("8.7",)
    assert TensorRt().compute_capabilities(("8.7",)) == ("8.7",)
    with pytest.raises(InputError, match=r"of compute capability 8\.7, and not for 8\.9"):
        TensorRt().compute_capabilities(("8.9",))


@pytest.mark.parametrize(
    ("version", "dry_run", "told"),
    [
        ("8.6.2", True, "TensorRT 8.6.2 is too old: segpp builds for 10.3"),
        ("10.2.0", True, "TensorRT 10.2.0 is too old"),
        ("10.3.0", False, "no GPU answers here\n  hint: build it on the board"),
    ],
)
def test_an_old_tensorrt_and_a_build_without_a_gpu_are_refused(
    *, monkeypatch: pytest.MonkeyPatch, version: str, dry_run: bool, told: str
) -> None:
    monkeypatch.setattr(TensorRt, "version", lambda _self: version)
    monkeypatch.setattr(
        "segpp.runtime.build.builders.tensorrt.gpu_compute_capability", lambda: None
    )

    with pytest.raises(MissingError, match=told):
        TensorRt().check(BuildConfig(Path("a.onnx"), Path("a.engine"), dry_run=dry_run))


def test_nothing_of_this_loads_a_library() -> None:
    code = (
        "import sys\n"
        "from segpp.runtime.build.choose_builder import resolve_builder\n"
        "from segpp.runtime.build.builders import BUILDERS\n"
        "list(BUILDERS)\n"
        "assert not {'tensorrt', 'tensorrt_rtx'} & sys.modules.keys()\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
