"""What a manifest says of how its file was asked for, where nothing else in it tells."""

from segpp.export.config import ExportConfig
from segpp.export.config.resolve import ResolvedExport

__all__ = ["recorded_options"]


def recorded_options(plan: ResolvedExport) -> dict[str, str]:
    """Return the choices of an export by their names in the manifest."""
    return {
        "target": plan.config.target,
        **_normalization(plan),
        **_reading(plan.config),
        **_resizing(plan),
        "rewrites": " ".join(plan.rewrites.on) or "none",
        "rewrites_off": " ".join(plan.rewrites.off) or "none",
    }


def _normalization(plan: ResolvedExport) -> dict[str, str]:
    """Return what the file does to its pixels itself, for a reader to see."""
    if plan.config.input_dtype in {"float32", "float16"}:
        return {}
    mean, std = (" ".join(f"{v:g}" for v in values) for values in (plan.input.mean, plan.input.std))
    return {"normalization": f"inside, mean {mean}, std {std}"}


def _resizing(plan: ResolvedExport) -> dict[str, str]:
    """Return what size the file itself brings pictures to."""
    return {} if plan.config.picture is None else {"resized_inside": str(plan.size)}


def _reading(config: ExportConfig) -> dict[str, str]:
    """Return which tensors of the checkpoint the caller chose, where he did."""
    chosen = {
        "prefix": config.prefix,
        "weights": None if config.weights == "raw" else config.weights,
        "ignore_tensors": " ".join(config.ignore_tensors),
    }
    return {key: value for key, value in chosen.items() if value}
