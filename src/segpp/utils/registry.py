"""One method, one file: the modules of a folder, imported so that they register themselves."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar

from segpp.errors import InputError
from segpp.utils.choices import check_choice

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """What the modules of one package register under a name.

    The package is scanned at the first look-up: every module whose name does not start with an
    underscore is imported, and each calls ``register`` on its own. There is no central list.

    Args:
        package: Dotted name of the package to scan.
        kind: What its members are, for messages ("token reduction").
        error: What an unknown name raises.
    """

    def __init__(self, package: str, kind: str, error: type[InputError] = InputError) -> None:
        self._package, self._kind, self._error = package, kind, error
        self._members: dict[str, T] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under ``name``."""

        def add(member: T) -> T:
            if name in self._members:
                raise RuntimeError(f"two members of {self._package} are called {name!r}")
            self._members[name] = member
            return member

        return add

    def __getitem__(self, name: str) -> T:
        members = self._scan()
        check_choice(name, members, kind=self._kind, error=self._error)
        return members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._scan()))

    def __len__(self) -> int:
        return len(self._scan())

    def __contains__(self, name: object) -> bool:
        return name in self._scan()

    def _scan(self) -> dict[str, T]:
        if not self._scanned:
            for module in iter_modules(import_module(self._package).__path__):
                if not module.name.startswith("_"):
                    import_module(f"{self._package}.{module.name}")
            self._scanned = True
        return self._members
