"""The real TensorRT for the tests, fetched into a cache by the registries' own tools.

    python -m tests.tensorrt.fetch

Libraries come by Maven coordinates, Python bindings and CUDA's headers as wheels, TensorRT's
headers in a crate. All of it is NVIDIA's, under NVIDIA's terms: for tests on this machine, never
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
from segpp.progress import step

__all__ = ["TENSORRT", "Part", "cache", "fingerprint", "main", "part", "place"]

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


def _wheels(*requirements: str, strip: str = "") -> Callable[[Path], None]:
    """Unpack wheels for this Python, or the folder ``strip`` of theirs."""

    def fetch(folder: Path) -> None:
        with TemporaryDirectory(dir=folder.parent) as name:
            options = ("--no-deps", "--only-binary=:all:", "--quiet", "--dest", name)
            command = (sys.executable, "-m", "pip", "download", *options, *requirements)
            _run(command, "pip belongs to Python")
            unpacked = Path(name) / "unpacked"
            for wheel in Path(name).glob("*.whl"):
                zipfile.ZipFile(wheel).extractall(unpacked)
            shutil.copytree(unpacked / strip, folder, dirs_exist_ok=True)

    return fetch


# Of the bindings there is one wheel for each Python.
_BINDINGS = {
    "cp310": "78b49c184b26bab45143b245f614de790d8dca9d464424e5592cc34d078bf0a7",
    "cp311": "d52ac7fbc32e3e80b23c47bde3141191a2d489ab976048d3e3d21187c3a8a3e0",
    "cp312": "9d733464b6d56e8b4da0b632b64b57c3bbc14f45a73e88a04e8740b4dd335277",
    "cp313": "be0e668108cb6dd75ce18cbad8a3b5bd7e0325bf2a361f9047c255612ee147b7",
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
        _wheels(f"tensorrt-cu13-bindings=={TENSORRT}.29"),
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
    "cuda": Part(
        "cuda-headers-13.0",
        "headers of CUDA 13.0",
        "f9d6089052c7e9d124a0fdc1e20300e1e45d8b73baf27dd99c1c89d732fc948b",
        _wheels(
            "nvidia-cuda-runtime==13.0.96",
            "nvidia-cuda-crt==13.0.88",
            strip="nvidia/cu13/include",
        ),
    ),
}


def part(name: str) -> Path:
    """Return the folder of the part called ``name``: libraries, bindings, headers-10, … or cuda."""
    return place(_bindings() if name == "bindings" else _PARTS[name])


def main() -> int:
    """Fetch what is missing; print where everything is."""
    try:
        for name in ("bindings", *_PARTS):
            print(part(name))  # noqa: T201 - the result
    except SegppError as failure:
        print(f"error: {failure}", file=sys.stderr)  # noqa: T201 - the command's own message
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
