"""What became of the images of a run."""

from dataclasses import dataclass, field

from segpp.runtime.inference.predict import FailedImage, Prediction

__all__ = ["RunSummary"]


@dataclass
class RunSummary:
    """What became of the images.

    Args:
        backend: Library, version and device in words.
        input_size: Height and width of the network's input.
        fit: How pictures filled it: ``stretch``, ``letterbox``, ``crop``, or ``tiles 0.25``.
        names: Of the classes.
        notes: What was assumed for want of a manifest, and what the fit costs, a sentence each.
        done: The images that were segmented and written.
        failed: Those that could not be read.
        seconds: Wall time of all.
        out: Where the outputs went, "" where nothing was to be written.
    """

    backend: str
    input_size: tuple[int, int]
    fit: str
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    done: list[Prediction] = field(default_factory=list)
    failed: list[FailedImage] = field(default_factory=list)
    seconds: float = 0.0
    out: str = ""
