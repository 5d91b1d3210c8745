"""What is installed, without importing it."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from segpp.runtime.backends.base import BACKENDS
from segpp.runtime.build.builders import BUILDERS
from segpp.runtime.system import packages
from segpp.runtime.system.packages import (
    Package,
    distribution_of,
    extra_of,
    is_installed,
    known_packages,
    version_of,
)

PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def extras() -> dict[str, set[str]]:
    """Return the distributions that each extra brings, from pyproject.toml.

    Read by pattern: Python 3.10 has no reader of TOML.
    """
    table = PROJECT.read_text(encoding="utf-8").partition("[project.optional-dependencies]\n")[2]
    lists = re.findall(
        r"^([\w-]+) = \[(.*?)\]$", table.partition("\n[")[0], re.MULTILINE | re.DOTALL
    )
    return {name: set(re.findall(r'"([\w-]+)', body)) for name, body in lists}


def test_an_installed_package_has_its_distribution_and_version() -> None:
    assert is_installed("numpy")
    assert distribution_of("PIL") == "pillow"
    assert version_of("PIL") == version("pillow")


def test_a_missing_package_has_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)

    assert not is_installed("av")
    assert distribution_of("av") is None
    assert version_of("av") is None


def test_a_module_that_nobody_installed_has_no_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As what a JetPack puts into the system's Python without a distribution."""
    monkeypatch.setitem(packages._OTHERS, "json", Package(("no-such-distribution",)))

    assert distribution_of("json") == "no-such-distribution"
    assert version_of("json") == "unknown"


def test_every_backend_and_builder_is_known_by_its_own_file() -> None:
    known = known_packages()

    for spec in BACKENDS.values():
        assert known[spec.module].extra == spec.extra
        assert known[spec.module].distributions == (spec.distributions or (spec.module,))
    for builder in BUILDERS.values():
        assert known[builder.module] == Package(builder.distributions, builder.extra)


@pytest.mark.parametrize("module", known_packages())
def test_the_extra_of_a_package_brings_it(module: str) -> None:
    package = known_packages()[module]

    brought = extras()[package.extra] if package.extra else {"numpy", "pillow", "tqdm"}
    assert package.distributions[0] in brought


@pytest.mark.parametrize("name", BACKENDS)
def test_the_extra_of_a_backend_brings_all_that_its_file_imports(name: str) -> None:
    spec = BACKENDS[name]

    brought = extras()[spec.extra]
    assert {known_packages()[module].distributions[0] for module in spec.needs} <= brought


def test_a_package_without_an_extra_has_none() -> None:
    assert extra_of("numpy") is None
    assert extra_of("no_such_module") is None
    assert extra_of("av") == "video"
