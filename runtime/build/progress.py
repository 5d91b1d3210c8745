"""How far a build is: one share of the whole from the phases that the library reports.

A library's phases are nested: *Building engine* has six steps, the third of which is *Building
engine from subgraph*, which has steps of its own. The share of a phase is that of its finished
steps and of the running part of the next one.

The building process writes it into its log, as records of the severity ``PROGRESS``.
"""

import threading
from dataclasses import dataclass

__all__ = ["PROGRESS", "Phases", "parse_progress", "render_progress"]

# The severity of the records.
PROGRESS = "PROGRESS"

_SMALLEST_STEP = 0.01


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """Collects what a library's monitor is told; several threads may tell at once."""

    def __init__(self) -> None:
        self._running: dict[str, _Phase] = {}
        self._told = 0.0
        self._lock = threading.Lock()

    def start(self, name: str, parent: str | None, steps: int) -> float | None:
        """Note that a phase of ``steps`` begins; return the share if it is worth telling."""
        with self._lock:
            self._running[name] = _Phase(parent, max(steps, 1))
            return self._news()

    def step(self, name: str, index: int) -> float | None:
        """Note that a phase has finished the step ``index``; return the share likewise."""
        with self._lock:
            if name in self._running:
                self._running[name].done = index + 1
            return self._news()

    def finish(self, name: str) -> float | None:
        """Note that a phase ended; return the share likewise."""
        with self._lock:
            phase = self._running.get(name)
            if phase is not None and phase.parent is None:
                phase.done = phase.steps
                return self._news()
            self._running.pop(name, None)
            return self._news()

    def _news(self) -> float | None:
        roots = [name for name, phase in self._running.items() if phase.parent is None]
        share = max((self._share(name, frozenset()) for name in roots), default=0.0)
        if share < self._told + _SMALLEST_STEP and not (share == 1 > self._told):
            return None
        self._told = share
        return share

    def _share(self, name: str, above: frozenset[str]) -> float:
        phase = self._running[name]
        # A name that is its own parent's parent would never end.
        inner = [
            self._share(child, above | {name})
            for child, one in self._running.items()
            if one.parent == name and child not in above | {name}
        ]
        return min(1.0, (phase.done + max(inner, default=0.0)) / phase.steps)


def render_progress(share: float, phase: str) -> str:
    """Return a share as the text of its record."""
    return f"{share:.3f} {phase}"


def parse_progress(text: str) -> tuple[float, str]:
    """Return the share and the phase that ``render_progress`` wrote."""
    share, _, phase = text.partition(" ")
    return float(share), phase
