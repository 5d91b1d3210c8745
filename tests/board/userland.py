"""A Jetson's userland without a Jetson: JetPack 6's Python and libraries on an emulated aarch64.

    python -m tests.board.userland

fetches it into ``build/board``, without root and without changing the machine:

1. The C and C++ libraries of aarch64 and the emulator, from Debian by apt, into lists and a cache
   of their own. apt accepts what Debian has signed.
2. Python 3.10, JetPack 6's, by its Maven coordinates; Debian has none so old, and PyPI no
   interpreter. Its hash stands here.
3. The newest wheels for it, by pip, with the hashes of ``jetpack6.txt``; and the same ONNX Runtime
   for this machine.

It shows what the files and the runtime do there. It has no GPU, and its time means nothing:
emulation is a hundred times slower.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from segpp.errors import CheckError, MissingError, SegppError
from segpp.utils.files import sha256_of
from segpp.utils.progress import step
from tests.helpers.debian import unpacked

__all__ = [
    "ONNXRUNTIME",
    "PYTHON",
    "command",
    "main",
    "onnxruntime_library",
    "own_onnxruntime",
    "place",
    "python",
    "root",
    "run",
    "site",
    "wheels",
]

ONNXRUNTIME = "1.23.2"
PYTHON = "3.10"

_ROOT = Path(__file__).resolve().parents[2]
_HOME = _ROOT / "build" / "board"
_REQUIREMENTS = Path(__file__).with_name("jetpack6.txt")
_OWN_REQUIREMENTS = Path(__file__).with_name("onnxruntime_x86.txt")

_LIBRARIES = ("libbz2-1.0", "libc6", "libgcc-s1", "libstdc++6", "zlib1g")
_EMULATOR = "qemu-user-static"
# Orin's cores are Cortex-A78AE, which QEMU 7.2 does not know; this one has the same instructions
# for products of integers and of halves.
_CPU = "cortex-a76"

_JAR = "org.bytedeco:cpython:3.10.8-1.5.8:jar:linux-arm64"
_JAR_SHA256 = "b14738d971f43bcb7e74242980d0a621c4464b9a7f1294d22c17f9186b32db09"
_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:get"
_IN_JAR = "org/bytedeco/cpython/linux-arm64"

_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
_MADE = "made.json"
# Raised when the same packages are laid out otherwise.
_FORM = 1


def root() -> Path:
    """Return the root folder of the board: its libraries and Python, by the paths that it has.

    Raises:
        CheckError: A registry gave other bytes than expected.
        MissingError: A tool or a registry is missing.
    """
    return place() / "root"


def site() -> Path:
    """Return the folder of the board's Python packages, for PYTHONPATH."""
    return place() / "site"


def wheels() -> Path:
    """Return the folder of the same packages as wheels, for pip."""
    return place() / "wheels"


def python() -> Path:
    """Return the board's interpreter, for ``run``."""
    return root() / "opt" / "python" / "bin" / f"python{PYTHON}"


def onnxruntime_library() -> Path:
    """Return ONNX Runtime's shared library for the board."""
    return site() / "onnxruntime" / "capi" / f"libonnxruntime.so.{ONNXRUNTIME}"


def own_onnxruntime() -> Path:
    """Return the folder of the board's version of ONNX Runtime for this machine."""
    return place() / "own"


def run(
    argv: Sequence[object],
    env: Mapping[str, str] | None = None,
    *,
    cwd: Path | None = None,
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a program of the board; the first of ``argv`` is its path on this machine.

    Args:
        env: What it finds in its environment, besides the path and one thread for each library.
    """
    base = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*argv),
        env={**base, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def command(*argv: object) -> list[str]:
    """Return the words by which this machine runs a program of the board."""
    return [str(word) for word in (place() / "emulator", "-cpu", _CPU, "-L", root(), *argv)]


def place() -> Path:
    """Return the folder of all of it; fetch it first if it is not there whole, as described."""
    with FileLock(_locked(_HOME)):
        if not _is_made(_HOME):
            with _scratch(_HOME) as folder:
                _make(folder)
                shutil.rmtree(_HOME, ignore_errors=True)
                folder.rename(_HOME)
    return _HOME


def _make(folder: Path) -> None:
    with step("fetching the board's C and C++ libraries"):
        libraries = unpacked(_LIBRARIES, architecture="arm64", whole=True)
        shutil.copytree(libraries, folder / "root", symlinks=True)
    with step("fetching the emulator"):
        # One for every processor is in it.
        emulators = unpacked((_EMULATOR,)) / "usr" / "bin"
        shutil.copy2(emulators / "qemu-aarch64-static", folder / "emulator")
    with step(f"fetching the board's Python {PYTHON}"):
        _interpreter(folder / "root" / "opt" / "python")
    with step("fetching the board's Python packages"):
        _packages(folder / "wheels", folder / "site")
        _own_packages(folder / "own")
    (folder / _MADE).write_text(json.dumps(_recipe()))


def _recipe() -> str:
    """Return a hash over what decides what is fetched."""
    named = repr((_FORM, _LIBRARIES, _EMULATOR, _JAR_SHA256)).encode()
    listed = _REQUIREMENTS.read_bytes() + _OWN_REQUIREMENTS.read_bytes()
    return hashlib.sha256(named + listed).hexdigest()


def _is_made(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _MADE).read_text()) == _recipe())
    except (OSError, ValueError):
        return False


def _locked(home: Path) -> Path:
    home.parent.mkdir(parents=True, exist_ok=True)
    return home.parent / f".{home.name}.lock"


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    with TemporaryDirectory(prefix=f".{home.name}.", dir=home.parent) as name:
        inside = Path(name) / "board"
        inside.mkdir()
        yield inside


def _interpreter(into: Path) -> None:
    with TemporaryDirectory(dir=into.parents[1].parent) as repository:
        command = ("--batch-mode", "--quiet", _GET, f"-Dartifact={_JAR}", "-Dtransitive=false")
        hint = "apt install maven brings it, with Java"
        _tool("mvn", *command, f"-Dmaven.repo.local={repository}", hint=hint)
        [jar] = Path(repository).rglob("cpython-*-linux-arm64.jar")
        if (found := sha256_of(jar)) != _JAR_SHA256:
            raise CheckError(f"{_JAR} is not what was checked", f"its SHA-256 is {found}")
        _unzip_folder(jar, _IN_JAR, into)
    (into / "bin" / f"python{PYTHON}").chmod(0o755)
    # Older than any that Debian has, and looked for where the system's libraries are.
    shutil.move(into / "libffi.so.6", into.parents[1] / "usr" / "lib" / "aarch64-linux-gnu")


def _unzip_folder(archive: Path, inner: str, into: Path) -> None:
    with TemporaryDirectory(dir=into.parents[1].parent) as name, zipfile.ZipFile(archive) as file:
        file.extractall(name, [n for n in file.namelist() if n.startswith(f"{inner}/")])
        into.parent.mkdir(parents=True, exist_ok=True)
        (Path(name) / inner).rename(into)


def _packages(wheels: Path, site: Path) -> None:
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet"]
    for platform in _PLATFORMS:
        options += ["--platform", platform]
    version = ("--implementation", "cp", "--python-version", PYTHON)
    download = ("-m", "pip", "download", *options, *version, "--dest", wheels)
    _tool(sys.executable, *download, "--requirement", _REQUIREMENTS)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(site)


def _own_packages(into: Path) -> None:
    options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet", "--no-compile")
    install = ("-m", "pip", "install", *options, "--target", into)
    _tool(sys.executable, *install, "--requirement", _OWN_REQUIREMENTS)


def _tool(program: str, *arguments: object, hint: str | None = None) -> None:
    if shutil.which(program) is None:
        raise MissingError(f"{program} is not installed", hint=hint)
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise MissingError(f"{program} ended with {done.returncode}", *said)


def main() -> int:
    """Fetch what is missing, and print where it is."""
    try:
        print(place())  # noqa: T201 - the result
    except SegppError as failure:
        print(f"error: {failure}", file=sys.stderr)  # noqa: T201 - the command's own message
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
