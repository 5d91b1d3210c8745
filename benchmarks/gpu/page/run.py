"""A committed run of the GPU scripts: the files of its folder, and where it is."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpp.errors import CheckError

__all__ = ["Run", "read_run"]

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What the stages found, by their own names, and the day from the name of the folder."""

    date: str
    environment: Facts
    kernels: Facts
    beside: Facts
    agreement: Facts
    graphs: Facts
    eager: Facts
    compiled: Facts
    oracle_tests: Facts
    sanitizer: Facts

    @property
    def device(self) -> Facts:
        """What the C++ program says of the GPU: it is the first of its lines."""
        device: Facts = self.kernels["lines"][0]
        return device

    @property
    def launches(self) -> list[Facts]:
        """The measured kernels, one fact sheet each."""
        return list(self.kernels["lines"][1:])


def read_run(folder: Path) -> Run:
    """Read the files of a run.

    Raises:
        CheckError: The name of the folder has no date.
    """
    date = re.search(r"\d{4}-\d{2}-\d{2}$", folder.name)
    if not date:
        raise CheckError(f"{folder.name} does not end in a date, as in nvidia_h200_2026-11-28")
    network = _read(folder, "network")
    return Run(
        date=date[0],
        environment=_read(folder, "environment")["environment"],
        kernels=_read(folder, "kernels")["kernels_benchmark"],
        beside=_read(folder, "beside")["kernels beside PyTorch"],
        agreement=network["agreement"],
        graphs=network["network, FP16, CUDA graphs"],
        eager=network["network, FP32, eager, unfused attention"],
        compiled=network["network, FP16, torch.compile"],
        oracle_tests=_read(folder, "tests")["oracle tests on the GPU"],
        sanitizer=_read(folder, "sanitizer")["compute-sanitizer"],
    )


def _read(folder: Path, name: str) -> Facts:
    found: Facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found
