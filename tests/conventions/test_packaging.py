"""What is built is what the tree holds, and it starts where only numpy, pillow and tqdm are.

A build backend can drop the linked folders without a word, so the archives are opened and counted.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from segpp import __version__
from segpp.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("export", "calib", "runtime")
BUILT_FROM = ("src", *LINKED, "pyproject.toml", "README.md", "LICENSE")

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


@dataclass(frozen=True)
class Archives:
    """The two files that a release consists of."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """Build the sdist from a copy of the tree, and the wheel from the sdist."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return Archives(sdist, wheel)


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
    return {
        f"segpp/{file.relative_to(package).as_posix()}"
        for file in files
        if "__pycache__" not in file.parts
    }


@pytest.mark.parametrize("name", LINKED)
def test_the_package_links_to_the_folder_at_the_root(name: str) -> None:
    link = ROOT / "src" / "segpp" / name

    assert link.is_symlink()
    # Relative, or the link would break in every other checkout.
    assert link.readlink() == Path("..", "..", name)


def test_the_wheel_holds_every_file_of_the_package_and_no_other(archives: Archives) -> None:
    with zipfile.ZipFile(archives.wheel) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == files_of_the_tree()
    assert {"segpp/export/reduction/methods/bsm.py", "segpp/py.typed"} <= packed


def test_the_sdist_holds_plain_files_and_no_links(archives: Archives) -> None:
    with tarfile.open(archives.sdist) as sdist:
        members = sdist.getmembers()

    prefix = f"segpp-{__version__}/src/"
    packed = {m.name.removeprefix(prefix) for m in members if m.name.startswith(f"{prefix}segpp/")}
    assert [member.name for member in members if not (member.isfile() or member.isdir())] == []
    assert files_of_the_tree() <= packed


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
    (tmp_path / "b0.pth").write_bytes(b"x")

    done = on(board, "-m", "segpp", "export", str(tmp_path / "b0.pth"), str(tmp_path / "b0.onnx"))

    assert done.returncode == 3
    assert "is not installed\n  hint: pip install 'segpp[export]'" in done.stderr
    assert "Traceback" not in done.stderr


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
