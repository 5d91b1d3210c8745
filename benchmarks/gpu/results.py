"""What a stage found, written as soon as it is known: a JSON file of a group, one key a stage."""

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["record"]


def record(stage: str, **values: Any) -> None:
    """Add values to what is known of a stage in the file that ``SEGPP_GPU_RESULT`` names."""
    path = Path(os.environ["SEGPP_GPU_RESULT"])
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found.setdefault(stage, {}).update(values)
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
    waiting.replace(path)
