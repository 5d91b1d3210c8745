"""What a session gives for a call: masks, and how long they took."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.images.palette import Color, overlay
from segpp.images.preprocess import ImageArray, check_frame
from segpp.runtime.backends.base import DeviceTimes
from segpp.utils import arguments

__all__ = ["Result", "Timing"]


@dataclass(frozen=True)
class Timing:
    """Wall time of one call in milliseconds, all its images together.

    Args:
        preprocess_ms: From images to the input tensor.
        inference_ms: In the backend, from tensor to tensor.
        postprocess_ms: From the output to labels at the images' sizes.
        device: Of ``inference_ms``, what the GPU took by its own events; None where nothing tells.
    """

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float
    device: DeviceTimes | None = None

    @property
    def total_ms(self) -> float:
        """From images to labels."""
        return self.preprocess_ms + self.inference_ms + self.postprocess_ms


@dataclass(frozen=True)
class Result:
    """What one call gives.

    Args:
        masks: Class numbers (H, W) per image at that image's own size; uint8 up to 256
            classes, else int32.
        logits: (B, K, h, w) as the network gives them, float32; only when asked for.
        timing: How long it took.
        palette: A color (R, G, B) for each class.
    """

    masks: tuple[NDArray[Any], ...]
    logits: NDArray[np.float32] | None
    timing: Timing
    palette: tuple[Color, ...] = ()

    def overlay(self, image: ImageArray, *, alpha: float = 0.5, index: int = 0) -> ImageArray:
        """Return an image (H, W, 3) with its mask painted over it.

        Args:
            image: The image that the mask is of.
            alpha: Share of the color, 0 to 1.
            index: Which of the masks; from the end where negative.

        Raises:
            ImageError: It is not uint8 (H, W, 3).
            InputError: The image has another size than the mask, there is no such mask, or alpha is
                out of range.
        """
        count = len(self.masks)
        number = arguments.whole_number("index", index, least=-count, most=count - 1)
        check_frame(image)
        return overlay(image, self.masks[number], self.palette, arguments.share("alpha", alpha))
