"""Who told what a mask depends on: the caller, the checkpoint, or nobody. Without onnx."""

from segpp.export.config import ExportConfig
from segpp.export.models.base import Checkpoint
from segpp.manifest import InputSpec, Origin
from segpp.ops.grid import Size

__all__ = ["assumed_note", "resolve_origins"]

# What a mask depends on, of which somebody must tell or something be assumed.
_ASSUMED = ("heads", "mean", "std", "colors", "resize", "fit", "size", "classes")


def resolve_origins(config: ExportConfig, checkpoint: Checkpoint) -> dict[str, Origin]:
    """Return where everything that a mask depends on comes from."""
    given: dict[str, object] = {
        "heads": config.heads,
        "mean": config.mean,
        "std": config.std,
        "colors": config.colors,
        "fit": config.fit,
        "size": config.size,
    }
    assumed: dict[str, Origin] = dict.fromkeys(_ASSUMED, "assumed")
    said: dict[str, Origin] = {key: "given" for key, value in given.items() if value is not None}
    return assumed | dict(checkpoint.origins) | said


def assumed_note(config: ExportConfig, checkpoint: Checkpoint, spec: InputSpec) -> str | None:
    """Return one sentence on what nobody told, or None if all was.

    Heads are left to the loader, which knows whether the widths are published ones and have theirs,
    and the order of the channels to ``origins``: RGB is what nearly everybody trains on.
    """
    values = {
        "mean": _numbers(spec.mean),
        "std": _numbers(spec.std),
        "fit": spec.fit,
        "size": str(Size(spec.height, spec.width)),
    }
    origins = resolve_origins(config, checkpoint)
    if not (told := [f"--{key} {values[key]}" for key in values if origins[key] == "assumed"]):
        return None
    return f"assumed, since neither checkpoint nor caller tells: {', '.join(told)}"


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)
