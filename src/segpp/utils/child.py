"""Processes of segpp's own: started so that they run its code and no other, and end with it.

A process that is started with ``python -m`` imports whatever lies in the current folder, and with
PYTHONPATH whatever that names; Python 3.10 has no switch against the first. So a child starts
isolated (``-I``: no current folder, no PYTHON* variables, no folder of the user's), and a line of
code brings it to the very package that its parent runs:

    1. It asks to be killed when its parent dies (Linux), however that happens.
    2. Folders of the user's own packages are added at the end, if the parent uses them.
    3. ``segpp`` is loaded from the folder that the parent loaded it from, and nothing else from
       there that is installed elsewhere.
    4. The module runs as ``__main__`` with the arguments that follow.
"""

import os
import site
import sys
from pathlib import Path

import segpp

__all__ = ["child_command"]

_START = """
import ctypes, os, sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
_, parent, users, folder, module, *arguments = sys.argv
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() == 1 != int(parent):
        sys.exit(1)  # it died before that
sys.path += [path for path in (users, folder) if path and path not in sys.path]
for stream in (sys.stdout, sys.stderr):
    # Names out of a foreign file are printed; one that no locale takes must not end the process.
    stream.reconfigure(encoding="utf-8", errors="replace")
spec = PathFinder.find_spec("segpp", [folder])
package = sys.modules["segpp"] = module_from_spec(spec)
spec.loader.exec_module(package)
sys.argv = [module, *arguments]
import runpy
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of segpp in a process of its own.

    Args:
        module: Dotted name of the module.
        arguments: Its command line.
    """
    folder = str(Path(segpp.__file__).absolute().parents[1])
    own = [str(os.getpid()), _users_packages(), folder]
    return [sys.executable, "-I", "-u", "-c", _START, *own, module, *arguments]


def _users_packages() -> str:
    users = site.getusersitepackages()
    return users if site.ENABLE_USER_SITE and users in sys.path else ""
