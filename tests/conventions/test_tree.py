"""Ratchets on the tree: folders stay small enough to read, private modules stay private."""

import ast
import subprocess
from collections import defaultdict
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("src", "export", "calib", "runtime", "trt_plugins", "tests", "benchmarks", "examples")
PACKAGES = ("src/segpp", "export", "calib", "runtime")
MOST_ENTRIES = 12
# Data, not rooms: one file per picture or result.
LISTS = {"examples/street_scenes/images", "examples/street_scenes/labels"}


def tracked() -> list[PurePosixPath]:
    """Return the files of the repository, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout, so there is no list of its files")
    names = done.stdout.decode().split("\0")
    return [PurePosixPath(name) for name in names if name and (ROOT / name).exists()]


def entries_of_folders() -> dict[str, set[str]]:
    """Return what lies in every folder of code; links and a package's own file do not count."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in tracked():
        if path.parts[0] not in CODE or (ROOT / path).is_symlink() or path.name == "__init__.py":
            continue
        for child in (path, *path.parents):
            if child.parent != child:
                found[child.parent.as_posix()].add(child.name)
    return {folder: names for folder, names in found.items() if folder not in {".", *LISTS}}


def package_modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in tracked():
        if path.suffix == ".py" and path.as_posix().startswith(tuple(f"{p}/" for p in PACKAGES)):
            inside = path.relative_to("src/segpp") if path.parts[0] == "src" else path
            parts = [part for part in inside.with_suffix("").parts if part != "__init__"]
            found[".".join(["segpp", *parts])] = ROOT / path
    return found


def imported(path: Path) -> set[str]:
    """Return every module of segpp that a file imports, and what it imports from one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.partition(".")[0] == "segpp"}


def is_private_to_another(name: str, user: str, modules: dict[str, Path]) -> bool:
    """Return whether ``name`` is a module behind an underscore in a package without ``user``."""
    parts = name.split(".")
    for depth, part in enumerate(parts):
        module, package = ".".join(parts[: depth + 1]), ".".join(parts[:depth])
        hidden = part.startswith("_") and not part.startswith("__") and module in modules
        if hidden and not (user == package or user.startswith(f"{package}.")):
            return True
    return False


def test_no_folder_has_more_entries_than_one_can_take_in() -> None:
    wide = {
        folder: len(names)
        for folder, names in entries_of_folders().items()
        if len(names) > MOST_ENTRIES
    }

    assert wide == {}


def test_nobody_imports_what_another_package_keeps_to_itself() -> None:
    modules = package_modules()

    reached = {
        (user, name)
        for user, path in modules.items()
        for name in imported(path)
        if is_private_to_another(name, user, modules)
    }

    assert reached == set()


def test_the_ratchets_look_at_the_whole_tree() -> None:
    """A moved folder would make them pass on nothing."""
    assert {"export", "runtime", "src/segpp", "trt_plugins"} <= entries_of_folders().keys()
    assert {"segpp.cli", "segpp.export.pipeline", "segpp.runtime.build"} <= package_modules().keys()


@pytest.mark.parametrize(
    ("name", "user", "private"),
    [
        ("segpp.a._b", "segpp.a.c", False),
        ("segpp.a._b", "segpp.a", False),
        ("segpp.a._b", "segpp.c", True),
        ("segpp.a._b.name", "segpp.c", True),
        ("segpp.a.b", "segpp.c", False),
        ("segpp.a.__version__", "segpp.c", False),
    ],
)
def test_a_reach_into_another_package_is_seen(name: str, user: str, private: bool) -> None:  # noqa: FBT001 - a case
    modules = dict.fromkeys(["segpp.a", "segpp.a._b", "segpp.a.b", "segpp.c"], Path())

    assert is_private_to_another(name, user, modules) is private
