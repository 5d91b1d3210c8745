"""What of the way from a picture to its mask an engine leaves to the CPU."""

from segpp.manifest import Manifest

__all__ = ["picture_path_note"]


def picture_path_note(manifest: Manifest) -> str | None:
    """Return a sentence on what the CPU is left with, None where that is next to nothing.

    Args:
        manifest: Of the file that an engine is built of.
    """
    left = []
    if manifest.input.dtype != "uint8":
        left.append("turns pixels into " + manifest.input.dtype)
    if all(output.kind == "logits" for output in manifest.outputs):
        left.append("makes class numbers of logits")
    if not left:
        return None
    return (
        f"around this engine the CPU {' and '.join(left)}, which may take longer than the engine; "
        "segpp-export --for engine puts it inside"
    )
