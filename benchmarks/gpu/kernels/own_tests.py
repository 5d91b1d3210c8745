"""Makes ``tests`` the folder of this repository: a package of the machine may have one of its own.

Import it before anything of ``tests``, or name it as a plugin of pytest.
"""

import sys
import types
from pathlib import Path

_ours = types.ModuleType("tests")
_ours.__path__ = [str(Path(__file__).resolve().parents[3] / "tests")]
sys.modules.setdefault("tests", _ours)
