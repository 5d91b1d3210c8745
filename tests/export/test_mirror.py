"""Every module of the export has a test file of its name, or is named by the one that tests it."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, TESTS = ROOT / "export", ROOT / "tests"


def has_logic(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))


def modules() -> list[Path]:
    """Return the modules with functions, from the package on; those behind an underscore apart."""
    paths = (path for path in PACKAGE.rglob("*.py") if not path.name.startswith("_"))
    return sorted(path.relative_to(PACKAGE) for path in paths if has_logic(path))


def docstrings() -> str:
    files = [*(TESTS / "export").rglob("test_*.py"), *(TESTS / "core" / "ops").glob("test_*.py")]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    return "\n".join(ast.get_docstring(tree) or "" for tree in trees)


def test_every_module_is_tested_where_one_looks_for_it() -> None:
    named = docstrings()

    untested = [
        module.as_posix()
        for module in modules()
        if not (TESTS / "export" / module.parent / f"test_{module.name}").exists()
        and module.as_posix() not in named
        and f"{module.parent.as_posix()}/*.py" not in named
    ]

    assert untested == []


def test_the_whole_package_is_looked_at() -> None:
    """A moved folder would make the test above pass on nothing."""
    assert {Path("pipeline.py"), Path("models/segformer/model.py")} <= set(modules())
