"""Whether the network with kernels is the network with the torch operators, on the same GPU."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.effort import effort
from benchmarks.gpu.network.networks import Form, Variant, Weights, hugging_face, image, ours
from benchmarks.gpu.results import record
from benchmarks.gpu.timing import device

FP32 = Form(torch.float32, fused=False)
FP16 = Form(torch.float16, fused=True)


def main() -> None:
    """Compare logits, the exact form first."""
    torch.backends.cudnn.allow_tf32 = False
    for size in effort().agreement_sizes:
        original = hugging_face(size)
        _compare(size, original, original.state_dict())


def _compare(size: str, original: nn.Module, weights: Weights) -> None:
    pixels = image(*effort().agreement_image)
    theirs = _logits(original, FP32, pixels)
    none = _ours(size, weights, Variant("none"), FP32, pixels)
    record("agreement", **{f"{size} none / transformers, FP32": difference(theirs, none)})
    for preset, window in (("hq", 0), ("hq", 1), ("fast", 0)):
        expected = _ours(size, weights, Variant(preset, "reference", window), FP32, pixels)
        for form, name in ((FP32, "FP32"), (FP16, "FP16 fused")):
            found = _ours(size, weights, Variant(preset, "kernels", window), form, pixels)
            key = f"{size} {preset} window {window}: kernels {name} / torch FP32"
            record("agreement", **{key: difference(expected, found)})
    cells = _ours(size, weights, Variant("2x2"), FP32, pixels)
    found = _ours(size, weights, Variant("2x2"), FP16, pixels)
    record("agreement", **{f"{size} 2x2: FP16 fused / FP32": difference(cells, found)})


def difference(expected: Tensor, found: Tensor) -> dict[str, object]:
    """Return how far two tensors of logits (B, K, h, w) are apart."""
    return {
        "max_abs": float((expected - found).abs().max()),
        "largest_logit": float(expected.abs().max()),
        "equal_classes": float((expected.argmax(1) == found.argmax(1)).float().mean()),
        "finite": bool(found.isfinite().all()),
    }


def _ours(size: str, weights: Weights, variant: Variant, form: Form, pixels: Tensor) -> Tensor:
    return _logits(ours(size, weights, variant, form), form, pixels)


@torch.inference_mode()
def _logits(model: nn.Module, form: Form, pixels: Tensor) -> Tensor:
    # The weights are shared: what is moved here must not move there.
    there = deepcopy(model).to(device(), form.dtype)
    answer = there(pixels.to(device(), form.dtype))
    return logits_of(answer).float()


def logits_of(answer: Any) -> Tensor:
    """Return the logits of what a network of transformers, or of ours, returns."""
    logits: Tensor = getattr(answer, "logits", answer)
    return logits


if __name__ == "__main__":
    main()
