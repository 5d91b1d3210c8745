"""What this machine is made of, read from the system's own files."""

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.runtime.system.system_files import read_system_file
from segpp.utils.limits import cpu_flags, usable_cpus

__all__ = ["Cpu", "Gpu", "Jetson", "Machine", "available_memory", "this_machine"]

# The kernel's names for what makes INT8 and FP32 products fast, and what people call them.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_fp16": "AVX-512 FP16",
    "avx_vnni": "AVX VNNI",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "amx_fp16": "AMX FP16",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "asimdhp": "NEON FP16",
    "i8mm": "I8MM",
    "bf16": "BF16",
    "sve": "SVE",
    "sve2": "SVE2",
    "sme": "SME",
}

# JetPack release notes, NVIDIA.
_JETPACKS = {
    "35.4.1": "5.1.2",
    "35.5": "5.1.3",
    "35.6": "5.1.4",
    "36.3": "6.0",
    "36.4": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.5": "6.2.2",
    "38.2": "7.0",
    "38.4": "7.1",
    "39.2": "7.2",
    "39.2.1": "7.2.1",
}
_JETPACK_SERIES = {"35": "5", "36": "6", "38": "7", "39": "7"}


@dataclass(frozen=True)
class Cpu:
    """The processor.

    Args:
        cores: How many this process may use.
        features: Instruction sets that matter for networks.
    """

    model: str
    cores: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class Gpu:
    """NVIDIA's GPU.

    Args:
        names: The GPUs the driver lists.
        driver: Its version.
        compute_capability: Of the first GPU, if CUDA programs can use it.
        device_files: Whether the kernel shows GPU devices to this process.
    """

    names: tuple[str, ...]
    driver: str | None
    compute_capability: str | None
    device_files: bool

    @property
    def obstacle(self) -> str | None:
        """Why no program can use a GPU here, or None if one can."""
        if self.compute_capability:
            return None
        if self.device_files:
            return "a GPU is here, but libcuda.so.1 is not or does not work"
        if self.driver:
            return "the NVIDIA driver is loaded, but shows no device to this process"
        return "no NVIDIA driver"


@dataclass(frozen=True)
class Jetson:
    """A Jetson's system.

    Args:
        l4t: Version of Jetson Linux.
        jetpack: The JetPack that brought it, or its series ("6.x").
    """

    l4t: str
    jetpack: str | None

    @property
    def supported(self) -> bool:
        """Whether its TensorRT is 10 or newer: JetPack 5 and 6.0 bring version 8."""
        major, _, rest = self.l4t.partition(".")
        return int(major) > 36 or (major == "36" and not rest.startswith("3"))  # noqa: PLR2004 - 6.1 is 36.4


@dataclass(frozen=True)
class Machine:
    """What the doctor looks at; sizes in bytes, None where the system does not tell."""

    python: str
    system: str
    architecture: str
    board: str | None
    cpu: Cpu
    memory: int | None
    memory_free: int | None
    gpu: Gpu
    jetson: Jetson | None


def this_machine(root: Path = Path("/")) -> Machine:
    """Return what this machine is.

    Args:
        root: Where ``proc``, ``dev`` and ``etc`` are.
    """
    memory = _memory(root)
    return Machine(
        python=platform.python_version(),
        system=_system(root),
        architecture=platform.machine(),
        board=read_system_file(root / "proc/device-tree/model") or None,
        cpu=_cpu(root),
        memory=memory.get("MemTotal"),
        memory_free=memory.get("MemAvailable"),
        gpu=_gpu(root),
        jetson=_jetson(root),
    )


def available_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes this process could get, None where the system does not tell."""
    return _memory(root).get("MemAvailable")


def _system(root: Path) -> str:
    name = re.search(
        r'^PRETTY_NAME="?([^"\n]+)', read_system_file(root / "etc/os-release"), re.MULTILINE
    )
    return f"{platform.system()} {platform.release()}" + (f", {name[1]}" if name else "")


def _cpu(root: Path) -> Cpu:
    text = read_system_file(root / "proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)", text, re.MULTILINE)
    supported = cpu_flags(root)
    return Cpu(
        model=model[1] if model else platform.processor() or platform.machine(),
        cores=usable_cpus(root),
        features=tuple(name for flag, name in _FEATURES.items() if flag in supported),
    )


def _memory(root: Path) -> dict[str, int]:
    lines = re.findall(r"^(\w+):\s+(\d+) kB", read_system_file(root / "proc/meminfo"), re.MULTILINE)
    memory = {name: int(kib) * 1024 for name, kib in lines}
    limit = read_system_file(root / "sys/fs/cgroup/memory.max")
    if limit.isdigit():
        memory = {name: min(size, int(limit)) for name, size in memory.items()}
    return memory


def _gpu(root: Path) -> Gpu:
    driver = re.search(
        r"\s(\d{3,}\.\d+(?:\.\d+)?)\s", read_system_file(root / "proc/driver/nvidia/version")
    )
    listed = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    models = [re.search(r"^Model:\s*(.+)", read_system_file(path), re.MULTILINE) for path in listed]
    # nvgpu, nvhost: a Jetson's own.
    devices = [*(root / "dev").glob("nvidia[0-9]*"), *(root / "dev").glob("nvhost-gpu")]
    return Gpu(
        names=tuple(model[1].strip() for model in models if model),
        driver=driver[1] if driver else None,
        compute_capability=gpu_compute_capability(),
        device_files=bool(devices),
    )


def _jetson(root: Path) -> Jetson | None:
    text = read_system_file(root / "etc/nv_tegra_release")
    release = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    if not release:
        return None
    l4t = f"{release[1]}.{release[2]}".removesuffix(".0")
    series = _JETPACK_SERIES.get(release[1])
    return Jetson(l4t, _JETPACKS.get(l4t) or (f"{series}.x" if series else None))
