"""nvcc, wherever it is, and what it makes of a kernel: registers, spills, memory, instructions."""

import ctypes
import ctypes.util
import importlib.util
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from segpp.errors import CheckError, MissingError

__all__ = ["ARCHITECTURES", "Kernel", "Loop", "Toolkit", "find_toolkit"]

# TensorRT 10.3 to 11 on Turing and later; a toolkit that does not know one leaves it out.
ARCHITECTURES = (75, 80, 86, 87, 89, 90, 100, 110, 120)

_RESOURCES = re.compile(
    r"entry function '(?P<name>\S+)' for .*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes"
    r" spill stores, (?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers"
    r"(?P<rest>[^\n]*)",
    re.DOTALL,
)
_SHARED = re.compile(r"(\d+) bytes smem")
_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)([^;]*);")
_TARGET = re.compile(r"0x([0-9a-f]+)\s*$")

# What is counted, and the opcodes that it is.
_KINDS = {
    "HMMA": re.compile(r"HMMA\."),
    "LDSM": re.compile(r"LDSM\."),
    "async 16 B": re.compile(r"LDGSTS\..*128"),
    "load 16 B": re.compile(r"LDG\..*128"),
    "load": re.compile(r"LDG\."),
    "store 16 B": re.compile(r"STG\..*128"),
    "store": re.compile(r"STG\."),
    # Where nvcc does not know that an address is one of global memory.
    "generic": re.compile(r"(?:LD|ST)\."),
    "local": re.compile(r"(?:LDL|STL)\b"),
    "atomic": re.compile(r"(?:ATOM|ATOMG|RED)\b"),
    # In shared memory, which one block has to itself.
    "shared atomic": re.compile(r"ATOMS\b"),
    "special": re.compile(r"MUFU\."),
    "barrier": re.compile(r"BAR\.SYNC"),
}


@dataclass(frozen=True)
class Loop:
    """Code between a branch and where it leads: a loop, or what is jumped over."""

    instructions: int
    counts: dict[str, int]


@dataclass(frozen=True)
class Kernel:
    """One kernel of one architecture; memory in bytes."""

    name: str
    registers: int
    stack: int
    spills: int
    shared: int
    instructions: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    loops: tuple[Loop, ...] = ()
    # Behind every branch ahead, up to where it leads.
    skips: tuple[Loop, ...] = ()
    # Instructions before, between and behind the barriers, up to the last exit: behind that lie
    # the ways that are hardly ever taken, as a division's for tiny numbers.
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit: the folder of its programs."""

    folder: Path

    @property
    def version(self) -> str:
        """The version of nvcc, as 13.0.88."""
        said = self._run("nvcc", "--version")
        found = re.search(r"\bV(\d+\.\d+\.\d+)", said)
        if not found:
            raise CheckError(f"{self.folder / 'nvcc'} does not tell its version: {said.strip()}")
        return found[1]

    @property
    def architectures(self) -> tuple[int, ...]:
        """Those of ``ARCHITECTURES`` that this toolkit compiles for."""
        known = set(re.findall(r"compute_(\d+)\b", self._run("nvcc", "--list-gpu-arch")))
        return tuple(number for number in ARCHITECTURES if str(number) in known)

    def compile(
        self, source: Path, architecture: int, includes: Sequence[Path] = ()
    ) -> list[Kernel]:
        """Compile one .cu file without tolerating a warning; return its kernels by name.

        Raises:
            CheckError: It does not compile, or not silently.
        """
        with TemporaryDirectory() as folder:
            cubin = Path(folder) / "kernels.cubin"
            said = self._run(
                "nvcc",
                *("-std=c++17", "-O3", f"-arch=sm_{architecture}", "-cubin", "-o", str(cubin)),
                *(f"-I{folder}" for folder in includes),
                *(
                    "-Xptxas",
                    "-v",
                    "-Werror",
                    "all-warnings",
                    "-Xcompiler",
                    "-Wall,-Wextra,-Werror",
                ),
                str(source),
            )
            code = _functions(self._run("cuobjdump", "-sass", str(cubin)))
        if "warning" in said:
            raise CheckError(f"{source.name} for sm_{architecture} compiles with warnings:\n{said}")
        return sorted(
            (_kernel(match, code[match["name"]]) for match in _RESOURCES.finditer(said)),
            key=lambda kernel: kernel.name,
        )

    def link(self, sources: Sequence[Path], includes: Sequence[Path], out: Path) -> None:
        """Build a program for Hopper of .cu and .cpp files, without tolerating a warning.

        Raises:
            CheckError: It does not compile, or not silently.
        """
        self._run(
            "nvcc",
            *("-std=c++17", "-O3", "-arch=sm_90", "-t", "0", "-o", str(out)),
            *("-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra,-Werror"),
            *(f"-I{folder}" for folder in includes),
            # Where the wheels keep the runtime; nvcc looks into lib64 by itself.
            *(f"-L{self.folder.parent / 'lib'}", *map(str, sources)),
        )

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self.folder / program), *arguments]
        # cuobjdump starts nvdisasm by name.
        environment = {**os.environ, "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise CheckError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def find_toolkit() -> Toolkit:
    """Return the toolkit of CUDA_HOME, or else of the wheels or of the PATH.

    Raises:
        MissingError: None has nvcc, cuobjdump and nvdisasm.
    """
    folders = _candidates()
    for folder in folders:
        if all((folder / name).is_file() for name in ("nvcc", "cuobjdump", "nvdisasm")):
            return Toolkit(folder)
    raise MissingError(
        "no CUDA toolkit with nvcc, cuobjdump and nvdisasm was found",
        *(f"looked in {folder}" for folder in folders),
        hint="make test-cuda fetches one; or set CUDA_HOME",
    )


def _candidates() -> list[Path]:
    if home := os.environ.get("CUDA_HOME"):
        return [Path(home) / "bin"]
    found: list[Path] = []
    wheels = importlib.util.find_spec("nvidia")
    for place in (wheels and wheels.submodule_search_locations) or ():
        found += sorted(Path(place).glob("cu*/bin"), reverse=True)
    path = shutil.which("nvcc")
    return [*found, *([Path(path).parent] if path else [])]


def _kernel(match: re.Match[str], code: list[tuple[int, str, str]]) -> Kernel:
    shared = _SHARED.search(match["rest"])
    return Kernel(
        name=_readable(match["name"]),
        registers=int(match["registers"]),
        stack=int(match["stack"]),
        spills=int(match["stores"]) + int(match["loads"]),
        shared=int(shared[1]) if shared else 0,
        instructions=len(code),
        counts=_counts(code),
        loops=_loops(code),
        skips=_skips(code),
        parts=_parts(code),
    )


def _functions(listing: str) -> dict[str, list[tuple[int, str, str]]]:
    """Return address, opcode and operands of every function's instructions, padding left out."""
    parts = re.split(r"Function : (\S+)", listing)
    return {
        name: [
            (int(address, 16), opcode, operands)
            for address, opcode, operands in _INSTRUCTION.findall(body)
            if opcode != "NOP"
        ]
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _counts(code: list[tuple[int, str, str]]) -> dict[str, int]:
    counts = Counter(
        kind for _, opcode, _ in code for kind, form in _KINDS.items() if form.match(opcode)
    )
    return {kind: counts[kind] for kind in _KINDS}


def _loops(code: list[tuple[int, str, str]]) -> tuple[Loop, ...]:
    """Return the loops: whatever a branch to an earlier address closes, the trap at the end not."""
    found = []
    for address, opcode, operands in code:
        target = _TARGET.search(operands) if opcode.startswith("BRA") else None
        if target and (start := int(target[1], 16)) < address:
            body = [line for line in code if start <= line[0] <= address]
            found.append(Loop(len(body), _counts(body)))
    return tuple(found)


def _skips(code: list[tuple[int, str, str]]) -> tuple[Loop, ...]:
    """Return what branches jump over."""
    found = []
    for address, opcode, operands in code:
        target = _TARGET.search(operands) if opcode.startswith("BRA") else None
        if target and (end := int(target[1], 16)) > address:
            body = [line for line in code if address < line[0] < end]
            found.append(Loop(len(body), _counts(body)))
    return tuple(found)


def _parts(code: list[tuple[int, str, str]]) -> tuple[int, ...]:
    last = max(index for index, line in enumerate(code) if line[1] == "EXIT")
    barriers = [index for index, line in enumerate(code[:last]) if _KINDS["barrier"].match(line[1])]
    bounds = [0, *barriers, last + 1]
    return tuple(end - begin for begin, end in pairwise(bounds))


def _readable(mangled: str) -> str:
    """Return the name of a kernel as the source writes it, template arguments included."""
    library = ctypes.CDLL(ctypes.util.find_library("stdc++") or "libstdc++.so.6")
    demangle = library["__cxa_demangle"]
    demangle.restype = ctypes.c_void_p
    text = demangle(mangled.encode(), None, None, None)
    whole = ctypes.string_at(text).decode() if text else mangled
    name = re.sub(r"^void |segpp::|\(anonymous namespace\)::", "", whole)
    return re.sub(r"\(.*", "", name)
