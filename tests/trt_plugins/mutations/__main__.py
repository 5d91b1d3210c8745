"""Puts one fault after the other into a copy of the kernels, and sees that their tests fail.

    python -m tests.trt_plugins.mutations [NAME …]

A fault takes as long as a build and the tests of its kernel until the first that fails. Exit code 0
if all were caught, 1 if not: then the name of each that was not is printed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from segpp.utils.choices import check_choice
from tests.trt_plugins.kernels.kernel_library import ROOT, SOURCES_VARIABLE
from tests.trt_plugins.mutations.faults import FAULTS, PLUGINS, Fault

NAMES = [fault.name for fault in FAULTS]


def main(names: Sequence[str]) -> int:
    """Try the faults called ``names``, by default all; return the exit code."""
    for name in names:
        check_choice(name, NAMES, kind="fault")
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    missed = [fault.name for fault in chosen if not _told(fault)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} caught", *missed, sep="\n  not: ")  # noqa: T201 - the result
    return int(bool(missed))


def _told(fault: Fault) -> bool:
    print(f"{fault.name} … ", end="", flush=True)  # noqa: T201 - progress
    by = caught(fault)
    print(by or "NOT CAUGHT", flush=True)  # noqa: T201 - the result
    return by is not None


def caught(fault: Fault) -> str | None:
    """Return the test that fails with the fault in the kernels, or None.

    Raises:
        RuntimeError: The tests did not run at all.
    """
    with TemporaryDirectory() as folder:
        copy = Path(folder) / PLUGINS.name
        shutil.copytree(PLUGINS, copy)
        fault.put_into(copy)
        # Its builds would only fill the cache.
        env = {**os.environ, SOURCES_VARIABLE: str(copy), "XDG_CACHE_HOME": folder}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *fault.tests,
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].split("::")[-1] if failed else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
