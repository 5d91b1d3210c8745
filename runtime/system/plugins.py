"""The plugin library for TensorRT: where it is, and what is here to build it."""

import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LIBRARY", "VARIABLE", "Plugins", "SearchResult", "find_plugins"]

LIBRARY = "libsegpp_plugins.so"

# Names the library's file, wherever it is.
VARIABLE = "SEGPP_PLUGINS"

_PRESETS = ("orin", "thor", "workstation")
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class SearchResult:
    """A file, or where it was looked for in vain.

    Args:
        path: The file, None if it is nowhere.
        looked_in: All that were looked at, in order, the one that is there included.
    """

    path: str | None
    looked_in: tuple[str, ...]


@dataclass(frozen=True)
class Plugins:
    """The library, and what builds it: CUDA's compiler, TensorRT's headers, CMake."""

    library: SearchResult
    compiler: SearchResult
    headers: SearchResult
    cmake: SearchResult

    @property
    def missing_to_build(self) -> tuple[str, ...]:
        """What would have to be installed before the library can be built here."""
        needed = {
            "CUDA's compiler": self.compiler,
            "TensorRT's headers": self.headers,
            "CMake": self.cmake,
        }
        return tuple(name for name, search in needed.items() if search.path is None)


def find_plugins(root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> Plugins:
    """Look for the library and its tools.

    Args:
        root: Where the system's own folders begin.
        environment: The environment's variables; those of this process by default.
    """
    variables = os.environ if environment is None else environment
    return Plugins(
        library=_first(_libraries(root, variables)),
        compiler=_first(_compilers(root, variables)),
        headers=_first(_headers(root, variables)),
        cmake=_first(_on_path("cmake", variables)),
    )


def _first(candidates: Iterable[Path]) -> SearchResult:
    looked: list[str] = []
    for path in candidates:
        if path.is_file():
            return SearchResult(str(path), (*looked, str(path)))
        looked.append(str(path))
    return SearchResult(None, tuple(looked))


def _libraries(root: Path, variables: Mapping[str, str]) -> list[Path]:
    # Whoever names a file means that file and no other.
    if named := variables.get(VARIABLE):
        return [Path(named)]
    folders = [Path(sys.prefix) / "lib", root / "usr/local/lib", root / "usr/lib"]
    if (_CHECKOUT / "trt_plugins" / "CMakeLists.txt").is_file():
        built = _CHECKOUT / "build" / "trt_plugins"
        folders = [*(built / preset for preset in _PRESETS), *folders]
    return [folder / LIBRARY for folder in folders]


def _compilers(root: Path, variables: Mapping[str, str]) -> list[Path]:
    homes = [Path(home) for name in ("CUDA_HOME", "CUDA_PATH") if (home := variables.get(name))]
    named = [home / "bin" / "nvcc" for home in homes]
    return [*named, *_on_path("nvcc", variables), root / "usr/local/cuda/bin/nvcc"]


def _headers(root: Path, variables: Mapping[str, str]) -> list[Path]:
    folders = [Path(named) for named in (variables.get("TENSORRT_INCLUDE_DIR"),) if named]
    if home := variables.get("TENSORRT_ROOT"):
        folders.append(Path(home) / "include")
    folders += [
        root / f"usr/include/{platform.machine()}-linux-gnu",
        root / "usr/include",
        root / "usr/local/tensorrt/include",
        root / "opt/tensorrt/include",
    ]
    return [folder / "NvInferRuntime.h" for folder in folders]


def _on_path(program: str, variables: Mapping[str, str]) -> list[Path]:
    path = shutil.which(program, path=variables.get("PATH", ""))
    return [Path(path)] if path else []
