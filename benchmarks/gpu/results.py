"""What a stage found, written as soon as it is known: a JSON file of a group, one key a stage."""

import json
import os
import traceback
from pathlib import Path
from typing import Any

__all__ = ["exit_if_failed", "record", "record_failure"]

_failures: list[str] = []


def record(stage: str, **values: Any) -> None:
    """Add values to what is known of a stage in the file that ``SEGPP_GPU_RESULT`` names."""
    path = Path(os.environ["SEGPP_GPU_RESULT"])
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found.setdefault(stage, {}).update(values)
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
    waiting.replace(path)


def record_failure(stage: str, what: str) -> None:
    """Say and note the exception at hand; the stage goes on, and ends by ``exit_if_failed``."""
    text = traceback.format_exc()
    print(f"{what} failed:\n{text}", flush=True)
    record(stage, **{f"{what} failed": text.splitlines()[-1]})
    _failures.append(what)


def exit_if_failed() -> None:
    """End the stage with exit code 1 if something in it failed: what was left out is no success."""
    if _failures:
        raise SystemExit(1)
