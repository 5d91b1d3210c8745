"""What stands around the network in the file: normalisation before it, labels behind it."""

import torch
from torch import Tensor, nn

from segpp.export.config import OUTPUTS
from segpp.export.custom_ops import torch_ops
from segpp.export.models.precision import PrecisionWrapper
from segpp.manifest import InputSpec

__all__ = ["ModelWithIO"]


class ModelWithIO(nn.Module):
    """The network as the file has it, pixels or logits included or not.

    Args:
        network: Normalised images to logits.
        spec: The file's input. Pixels are normalised before the first convolution pads them with
            zeros, so that its padding means the mean colour, as in training.
        outputs: One of ``segpp.export.config.OUTPUTS``.
    """

    def __init__(self, network: PrecisionWrapper, spec: InputSpec, outputs: str = "logits") -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.outputs = OUTPUTS[outputs]
        self.mean, self.std = (
            nn.Buffer(torch.tensor(values)[:, None, None]) for values in (spec.mean, spec.std)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The input's name, then the outputs'."""
        return (self.spec.name, *self.outputs)

    def example(self) -> Tensor:
        """Return an input of the right shape and type."""
        return torch.zeros(self.spec.shape, dtype=getattr(torch, self.spec.dtype))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, K, h, w), labels (B, H, W) or both for an image as ``spec`` has it."""
        logits = self.network(self._normalize(image))
        if "labels" not in self.outputs:
            return (logits,)
        labels = torch_ops.resize_argmax(logits, self.spec.height, self.spec.width)
        return (logits, labels) if "logits" in self.outputs else (labels,)

    def _normalize(self, image: Tensor) -> Tensor:
        if self.spec.dtype != "uint8":
            return image
        # The arithmetic of segpp.images.preprocess, to the bit. TensorRT has UINT8 for inputs only,
        # so nothing stands before the cast.
        pixels = image.float().permute(0, 3, 1, 2)
        normalized: Tensor = (pixels - self.mean) / self.std
        return normalized
