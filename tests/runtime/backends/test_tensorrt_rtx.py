"""tensorrt-rtx as a backend: what loads it, and what keeps it unloaded."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.runtime.backends.base import BACKENDS
from segpp.runtime.system.packages import is_installed
from tests.helpers.tiny_networks import network

__all__ = ["network"]

LOADED = """
import sys
from segpp.cli import main
code = main(sys.argv[1:])
print("loaded:", *sorted(sys.modules.keys() & {"tensorrt", "tensorrt_rtx", "cuda"}))
sys.exit(code)
"""


def loaded_by(*arguments: object) -> str:
    command = [sys.executable, "-c", LOADED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()[-1]


@pytest.mark.skipif(not is_installed("tensorrt_rtx"), reason="nothing there that could be loaded")
@pytest.mark.parametrize("command", ["run", "bench", "eval"])
def test_an_onnx_file_never_touches_a_library_of_engines(
    command: str, network: Callable[..., Path], tmp_path: Path
) -> None:
    from PIL import Image  # noqa: PLC0415 - for this alone

    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        Image.new("RGB" if name == "images" else "L", (64, 32)).save(tmp_path / name / "a.png")
    rest = {
        "run": [tmp_path / "images" / "a.png", "--out", tmp_path / "o.png"],
        "bench": ["--iterations", 1, "--warmup", 0],
        "eval": ["--dataset", tmp_path],
    }

    assert loaded_by(command, network(), *rest[command]) == "loaded:"


def test_neither_library_is_looked_for_when_backends_are_listed() -> None:
    code = (
        "import sys\nfrom segpp.runtime.backends.base import BACKENDS\nlist(BACKENDS)\n"
        "print(*sorted(sys.modules.keys() & {'tensorrt', 'tensorrt_rtx', 'cuda', 'onnxruntime'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


def test_it_is_the_library_of_the_builder_of_its_name() -> None:
    from segpp.runtime.build.builders import BUILDERS  # noqa: PLC0415 - for this alone

    spec, builder = BACKENDS["tensorrt-rtx"], BUILDERS["tensorrt-rtx"]

    assert (spec.module, spec.extra) == (builder.module, builder.extra)
    assert set(spec.distributions) == set(builder.distributions)
