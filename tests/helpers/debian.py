"""Packages of Debian unpacked into a folder of their own, without root.

apt keeps its lists and its cache in a folder of ours, so nothing of the machine changes, and it
takes nothing that Debian has not signed.
"""

import hashlib
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from segpp.errors import MissingError
from tests.trt_plugins.tensorrt.fetch import cache

__all__ = ["is_debian", "unpacked"]

_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_SUITES = re.compile(r"^Suites:.*$", re.MULTILINE)


def is_debian() -> bool:
    """Return whether this is Debian 12 or newer, whose list of packages can be read."""
    return _SOURCES.exists() and shutil.which("apt-get") is not None


def unpacked(
    packages: Sequence[str],
    *,
    suite: str | None = None,
    architecture: str | None = None,
    whole: bool = False,
) -> Path:
    """Return the root folder of unpacked packages; fetch them first if they are not there.

    Args:
        packages: Their names.
        suite: Of another release, as "trixie"; this machine's by default.
        architecture: Debian's name of another one, as "arm64".
        whole: Whether what they depend on is fetched as well.

    Raises:
        MissingError: This is no Debian, or apt cannot fetch them.
    """
    if not is_debian():
        raise MissingError(f"{platform.platform()} has no list of Debian's packages")
    named = " ".join((*packages, suite or "", architecture or "", "whole" if whole else ""))
    folder = cache().parent / "debian" / hashlib.sha256(named.encode()).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with TemporaryDirectory(dir=folder.parent) as name:
                _fetch(Path(name), packages, _options(Path(name), suite, architecture), whole=whole)
                (Path(name) / "root").rename(folder)
    return folder


def _fetch(scratch: Path, packages: Sequence[str], options: list[str], *, whole: bool) -> None:
    _run(["apt-get", *options, "update"], scratch)
    archives = scratch / "archives"
    # Nothing is installed: apt's list of what is there is a file of ours, and empty.
    install = ("--yes", "--download-only", "--no-install-recommends", "install")
    _run(["apt-get", *options, *(install if whole else ("download",)), *packages], archives)
    (scratch / "root").mkdir()
    for archive in sorted(archives.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(scratch / "root")], scratch)


def _options(scratch: Path, suite: str | None, architecture: str | None) -> list[str]:
    for folder in ("lists/partial", "archives/partial"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    sources = scratch / "debian.sources"
    sources.write_text(_sources(suite))
    settings = {
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch,
        "Dir::Cache::archives": scratch / "archives",
    }
    if architecture is not None:
        settings |= {"APT::Architecture": architecture, "APT::Architectures::": architecture}
    pairs = (("-o", f"{name}={value}") for name, value in settings.items())
    return ["--quiet=2", *(word for pair in pairs for word in pair)]


def _sources(suite: str | None) -> str:
    """Return this machine's list, or its first paragraph for another release."""
    text = _SOURCES.read_text()
    if suite is None:
        return text
    return _SUITES.sub(f"Suites: {suite}", text.split("\n\n")[0]) + "\n"


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(
            f"{command[0]} ended with {done.returncode}", *done.stderr.strip().splitlines()[-3:]
        )
