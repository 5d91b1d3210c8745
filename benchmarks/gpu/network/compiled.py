"""The whole network through torch.compile, in FP16 and under a CUDA graph of our own."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.effort import effort
from benchmarks.gpu.network.agreement import logits_of
from benchmarks.gpu.network.networks import Form, Variant, hugging_face, image, ours
from benchmarks.gpu.results import record
from benchmarks.gpu.timing import captured, device, faster, measured

STAGE = "network, FP16, torch.compile"
FORM = Form(torch.float16, fused=True)
VARIANTS = ("none", "hq", "fast")


@torch.inference_mode()
def main() -> None:
    """Compile one after the other, and measure again whenever there is one more."""
    size, height, width = effort().compiled
    original = hugging_face(size)
    weights = {name: one.clone() for name, one in original.state_dict().items()}
    pixels = image(height, width).to(device(), FORM.dtype)
    models: dict[str, nn.Module] = {
        name: ours(size, weights, Variant(name), FORM) for name in VARIANTS
    }
    models = {"none": models["none"], "hq": models["hq"], "transformers": original, **models}
    replays = {}
    for name, model in models.items():
        start = time.perf_counter()
        run = torch.compile(model.to(device(), FORM.dtype), dynamic=False)
        replays[name] = captured(partial(_run, run, pixels)).replay
        record(STAGE, **{f"seconds to compile {name}": time.perf_counter() - start})
        found = measured(replays, effort().rounds)
        found["faster_than_none"] = faster(found["series"], "none")
        record(STAGE, **{f"{size} {height}x{width}": found})


def _run(model: Callable[[Tensor], Any], pixels: Tensor) -> Tensor:
    return logits_of(model(pixels))


if __name__ == "__main__":
    main()
