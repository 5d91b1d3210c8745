"""What a source file does that only its syntax tree tells."""

import ast
from collections.abc import Iterator

__all__ = ["imported_by_call", "relative_imports"]

_CALLS = {"import_module", "importlib.import_module", "__import__", "builtins.__import__"}


def imported_by_call(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that are imported by calls with their names written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _CALLS and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value


def relative_imports(tree: ast.AST) -> Iterator[str]:
    """Yield the imports that start with a dot, as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield ast.unparse(node)
