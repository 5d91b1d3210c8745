"""Ratchets on the tree: folders stay small enough to read, private modules stay private."""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.conventions.source import imported_by_call

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("src/segpp", "export", "calib", "runtime", "train")
MOST_ENTRIES = 12
# Data, not rooms: one file per picture or result; and the pages, which the README lists.
LISTS = {"docs", "docs/results", "examples/street_scenes/images", "examples/street_scenes/labels"}
# What uses the package from outside, and could reach into it all the same.
USERS = ("benchmarks", "examples")


def tracked() -> list[PurePosixPath]:
    """Return the files of the repository, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout, so there is no list of its files")
    names = done.stdout.decode().split("\0")
    return [PurePosixPath(name) for name in names if name and (ROOT / name).exists()]


def entries_of_folders() -> dict[str, set[str]]:
    """Return what lies in every folder.

    Links to folders and a package's own file do not count, nor do files at the root, where tools
    look for theirs.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in tracked():
        is_second_door = (ROOT / path).is_symlink() and (ROOT / path).is_dir()
        if is_second_door or path.name == "__init__.py":
            continue
        for child in (path, *path.parents):
            if child.parent != child and not (child == path and len(path.parts) == 1):
                found[child.parent.as_posix()].add(child.name)
    return {folder: names for folder, names in found.items() if folder not in LISTS}


def package_modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in tracked():
        if path.suffix == ".py" and path.as_posix().startswith(tuple(f"{p}/" for p in PACKAGES)):
            inside = path.relative_to("src/segpp") if path.parts[0] == "src" else path
            parts = [part for part in inside.with_suffix("").parts if part != "__init__"]
            found[".".join(["segpp", *parts])] = ROOT / path
    return found


def outside_modules() -> dict[str, Path]:
    """Return every module of the folders that use the package, by its dotted name."""
    return {
        ".".join(path.with_suffix("").parts): ROOT / path
        for path in tracked()
        if path.suffix == ".py" and path.parts[0] in USERS
    }


def reached(source: str) -> set[str]:
    """Return every module of segpp that a file imports, and what it takes from one."""
    tree = ast.parse(source)
    bound = dict(bindings(tree))
    found = {*bound.values(), *imported_by_call(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            found.add(".".join([bound.get(first, ""), *rest]))
    return {name for name in found if name.partition(".")[0] == "segpp"}


def bindings(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield every name that an import binds, and what it stands for, dotted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                own = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (own, own)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


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

    private = {
        (user, name)
        for user, path in (modules | outside_modules()).items()
        for name in reached(path.read_text(encoding="utf-8"))
        if is_private_to_another(name, user, modules)
    }

    assert private == set()


@pytest.mark.parametrize(
    "source",
    [
        "import segpp.a._b",
        "from segpp.a import _b",
        "from segpp.a._b import name",
        "import segpp.a as a\na._b.name",
        "from segpp import a\ndef f():\n    return a._b",
        "import segpp.a\nsegpp.a._b.name()",
        "from importlib import import_module\nimport_module('segpp.a._b')",
        "import importlib\nimportlib.import_module('segpp.a._b')",
        "__import__('segpp.a._b')",
    ],
)
def test_every_way_to_reach_a_module_is_seen(source: str) -> None:
    assert {name for name in reached(source) if name.startswith("segpp.a._b")}


def test_the_ratchets_look_at_the_whole_tree() -> None:
    """A moved folder would make them pass on nothing."""
    found = entries_of_folders()
    assert {".", "docs/images", "export", "runtime", "src/segpp", "trt_plugins"} <= found.keys()
    assert {"docs", "src", "tests"} <= found["."]
    assert {name.partition(".")[0] for name in outside_modules()} == set(USERS)
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
