"""The processes that train together: one, or those that torchrun started, anywhere."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import distributed

from segpp.errors import CheckError, InputError, MissingError
from segpp.utils.limits import default_threads

__all__ = ["World", "joined", "told_of_torch"]


# Of a library's own words.
_MOST_TOLD = 300


@dataclass(frozen=True)
class World:
    """This process among those that train together.

    Attributes:
        device: What it computes on.
        rank: Its number; 0 reads and writes files, and speaks.
        size: How many there are.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and speaks."""
        return self.rank == 0

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the sums over all processes."""
        return self._reduced(values, distributed.ReduceOp.SUM)

    def largest(self, value: float) -> float:
        """Return the largest of all processes' values."""
        return self._reduced([value], distributed.ReduceOp.MAX)[0]

    def of_first(self, content: bytes | None) -> bytes | None:
        """Return what the first process has, to every process."""
        if self.size == 1:
            return content
        boxed = [content if self.is_first else None]
        distributed.broadcast_object_list(boxed, src=0, device=self.device)
        return boxed[0]

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.largest(0.0)

    def _reduced(
        self, values: Sequence[float], how: "distributed.ReduceOp.RedOpType"
    ) -> list[float]:
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        distributed.all_reduce(tensor, how)
        return [float(value) for value in tensor.tolist()]


@contextmanager
def told_of_torch(world: World, *, hint: str | None = None) -> Iterator[None]:
    """Say in a sentence where PyTorch fails: mostly the memory, or another process that ended.

    Raises:
        CheckError: It failed.
    """
    try:
        yield
    except RuntimeError as failure:
        first = str(failure).strip().partition("\n")[0][:_MOST_TOLD]
        problem = f"{type(failure).__name__} in PyTorch"
        if world.size > 1:
            problem = (
                f"process {world.rank} of {world.size} cannot go on: most likely another one ended"
            )
        raise CheckError(problem, *filter(None, [first]), hint=hint) from failure


@contextmanager
def joined(device: str, batch: int, threads: int | None) -> Iterator[World]:
    """Yield this process among those of torchrun, or alone.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        batch: Pictures of a step, which the processes share evenly.
        threads: CPU threads of this process; its share of the CPUs if None.

    Raises:
        InputError: They cannot share the batch.
        MissingError: There is no GPU.
    """
    size, rank = _environment("WORLD_SIZE", 1), _environment("RANK", 0)
    if batch % size:
        raise InputError(
            f"`batch={batch}` cannot be shared by {size} processes",
            hint=f"`batch={size * -(-batch // size)}`",
        )
    own = _device(device)
    before = torch.get_num_threads()
    # torchrun gives every process one thread unless told otherwise.
    wanted = threads or ("OMP_NUM_THREADS" not in os.environ and default_threads()) or before
    torch.set_num_threads(wanted)
    started = size > 1 and not distributed.is_initialized()
    try:
        if started:
            if own.type == "cuda":
                torch.cuda.set_device(own)
            distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
        yield World(own, rank, size)
    finally:
        if started:
            distributed.destroy_process_group()
        torch.set_num_threads(before)


def _environment(name: str, usual: int) -> int:
    try:
        return int(os.environ.get(name, usual))
    except ValueError as failure:
        raise InputError(
            f"{name} is {os.environ[name]!r:.40}, no number as torchrun sets it"
        ) from (failure)


def _device(name: str) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise MissingError(
            "there is no GPU that this PyTorch can use", hint="leave `device` at auto"
        )
    return torch.device("cuda", _environment("LOCAL_RANK", 0) % torch.cuda.device_count())
