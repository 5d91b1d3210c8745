"""What a plugin library was built for, read from its file before anything loads it.

The library holds one text of its own, ``segppPluginInfo`` of trt_plugins/plugin_base:

    segpp=0.1.0 tensorrt=10.16 kernels=cuda

``tensorrt`` is the version of the headers that it was compiled with; ``kernels`` is ``cuda``, or
``cpu`` for the tests' library, which no engine can use. Between major versions of TensorRT the
classes that plugins derive from differ in memory, so a library of another one would crash when it
is asked for its creators.
"""

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from segpp.errors import InputError
from segpp.runtime.system.elf import SharedLibrary, read_shared_library
from segpp.utils.files import check_file, sha256_of

__all__ = ["PluginLibrary", "check_plugin_library", "read_plugin_library"]

_INFO = "segppPluginInfo"
_WORDS = re.compile(r"segpp=(\S+) tensorrt=(\d+)\.(\d+) kernels=(cuda|cpu)")
# What TensorRT looks for in a library that it loads.
_ENTRIES = ("getCreators", "setLoggerFinder")
_BUILD = "trt_plugins/README.md of the sources tells how to build it"


@dataclass(frozen=True)
class PluginLibrary:
    """A plugin library that can be loaded here.

    Args:
        version: The version of segpp that it was built from.
        tensorrt: The version of TensorRT that it was built for, as "10.16".
        on_gpu: Whether its kernels run on a GPU; those of the tests' library do not.
    """

    path: Path
    version: str
    tensorrt: str
    on_gpu: bool
    sha256: str

    @property
    def major(self) -> int:
        """The major version of TensorRT that can load it."""
        return int(self.tensorrt.partition(".")[0])


def read_plugin_library(path: Path) -> PluginLibrary:
    """Return what a plugin library says of itself; none of its code runs.

    Raises:
        InputError: It is no plugin library of segpp, or is for another kind of machine.
    """
    check_file(path, kind="plugin library")
    try:
        library = read_shared_library(path, _INFO)
    except ValueError as failure:
        raise InputError(
            f"plugin library {path} is no shared library", str(failure), hint=_BUILD
        ) from failure
    if library.machine != platform.machine():
        raise InputError(
            f"plugin library {path} is for {library.machine}, and this machine is "
            f"{platform.machine()}",
            hint=_BUILD,
        )
    version, major, minor, kernels = _words(path, library)
    return PluginLibrary(path, version, f"{major}.{minor}", kernels == "cuda", sha256_of(path))


def _words(path: Path, library: SharedLibrary) -> tuple[str, ...]:
    words = _WORDS.fullmatch(library.text or "")
    if words is None:
        said = f"its {_INFO} is {library.text!r:.80}" if library.text else f"it has no {_INFO}"
        raise InputError(
            f"plugin library {path} does not say which TensorRT it was built for",
            said,
            hint=f"it is another library, or of an older segpp; {_BUILD}",
        )
    if missing := [name for name in _ENTRIES if name not in library.symbols]:
        raise InputError(
            f"plugin library {path} registers itself, so TensorRT cannot load it by its path",
            f"it has no {missing[0]}",
            hint="build it without SEGPP_REGISTER_ON_LOAD",
        )
    return words.groups()


def check_plugin_library(library: PluginLibrary, tensorrt: str) -> None:
    """Raise InputError unless TensorRT of version ``tensorrt`` ("10.3.0") can load a library."""
    major = int(tensorrt.partition(".")[0])
    if library.major != major:
        raise InputError(
            f"plugin library {library.path} was built for TensorRT {library.tensorrt}, and this is "
            f"TensorRT {tensorrt}",
            hint=f"build it with the headers of TensorRT {major}: {_BUILD}",
        )
