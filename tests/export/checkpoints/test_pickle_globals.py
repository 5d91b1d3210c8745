"""The names that a pickle asks for are found in every protocol."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from segpp.export.checkpoints.pickle_globals import globals_in


class Attack:
    """Creates a file when it is unpickled the ordinary way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", range(6))
def test_globals_are_found_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([OrderedDict(), Attack(tmp_path)], protocol))

    assert globals_in(tmp_path / "x.pkl") == ["collections.OrderedDict", "posix.system"]
