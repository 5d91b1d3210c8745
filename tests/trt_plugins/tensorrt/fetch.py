"""The real TensorRT for the tests, fetched into a cache by the registries' own tools.

    python -m tests.trt_plugins.tensorrt.fetch [PART …]

Libraries come by Maven coordinates, Python bindings and CUDA as wheels, TensorRT's headers in a
crate. All of it is NVIDIA's, under NVIDIA's terms: for tests on this machine, never
to be committed or passed on. A part is there whole or not at all, and only if its bytes are those
that were checked when this was written.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from segpp.errors import CheckError, MissingError, SegppError
from segpp.utils.choices import check_choice
from segpp.utils.progress import step

__all__ = ["NAMES", "TENSORRT", "Part", "cache", "fingerprint", "main", "part", "place"]

TENSORRT = "10.15.1"

_JAR = "org.bytedeco:tensorrt:10.15-1.5.13:jar:linux-x86_64-redist"
_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:get"
_LIBRARIES = ("libnvinfer.so.10", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10")
_SIZES = "sizes.json"


@dataclass(frozen=True)
class Part:
    """A folder of files that belong together.

    Args:
        name: The folder's name.
        what: The same in words, for progress.
        digest: What ``fingerprint`` says of the folder.
        fetch: Fills an empty folder.
    """

    name: str
    what: str
    digest: str
    fetch: Callable[[Path], None]


def cache() -> Path:
    """Return the folder of everything that is fetched for tests."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "segpp" / "tensorrt"


def place(one: Part) -> Path:
    """Return the folder of a part; fetch it first if it is not there.

    Raises:
        CheckError: The registry gave other bytes than expected.
        MissingError: A tool, or a wheel for this Python, is missing.
    """
    folder = cache() / one.name
    if _is_whole(folder, one):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with step(f"fetching {one.what}"), _scratch(folder) as part_folder:
        one.fetch(part_folder)
        found = fingerprint(part_folder)
        if found != one.digest:
            raise CheckError(
                f"the {one.what} are not those that were checked",
                f"expected: {one.digest}",
                f"found:    {found}",
            )
        (part_folder / _SIZES).write_text(json.dumps(_sizes(part_folder) | {"": one.digest}))
        shutil.rmtree(folder, ignore_errors=True)
        part_folder.rename(folder)
    return folder


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 over the names and the contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            inner = hashlib.sha256()
            while chunk := file.read(1 << 20):
                inner.update(chunk)
        digest.update(inner.digest())
    return digest.hexdigest()


def _is_whole(folder: Path, one: Part) -> bool:
    try:
        expected = json.loads((folder / _SIZES).read_text())
    except (OSError, ValueError):
        return False
    # Hashing all of it would take seconds at every start; a cut or missing file shows in sizes.
    return bool(expected == _sizes(folder) | {"": one.digest})


def _sizes(folder: Path) -> dict[str, int | str]:
    files = (path for path in _files(folder) if path.name != _SIZES)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        inside = Path(name) / "part"
        inside.mkdir()
        yield inside


def _run(command: Sequence[str], hint: str, folder: Path | None = None) -> str:
    if shutil.which(command[0]) is None:
        raise MissingError(f"{command[0]} is not installed", hint=hint)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise MissingError(f"{command[0]} ended with {done.returncode}", *said)
    return done.stdout


def _libraries(folder: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MissingError(f"no TensorRT {TENSORRT} is fetched for {platform.platform()}")
    with TemporaryDirectory(dir=folder.parent) as repository:
        command = ("mvn", "--batch-mode", "--quiet", _GET, f"-Dartifact={_JAR}")
        options = ("-Dtransitive=false", f"-Dmaven.repo.local={repository}")
        _run((*command, *options), "apt install maven brings it, with Java")
        [jar] = Path(repository).rglob("tensorrt-*-redist.jar")
        with zipfile.ZipFile(jar) as archive:
            for library in _LIBRARIES:
                inner = f"org/bytedeco/tensorrt/linux-x86_64/{library}"
                with archive.open(inner) as source, (folder / library).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)


def _headers(crate: str, inner: str) -> Callable[[Path], None]:
    """Copy the folder ``inner`` out of a version of the crate ``trtx-sys``."""

    def fetch(folder: Path) -> None:
        with TemporaryDirectory(dir=folder.parent) as name:
            project = Path(name)
            (project / "lib.rs").touch()
            (project / "Cargo.toml").write_text(
                '[package]\nname = "headers"\nversion = "0.0.0"\nedition = "2021"\n'
                '[lib]\npath = "lib.rs"\n'
                f'[dependencies]\ntrtx-sys = "={crate}"\n'
            )
            command = ("cargo", "metadata", "--format-version", "1", "--quiet")
            found = json.loads(_run(command, "it comes with Rust (rustup)", project))
            [manifest] = (
                Path(item["manifest_path"])
                for item in found["packages"]
                if item["name"] == "trtx-sys"
            )
            shutil.copytree(
                manifest.parent / "TensorRT-Headers" / inner, folder, dirs_exist_ok=True
            )

    return fetch


def _wheels(
    *requirements: str, inner: str = "", platform: str | None = None
) -> Callable[[Path], None]:
    """Install wheels, for this machine or a platform, and keep the folder ``inner`` of them."""
    other = () if platform is None else ("--platform", platform)

    def fetch(folder: Path) -> None:
        with TemporaryDirectory(dir=folder.parent) as name:
            options = ("--no-deps", "--only-binary=:all:", "--no-compile", "--quiet")
            command = (sys.executable, "-m", "pip", "install", *options, *other, "--target", name)
            _run((*command, *requirements), "pip belongs to Python")
            shutil.copytree(Path(name) / inner, folder / inner)

    return fetch


# Of the bindings there is one wheel for each Python.
_BINDINGS = {
    "cp310": "6d80b94bda9476823af98d04263e12db52085ed8138cdd81256f08ed8912ea06",
    "cp311": "89ca017138275f71587d3863ac68b4463a49a53bddad00a01d4c09f8672977eb",
    "cp312": "f44defe9303ae776c2f33b49cfa22acc789a0ef49aec1c01edfb480bb7fba7cd",
    "cp313": "ad3211f6c405e35d3594b1f92a4a8ccdd354970ba72a47fe6a307b47ab9afab7",
}


def _bindings() -> Part:
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if tag not in _BINDINGS:
        raise MissingError(
            f"TensorRT {TENSORRT} has no bindings for Python {platform.python_version()}",
            f"it has them for: {', '.join(_BINDINGS)}",
            hint="make PYTHON=python3.12 test-tensorrt, in a checkout without .venv",
        )
    return Part(
        f"bindings-{TENSORRT}-{tag}",
        f"Python bindings of TensorRT {TENSORRT}",
        _BINDINGS[tag],
        _wheels(f"tensorrt-cu13-bindings=={TENSORRT}.29", inner="tensorrt_bindings"),
    )


_CUDA = "nvidia/cu13"
_CUDA_RUNTIME = "nvidia-cuda-runtime==13.0.96"
_CUDA_WHEELS = (
    _CUDA_RUNTIME,
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-cccl==13.0.85",
    # Of these there is no 13.0; they read what it writes.
    "nvidia-cuda-cuobjdump==13.5.37",
    "nvidia-cuda-nvdisasm==13.5.37",
)

_PARTS = {
    "libraries": Part(
        f"libraries-{TENSORRT}",
        f"libraries of TensorRT {TENSORRT}",
        "0c5e0c2ff513011394805f6ac1b58abd73f7975586f02acf779766998560137c",
        _libraries,
    ),
    "headers-10": Part(
        "headers-10.16",
        "headers of TensorRT 10.16",
        "358bd1175a2ccb274307db96444b3c3370423cde4213790e8a69674b76d133ff",
        _headers("0.4.0", "TRT-Enterprise-10.16"),
    ),
    "headers-11": Part(
        "headers-11.4",
        "headers of TensorRT 11.4",
        "3b1a4539e4d3a3832e862a3d62e8da63fd5f23bee126f086888a861d0fc0b90a",
        _headers("0.9.1+rtx1.7", "TRT-Enterprise-11.4"),
    ),
    "toolkit": Part(
        "cuda-toolkit-13.0",
        "toolkit of CUDA 13.0",
        "32d341b50c163e5c57234549bad25caf8eda1843d87108842bab7aca4516e36a",
        _wheels(*_CUDA_WHEELS, inner=_CUDA),
    ),
    # For boards since JetPack 7; the compiler is that of the toolkit.
    "board-cuda": Part(
        "cuda-aarch64-13.0",
        "libraries of CUDA 13.0 for aarch64",
        "d9ccb49811d19a6fa37a7ff514e3bf5f2b400f57648238b83c94b923f0fed055",
        _wheels(_CUDA_RUNTIME, inner=_CUDA, platform="manylinux2014_aarch64"),
    ),
}


def part(name: str) -> Path:
    """Return the folder of the part called ``name``; see ``NAMES``."""
    if name == "bindings":
        return place(_bindings())
    folder = place(_PARTS[name])
    return folder / _CUDA if name in ("toolkit", "board-cuda") else folder


NAMES = ("bindings", *_PARTS)


def main(names: Sequence[str]) -> int:
    """Fetch what is missing of the parts called ``names``, all by default; print where they are."""
    try:
        for name in names or NAMES:
            check_choice(name, NAMES, kind="part")
            print(part(name))  # noqa: T201 - the result
    except SegppError as failure:
        print(f"error: {failure}", file=sys.stderr)  # noqa: T201 - the command's own message
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
