"""What stands around the network in the file: normalisation before it, labels behind it."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from segpp.export.config import OUTPUTS
from segpp.export.custom_ops import torch_ops
from segpp.export.models.network import Network
from segpp.export.onnx_graph.picture_resize import PictureResize
from segpp.images.fit import padding_color
from segpp.manifest import InputSpec
from segpp.ops.grid import Size

__all__ = ["ModelWithIO", "file_input"]


def file_input(spec: InputSpec, input_dtype: str, picture: Size | None = None) -> InputSpec:
    """Return the input as the file's reader has to feed it.

    Float pixels are normalised inside, so that outside their mean is 0 and their std 1: a reader
    that does what the manifest says feeds them as they are. What lies beside a letterboxed
    picture stays the mean of training, as for every other input.

    Args:
        spec: With the mean and std of training.
        input_dtype: One of ``INPUTS``.
        picture: What is resized inside, if anything is; then the input is uint8.
    """
    if picture is not None:
        return replace(spec, shape=(spec.batch, *picture, spec.channels))
    if input_dtype != "float32-pixels":
        return spec
    padding = tuple(padding_color(spec).tolist())
    return replace(spec, mean=(0.0,) * spec.channels, std=(1.0,) * spec.channels, padding=padding)


class ModelWithIO(nn.Module):
    """The network as the file has it, pixels or logits included or not.

    Args:
        network: Normalised images to logits.
        spec: The file's input, with the mean and std of training. Pixels are normalised before the
            first convolution pads them with zeros, so that its padding means the mean colour, as
            in training.
        outputs: One of ``segpp.export.config.OUTPUTS``.
        pixels: Whether floats are pixels too, 0 to 255; uint8 always is.
        output_names: What the outputs are called, if not as ``OUTPUTS`` has it.
        align_corners: How logits are resized to labels.
        picture: The size of what the file takes and labels, if it resizes pictures itself.
    """

    def __init__(
        self,
        network: Network,
        spec: InputSpec,
        outputs: str = "logits",
        *,
        align_corners: bool = False,
        pixels: bool = False,
        output_names: tuple[str, ...] = (),
        picture: Size | None = None,
    ) -> None:
        super().__init__()
        self.pixels = pixels or spec.dtype == "uint8"
        self.output_names = output_names or OUTPUTS[outputs]
        self.align_corners = align_corners
        self.network = network
        self.spec = file_input(spec, "", picture)
        network_size = Size(spec.height, spec.width)
        self.resize = (
            nn.Identity() if picture is None else PictureResize(picture, network_size, spec.resize)
        )
        self.outputs = OUTPUTS[outputs]
        self.mean, self.std = (
            nn.Buffer(torch.tensor(values)[:, None, None]) for values in (spec.mean, spec.std)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The input's name, then the outputs'."""
        return (self.spec.name, *self.output_names)

    def example(self) -> Tensor:
        """Return an input of the right shape and type; halves come after tracing."""
        kind = torch.uint8 if self.spec.dtype == "uint8" else torch.float32
        return torch.zeros(self.spec.shape, dtype=kind)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, K, h, w), labels (B, H, W) or both for an image as ``spec`` has it."""
        logits = self.network(self._normalize(image))
        if "labels" not in self.outputs:
            return (logits,)
        labels = torch_ops.resize_argmax(
            logits, self.spec.height, self.spec.width, align_corners=self.align_corners
        )
        return (logits, labels) if "logits" in self.outputs else (labels,)

    def _normalize(self, image: Tensor) -> Tensor:
        if not self.pixels:
            return image
        # The arithmetic of segpp.images.preprocess, to the bit. TensorRT has UINT8 for inputs only,
        # so nothing stands before the cast.
        pixels = image.float()
        if self.spec.layout == "NHWC":
            pixels = pixels.permute(0, 3, 1, 2)
        normalized: Tensor = (self.resize(pixels) - self.mean) / self.std
        return normalized
