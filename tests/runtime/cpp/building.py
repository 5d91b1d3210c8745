"""The C++ runtime built for tests, with libraries that need no root to come by."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import onnxruntime

from segpp.errors import CheckError
from tests.helpers.debian import unpacked
from tests.trt_plugins.tensorrt.fetch import fingerprint

__all__ = [
    "HERE",
    "RUNTIME",
    "build",
    "flags_of",
    "headers",
    "libraries",
    "onnxruntime_root",
    "options",
]

HERE = Path(__file__).resolve().parent
RUNTIME = HERE.parents[2] / "runtime" / "cpp"

# In no wheel, and stable upward: a program built with those of 1.21 runs with any later library.
_HEADERS = ("libonnxruntime-dev",)
_HEADERS_SHA256 = "c40f16adfa1292698cd50774668810d25110e279e64484de1e3ef2df51a1481e"
_JSON = ("nlohmann-json3-dev",)
_PICTURES = (
    "libjpeg62-turbo",
    "libjpeg62-turbo-dev",
    "libpng-dev",
    "libpng16-16",
    "zlib1g",
    "zlib1g-dev",
)


@cache
def headers() -> Path:
    """Return the folder of ONNX Runtime's C++ headers.

    Raises:
        CheckError: They are not those that were checked.
        MissingError: They cannot be fetched.
    """
    folder = unpacked(_HEADERS, suite="trixie") / "usr" / "include" / "onnxruntime"
    if (found := fingerprint(folder)) != _HEADERS_SHA256:
        raise CheckError("ONNX Runtime's headers are not those that were checked", found)
    return folder


@cache
def libraries(architecture: str | None = None) -> Path:
    """Return the prefix of the other libraries, for this machine or another architecture."""
    return unpacked((*_JSON, *_PICTURES), architecture=architecture) / "usr"


def onnxruntime_root(folder: Path, library: Path | None = None) -> Path:
    """Return ``folder`` with headers and a library as a release of ONNX Runtime has them.

    Args:
        library: Of a wheel; this environment's by default.
    """
    if library is None:
        [library] = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    _link(folder / "include", headers())
    _link(folder / "lib" / "libonnxruntime.so.1", library)
    _link(folder / "lib" / "libonnxruntime.so", Path("libonnxruntime.so.1"))
    return folder


def _link(path: Path, target: Path) -> None:
    """Link to a target, and leave a link alone that does: another process may be using it."""
    if not path.is_symlink() or path.readlink() != target:
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def options() -> list[str]:
    """Return what every configuration for this machine takes."""
    return [
        f"-DCMAKE_PREFIX_PATH={libraries()}",
        *flags_of(libraries(), "x86_64-linux-gnu"),
        "-DSEGPP_WARNINGS_AS_ERRORS=ON",
    ]


def flags_of(prefix: Path, triplet: str) -> list[str]:
    """Return what finds Debian's files of one architecture outside of / (jconfig.h, libz.so.1).

    There compiler and linker look by themselves.
    """
    return [
        f"-DCMAKE_CXX_FLAGS=-isystem {prefix / 'include' / triplet}",
        f"-DCMAKE_EXE_LINKER_FLAGS=-Wl,-rpath-link,{prefix.parent / 'lib' / triplet}",
    ]


def build(
    source: Path, folder: Path, given: Sequence[str], env: Mapping[str, str] | None = None
) -> str:
    """Configure and build; return everything the tools said.

    Raises:
        CheckError: One of them failed.
    """
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure = ["cmake", "-S", str(source), "-B", str(folder), *generator, *given]
    said = ""
    for command in (configure, ["cmake", "--build", str(folder), "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        said += done.stdout + done.stderr
        if done.returncode:
            raise CheckError(" ".join(command), *said.splitlines())
    return said
