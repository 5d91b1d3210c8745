"""What is installed, without importing it."""

import sys
from importlib.metadata import version

import pytest

from segpp.runtime.system.packages import PACKAGES, distribution_of, is_installed, version_of


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
    monkeypatch.setitem(PACKAGES, "json", ("no-such-distribution",))

    assert distribution_of("json") == "no-such-distribution"
    assert version_of("json") == "unknown"
