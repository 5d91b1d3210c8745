"""The training configuration that a checkpoint carries as Python text, read without running it.

mmsegmentation writes its settings as assignments of plain values and of ``dict(...)``. Of a text,
values of that kind are taken and nothing is ever evaluated: what would need to be is left out.
"""

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PythonConfig", "parse_python_config", "values_under"]

# Settings are some tens of kilobytes; brackets in them nest a dozen deep.
_MAX_CHARS = 1 << 20
_MAX_DEPTH = 60
_MAX_VISITED = 50_000

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


class _NotPlainError(Exception):
    """An expression is more than a plain value."""


@dataclass(frozen=True)
class PythonConfig:
    """What a text assigns.

    Attributes:
        values: Plain values by name; inside dictionaries and lists what is none is None.
        problem: Why the text or a part of it could not be read, if so: one sentence.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class _Scope:
    """Plain values by name, and the lines with what is none."""

    names: dict[str, Any]
    unread: list[int]


def parse_python_config(text: str) -> PythonConfig:
    """Return the plain values that ``text`` assigns to names."""
    if len(text) > _MAX_CHARS:
        return PythonConfig(problem=f"the configuration inside is {len(text):,} characters long")
    try:
        with warnings.catch_warnings():
            # Of odd escapes in somebody's strings.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as failure:
        return PythonConfig(problem=f"the configuration inside is not read: {_why(failure)}")
    scope = _Scope({}, [])
    for node in tree.body:
        if not _assign(node, scope):
            scope.unread.append(node.lineno)
            # What it changes must not keep the value from before.
            scope.names.update(dict.fromkeys(_changed_by(node)))
    if scope.unread:
        line = min(scope.unread)
        return PythonConfig(scope.names, f"line {line} of the configuration inside is not read")
    return PythonConfig(scope.names)


def values_under(value: Any, key: str) -> Iterator[Any]:
    """Yield what stands under ``key`` in any dictionary inside ``value``, outer ones first."""
    waiting = [value]
    for one in waiting:
        if isinstance(one, Mapping):
            if key in one:
                yield one[key]
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one


def _assign(node: ast.stmt, scope: _Scope) -> bool:
    """Take in one statement; returns whether it was understood."""
    if isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets):
        for target in node.targets:
            _bind(target, node.value, scope)
        return True
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        _bind(node.target, node.value, scope)
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changed_by(node: ast.stmt) -> set[str]:
    """Return the names that a statement assigns to, deletes, or whose contents it changes."""
    changed: list[ast.expr] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            changed.append(part.func)
        elif isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
            changed += [] if isinstance(part.ctx, ast.Load) else [part]
    return {name for one in changed if (name := _root(one))}


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _bind(target: ast.expr, value: ast.expr, scope: _Scope) -> None:
    if isinstance(target, ast.Name):
        # What is assigned anew and not understood must not keep its old value.
        read = _plain_or_none(value, scope, 0)
        names = scope.names
        names[target.id] = read if _is_small([*names.values(), read]) else None


def _is_small(values: list[Any]) -> bool:
    """Whether values are few even where each use of a name counts: else they cannot be printed."""
    waiting = values
    for count, one in enumerate(waiting):
        if count > _MAX_VISITED:
            return False
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return True


def _plain_or_none(node: ast.expr, scope: _Scope, depth: int) -> Any:
    try:
        return _plain(node, scope, depth)
    except _NotPlainError:
        scope.unread.append(node.lineno)
        return None


def _plain(node: ast.expr, scope: _Scope, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise _NotPlainError
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in scope.names:
        return scope.names[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        items = [_plain_or_none(item, scope, depth + 1) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict | ast.Call):
        return _dictionary(node, scope, depth)
    return _number(node, scope, depth)


def _dictionary(node: ast.Dict | ast.Call, scope: _Scope, depth: int) -> dict[Any, Any]:
    pairs: list[tuple[ast.expr | str | None, ast.expr]]
    if isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node.func, ast.Name) and node.func.id == "dict":
        pairs = [(None, argument) for argument in node.args]
        pairs += [(keyword.arg, keyword.value) for keyword in node.keywords]
    else:
        raise _NotPlainError
    made: dict[Any, Any] = {}
    for key, value in pairs:
        read = _plain_or_none(value, scope, depth + 1)
        if key is None:
            made |= read if isinstance(read, dict) else {}
        else:
            made[_key(key, scope, depth)] = read
    return made


def _key(key: ast.expr | str, scope: _Scope, depth: int) -> str | int:
    plain = key if isinstance(key, str) else _plain(key, scope, depth + 1)
    if not isinstance(plain, str | int):
        raise _NotPlainError
    return plain


def _number(node: ast.expr, scope: _Scope, depth: int) -> float:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_real(_plain(node.operand, scope, depth + 1))
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = (_real(_plain(side, scope, depth + 1)) for side in (node.left, node.right))
        try:
            value: float = _ARITHMETIC[type(node.op)](left, right)
        except (ZeroDivisionError, OverflowError) as failure:
            raise _NotPlainError from failure
        return value
    raise _NotPlainError


def _real(value: Any) -> float:
    # Products of whole numbers without end would fill the memory.
    if type(value) in (int, float) and abs(value) < 1e12:  # noqa: PLR2004 - no setting is larger
        number: float = value
        return number
    raise _NotPlainError


def _why(failure: BaseException) -> str:
    line = getattr(failure, "lineno", None)
    return f"{type(failure).__name__}{f' in line {line}' if line else ''}"
