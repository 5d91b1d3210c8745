"""The conventions of CONTRIBUTING.md that a machine can check."""

import ast
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("src", "export", "calib", "runtime", "train", "examples", "benchmarks")
MOST_LINES = 400

# Folders of somebody's own machine, and addresses that pin an install to somebody's own registry.
MACHINE = re.compile(
    rb"(?<![\w./-])/(?:root|work|Users|home/\w+)/|pythonhosted\.org|--(?:extra-)?index-url"
)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".cpp", ".cu", ".h", ".json", ""}


def tracked() -> list[Path]:
    """Return the files of the repository, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout, so there is no list of its files")
    paths = (ROOT / name for name in done.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> list[Path]:
    """Return the modules of the package and of the examples."""
    folders = (ROOT / name for name in CODE)
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def public_names(tree: ast.Module) -> set[str]:
    """Return the functions and classes that a module defines without an underscore."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {
        node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")
    }


def listed_names(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        targets = [ast.unparse(target) for target in getattr(node, "targets", [])]
        if isinstance(node, ast.Assign) and targets == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return None


def test_no_file_names_a_machine_or_a_private_registry() -> None:
    found = {
        named(path): match[0] for path in tracked() if (match := MACHINE.search(path.read_bytes()))
    }

    assert found == {}


def test_nothing_is_left_unfinished() -> None:
    found = [
        named(path)
        for path in tracked()
        if path.suffix in TEXT and UNFINISHED.search(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        named(path)
        for path in modules()
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]

    assert silent == []


def test_every_module_of_the_package_lists_its_public_names() -> None:
    unlisted = {}
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        script = path.relative_to(ROOT).parts[0] in {"examples", "benchmarks"}
        if not script and public_names(tree) and listed_names(tree) is None:
            unlisted[named(path)] = sorted(public_names(tree))

    assert unlisted == {}


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    long = {
        named(path): lines
        for path in tracked()
        if path.suffix in {".py", ".cpp", ".cu", ".h"}
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }

    assert long == {}


def test_types_are_checked_in_every_folder_of_code() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [checked] = re.findall(r"^files = \[(.*)\]$", settings, re.MULTILINE)
    linked = {"export", "calib", "runtime", "train"}

    with_code = {path.relative_to(ROOT).parts[0] for path in modules()} - linked

    assert with_code == {name.strip('"').partition("/")[0] for name in checked.split(", ")}


def test_pytest_looks_into_every_folder_of_tests(pytestconfig: pytest.Config) -> None:
    """By default it passes over folders called ``build``, and says nothing."""
    patterns = pytestconfig.getini("norecursedirs")
    folders = {
        part for path in (ROOT / "tests").rglob("test_*.py") for part in named(path).split("/")
    }

    assert [name for name in folders if any(fnmatch(name, pattern) for pattern in patterns)] == []


@pytest.mark.parametrize(
    "text", [b"open('/root/model.pth')", b"see /home/user/x", b"= /work/project", b'"/Users/x"']
)
def test_the_path_of_a_machine_is_recognised(text: bytes) -> None:
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", [b"https://x.org/work/paper", b"src/root/file", b"./work/"])
def test_a_path_inside_the_repository_is_not_one_of_a_machine(text: bytes) -> None:
    assert not MACHINE.search(text)
