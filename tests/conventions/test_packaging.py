"""What is built is what the tree holds, and it starts where only numpy, pillow and tqdm are.

A build can lose the folders at the root without a word, because src/segpp only links to them and
some checkouts have no links. So the archives are opened and counted, with links and without.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable
from configparser import ConfigParser
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from segpp import __version__
from segpp.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("export", "calib", "runtime", "train")
# Sources for a compiler: nothing that an installed package could run.
IN_CPP = "segpp/runtime/cpp/"
BUILT_FROM = (
    "src",
    *LINKED,
    "trt_plugins",
    "docs",
    *("pyproject.toml", "setup.py", "MANIFEST.in"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
)

# Raises for every package that a board does not have, whatever this environment holds.
BARE_MACHINE = """
import sys

HERE = {"segpp", "numpy", "PIL", "tqdm", *sys.stdlib_module_names}


class Missing:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in HERE:
            raise ModuleNotFoundError(f"No module named {root!r}", name=root)


sys.meta_path.insert(0, Missing())
"""


# The hook by which pip makes an editable install.
BUILD_EDITABLE = """
import sys
from setuptools.build_meta import build_editable

build_editable(sys.argv[1])
"""

# A Python that has the packages of this one, and the editable install in place of another's.
WHERE_MODULES_COME_FROM = """
import importlib.util, json, site, sys

packages, editable, *modules = sys.argv[1:]
# First: the packages of this Python may hold an editable install of their own, of the same name.
sys.path[:0] = [editable]
sys.path.append(packages)
site.addsitedir(editable)
found = {name: importlib.util.find_spec(name) for name in modules}
print(json.dumps({name: spec and spec.origin for name, spec in found.items()}))
"""


@dataclass(frozen=True)
class Archives:
    """The two files that a release consists of."""

    sdist: Path
    wheel: Path


def copy_of_the_tree(tree: Path) -> Path:
    """Copy what a release is built from; links stay links."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def build(tree: Path, out: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "build", "--no-isolation", *options]
    command += ["--outdir", str(out), str(tree)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def built(tree: Path, out: Path) -> Archives:
    """Build the sdist from a tree, and the wheel from the sdist."""
    done = build(tree, out)
    assert done.returncode == 0, done.stdout + done.stderr
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return Archives(sdist, wheel)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """Build both archives from a copy of the tree."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("tree"))
    return built(tree, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unlinked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout by a git that makes no links: it writes a small file in place of each."""
    origin = copy_of_the_tree(tmp_path_factory.mktemp("origin"))
    tree = tmp_path_factory.mktemp("unlinked") / "segpp"
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for command in (
        ["init", "--quiet", str(origin)],
        ["-C", str(origin), "add", "--all"],
        ["-C", str(origin), *author, "commit", "--quiet", "--no-gpg-sign", "--message", "Tree"],
        ["-c", "core.symlinks=false", "clone", "--quiet", str(origin), str(tree)],
    ):
        subprocess.run(["git", *command], check=True)
    return tree


@pytest.fixture(scope="module")
def board(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine that has the wheel, numpy, pillow and tqdm, and no more."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(archives.wheel) as wheel:
        wheel.extractall(site)  # noqa: S202 - built a moment ago
    (site / "sitecustomize.py").write_text(BARE_MACHINE)
    return {**os.environ, "PYTHONPATH": str(site)}


def on(board: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=board, capture_output=True, text=True, check=False)


def files_of_the_tree() -> set[str]:
    package = ROOT / "src" / "segpp"
    folders = os.walk(package, followlinks=True)
    files = (Path(folder, name) for folder, _, names in folders for name in names)
    named = {
        f"segpp/{file.relative_to(package).as_posix()}"
        for file in files
        if "__pycache__" not in file.parts
    }
    return {name for name in named if not name.startswith(IN_CPP)}


@pytest.mark.parametrize("name", LINKED)
def test_the_package_links_to_the_folder_at_the_root(name: str) -> None:
    link = ROOT / "src" / "segpp" / name

    assert link.is_symlink()
    # Relative, or the link would break in every other checkout.
    assert link.readlink() == Path("..", "..", name)


def packed_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def members_of(sdist: Path) -> dict[str, tarfile.TarInfo]:
    prefix = f"segpp-{__version__}/"
    with tarfile.open(sdist) as archive:
        return {member.name.removeprefix(prefix): member for member in archive.getmembers()}


def place_in_the_sdist(name: str) -> str:
    """Return where a file of the package lies: at the root if its folder does, else in src."""
    inner = name.removeprefix("segpp/")
    return inner if inner.partition("/")[0] in LINKED else f"src/{name}"


def test_the_wheel_holds_every_file_of_the_package_and_no_other(archives: Archives) -> None:
    packed = packed_in(archives.wheel)

    assert packed == files_of_the_tree()
    assert {"segpp/export/reduction/methods/bsm.py", "segpp/py.typed"} <= packed


def test_the_sdist_holds_each_file_of_the_package_once_and_no_links(archives: Archives) -> None:
    members = members_of(archives.sdist)

    assert [name for name, it in members.items() if not (it.isfile() or it.isdir())] == []
    assert {place_in_the_sdist(name) for name in files_of_the_tree()} <= members.keys()
    assert not [name for name in members if name.startswith(f"src/segpp/{LINKED[0]}")]


def test_the_sdist_holds_every_file_of_the_plugins(archives: Archives) -> None:
    files = (path for path in (ROOT / "trt_plugins").rglob("*") if path.is_file())

    assert {path.relative_to(ROOT).as_posix() for path in files} <= members_of(
        archives.sdist
    ).keys()


def test_the_sdist_alone_holds_every_file_of_the_runtime_in_cpp(archives: Archives) -> None:
    files = [path for path in (ROOT / "runtime" / "cpp").rglob("*") if path.is_file()]

    assert len(files) > 10
    assert {path.relative_to(ROOT).as_posix() for path in files} <= members_of(
        archives.sdist
    ).keys()
    assert [name for name in packed_in(archives.wheel) if name.startswith(IN_CPP)] == []


def test_the_sdist_holds_the_documents_and_no_tests(archives: Archives) -> None:
    members = members_of(archives.sdist)

    assert {"CHANGELOG.md", "docs/kernels.md", "trt_plugins/README.md"} <= members.keys()
    assert [name for name in members if name.startswith("tests/")] == []


def test_a_checkout_without_links_has_a_file_in_place_of_each(unlinked: Path) -> None:
    """Else the tests below would prove nothing."""
    for name in LINKED:
        link = unlinked / "src" / "segpp" / name
        assert not link.is_symlink()
        assert link.read_text() == f"../../{name}"


def test_a_checkout_without_links_builds_the_same_archives(
    unlinked: Path, archives: Archives, tmp_path: Path
) -> None:
    others = built(unlinked, tmp_path)

    assert packed_in(others.wheel) == files_of_the_tree()
    assert members_of(others.sdist).keys() == members_of(archives.sdist).keys()


def test_a_checkout_without_links_builds_the_same_wheel_with_no_sdist_between(
    unlinked: Path, tmp_path: Path
) -> None:
    done = build(unlinked, tmp_path, "--wheel")

    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    assert packed_in(wheel) == files_of_the_tree()


def test_an_editable_install_without_links_finds_every_module(
    unlinked: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", BUILD_EDITABLE, str(tmp_path)],
        cwd=unlinked, env=_without_python_path(), check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)  # noqa: S202 - built a moment ago

    origins = _origins_of(tmp_path, modules_of_the_tree())

    assert origins == {
        name: str(unlinked / place_in_the_sdist(file))
        for name, file in modules_of_the_tree().items()
    }


@pytest.mark.parametrize("name", LINKED)
def test_a_build_without_a_folder_stops_and_says_so(tmp_path: Path, name: str) -> None:
    tree = copy_of_the_tree(tmp_path / "tree")
    shutil.rmtree(tree / name)

    done = build(tree, tmp_path / "dist", "--wheel")

    assert done.returncode != 0
    assert f"segpp cannot be built without its folder {name}/" in done.stdout + done.stderr
    assert list(tmp_path.rglob("*.whl")) == []


def test_the_release_carries_its_licence(archives: Archives) -> None:
    with zipfile.ZipFile(archives.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith("/LICENSE")]

        assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_version_of_the_files_is_the_one_the_code_tells(archives: Archives) -> None:
    assert archives.wheel.name == f"segpp-{__version__}-py3-none-any.whl"


def test_every_verb_is_a_command_and_every_command_a_verb(
    archives: Archives, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = _commands(archives.wheel)

    assert set(commands) == {"segpp", *(f"segpp-{verb}" for verb in VERBS)}
    for name, target in commands.items():
        module, _, function = target.partition(":")
        monkeypatch.setattr(sys, "argv", [name, "--help"])
        _call_for_help(getattr(import_module(module), function))
        assert capsys.readouterr().out.startswith(f"usage: {name} ")


def test_the_board_runs_the_wheel_and_not_the_checkout(board: dict[str, str]) -> None:
    done = on(board, "-c", "import segpp; print(segpp.__file__)")

    assert done.stdout.strip() == str(Path(board["PYTHONPATH"], "segpp", "__init__.py"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_screen_works_on_a_bare_board(board: dict[str, str], verb: str) -> None:
    done = on(board, "-m", "segpp", verb, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: segpp-{verb} ")


def test_the_overview_works_on_a_bare_board(board: dict[str, str]) -> None:
    done = on(board, "-m", "segpp", "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"segpp {verb}" in done.stdout for verb in VERBS)


def test_a_bare_board_is_told_what_an_export_needs(board: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "b0.pth").write_bytes(b"PK\x03\x04")

    done = on(board, "-m", "segpp", "export", str(tmp_path / "b0.pth"), str(tmp_path / "b0.onnx"))

    assert done.returncode == 3
    assert "is not installed\n  hint: pip install 'segpp[export]'" in done.stderr
    assert "Traceback" not in done.stderr


def modules_of_the_tree() -> dict[str, str]:
    """Return the file of every module by the module's name, without those that run when loaded."""
    files = (name for name in files_of_the_tree() if name.endswith(".py"))
    return {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name
        for name in files
        if not name.endswith("/__main__.py")
    }


def _without_python_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _origins_of(editable: Path, modules: Iterable[str]) -> dict[str, str | None]:
    """Return the file that each module would be loaded from, by the editable install alone."""
    command = [sys.executable, "-I", "-S", "-c", WHERE_MODULES_COME_FROM]
    command += [sysconfig.get_path("purelib"), str(editable), *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    origins: dict[str, str | None] = json.loads(done.stdout)
    return origins


def _commands(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        parser = ConfigParser()
        parser.read_string(archive.read(name).decode())
    return dict(parser["console_scripts"])


def _call_for_help(command: object) -> None:
    assert callable(command)
    try:
        code = command()
    except SystemExit as ended:
        code = ended.code
    assert code == 0
