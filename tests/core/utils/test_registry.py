"""One method, one file: a folder's modules register themselves when a name is first looked up."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segpp.errors import GraphError, ReductionError
from segpp.utils.registry import Registry

PACKAGE = """
from segpp.errors import ReductionError
from segpp.utils.registry import Registry
METHODS = Registry(__name__, "method", ReductionError)
"""
MEMBER = """
from {package} import METHODS
METHODS.register("{name}")({value!r})
"""

Make = Callable[..., "Registry[int]"]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a package of modules and return its registry."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "methods_of_this_test"

    def write(**modules: str) -> "Registry[int]":
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(PACKAGE)
        for module, code in modules.items():
            (folder / f"{module}.py").write_text(code)
        registry: Registry[int] = __import__(name).METHODS
        return registry

    yield write
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def member(name: str, value: int) -> str:
    return MEMBER.format(package="methods_of_this_test", name=name, value=value)


def test_a_new_file_is_found_without_a_list(make: Make) -> None:
    registry = make(b=member("two", 2), a=member("one", 1))

    assert list(registry) == ["one", "two"]
    assert registry["two"] == 2
    assert len(registry) == 2
    assert "one" in registry


def test_nothing_is_imported_before_a_name_is_looked_up(make: Make) -> None:
    registry = make(a=member("one", 1))

    assert "methods_of_this_test.a" not in sys.modules
    assert dict(registry) == {"one": 1}
    assert "methods_of_this_test.a" in sys.modules


def test_a_module_with_an_underscore_is_not_a_member(make: Make) -> None:
    registry = make(a=member("one", 1), _helper="raise RuntimeError('imported')")

    assert list(registry) == ["one"]


def test_an_unknown_name_is_the_registrys_error_with_the_nearest(make: Make) -> None:
    registry = make(a=member("linear", 1), b=member("cubic", 3))

    with pytest.raises(ReductionError) as failure:
        registry["liner"]

    assert str(failure.value) == (
        "unknown method 'liner'\n  known: cubic, linear\n  hint: did you mean 'linear'?"
    )
    assert "liner" not in registry


def test_two_members_of_one_name_cannot_be(make: Make) -> None:
    registry = make(a=member("one", 1), b=member("one", 2))

    with pytest.raises(RuntimeError, match="two members of methods_of_this_test are called 'one'"):
        len(registry)


def test_a_member_may_be_imported_before_the_scan(make: Make) -> None:
    registry = make(a=member("one", 1), b=member("two", 2))
    __import__("methods_of_this_test.b")

    assert dict(registry) == {"one": 1, "two": 2}


def test_a_member_that_fails_to_import_is_not_forgotten(make: Make) -> None:
    registry = make(a=member("one", 1), b="import a_package_that_nobody_has")

    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="a_package_that_nobody_has"):
            registry["one"]


def test_registering_returns_the_member() -> None:
    registry: Registry[type] = Registry(__name__, "class", GraphError)

    @registry.register("kept")
    class Kept:
        pass

    assert isinstance(Kept, type)
