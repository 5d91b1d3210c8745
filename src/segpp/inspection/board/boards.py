"""The boards: peak rates of their GPUs and of their memory, and where each number comes from.

docs/jetson.md repeats this table with the sources; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from segpp.utils.choices import check_choice

__all__ = ["BOARDS", "Board", "board_named"]


@dataclass(frozen=True)
class Board:
    """One module in one power mode, at its highest clocks.

    Attributes:
        title: What people call it.
        multiprocessors: Of the GPU.
        clock: Of the GPU, in Hz.
        halves_per_cycle: FP16 multiply-accumulates of the tensor cores of one multiprocessor in a
            cycle, dense.
        int8_factor: INT8 products for one of FP16; 1 where no rate of dense INT8 was found.
        bandwidth: Of the memory, in bytes per second.
        memory: In bytes; CPU and GPU share it.
    """

    title: str
    multiprocessors: int
    clock: float
    halves_per_cycle: int
    int8_factor: int
    bandwidth: float
    memory: int

    @property
    def rates(self) -> dict[str, float]:
        """Peak multiply-accumulates per second: of each type on tensor cores, and on CUDA cores."""
        halves = self.multiprocessors * self.halves_per_cycle * self.clock
        return {
            "int8": self.int8_factor * halves,
            "fp16": halves,
            "bf16": halves,
            # TF32, which TensorRT takes for FP32 unless it is told not to.
            "tf32": halves / 2,
            "cores": self.multiprocessors * _CORES * self.clock,
        }


# CUDA cores of a multiprocessor, each one FP32 multiply-accumulate in a cycle.
_CORES = 128
# Of a multiprocessor: four tensor cores of 256 (Orin, as in the A100) and of 1,024 (Thor).
_ORIN, _THOR = 1024, 4096
_GB = 10**9

BOARDS: Mapping[str, Board] = {
    "orin-nano": Board("Jetson Orin Nano 8GB, 15 W", 8, 625e6, _ORIN, 2, 68e9, 8 * _GB),
    "orin-nano-super": Board(
        "Jetson Orin Nano 8GB, MAXN SUPER", 8, 1020e6, _ORIN, 2, 102e9, 8 * _GB
    ),
    "orin-nx": Board("Jetson Orin NX 16GB, MAXN", 8, 918e6, _ORIN, 2, 102.4e9, 16 * _GB),
    "agx-orin": Board("Jetson AGX Orin 64GB, MAXN", 16, 1300e6, _ORIN, 2, 204.8e9, 64 * _GB),
    "thor": Board("Jetson AGX Thor (T5000), MAXN", 20, 1575e6, _THOR, 1, 273e9, 128 * _GB),
}


def board_named(name: str) -> Board:
    """Return the board called ``name``.

    Raises:
        InputError: There is none; the message lists those that are known.
    """
    check_choice(name, BOARDS, kind="board")
    return BOARDS[name]
