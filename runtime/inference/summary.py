"""What became of the images of a run."""

from dataclasses import dataclass, field

from segpp.runtime.inference.predict import FailedImage, Prediction
from segpp.runtime.media.live.account import LiveAccount

__all__ = ["RunSummary"]

# Of a source without an end: enough for what was seen lately.
_MOST_KEPT = 1000


@dataclass
class RunSummary:
    """What became of the images.

    Args:
        backend: Library, version and device in words.
        input_size: Height and width of the network's input.
        fit: How pictures filled it: ``stretch``, ``letterbox``, ``crop``, or ``tiles 0.25``.
        names: Of the classes.
        notes: What was assumed for want of a manifest, and what the fit costs, a sentence each.
        remarks: What the output lacks of the input, a sentence each.
        done: The images that were segmented and written; of a camera or a stream the last 1,000.
        failed: Those that could not be read.
        seconds: Wall time of all.
        out: Where the outputs went, "" where nothing was to be written.
        live: What became of the frames of a camera or a stream; None for what is stored.
    """

    backend: str
    input_size: tuple[int, int]
    fit: str
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    done: list[Prediction] = field(default_factory=list)
    failed: list[FailedImage] = field(default_factory=list)
    seconds: float = 0.0
    out: str = ""
    live: LiveAccount | None = None

    @property
    def count(self) -> int:
        """How many images were segmented and written, those that are not kept in ``done`` too."""
        return self.live.done if self.live else len(self.done)

    def add(self, outcome: Prediction | FailedImage) -> None:
        """Count one image; a run that does not end must not fill the memory."""
        if isinstance(outcome, FailedImage):
            self.failed.append(outcome)
            return
        self.done.append(outcome)
        if self.live and outcome.latency_ms is not None:
            self.live.add(outcome.latency_ms)
            del self.done[:-_MOST_KEPT]
