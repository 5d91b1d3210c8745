"""The whole network as papers time it: eager PyTorch, FP32, attention in three operators."""

from functools import partial

import torch

from benchmarks.gpu.effort import effort
from benchmarks.gpu.network.agreement import logits_of
from benchmarks.gpu.network.networks import Form, Variant, hugging_face, image, ours
from benchmarks.gpu.results import record
from benchmarks.gpu.timing import device, faster, measured

FORM = Form(torch.float32, fused=False)
VARIANTS = {
    "none": Variant("none"),
    "hq": Variant("hq"),
    "fast": Variant("fast"),
    "hq, torch topk": Variant("hq", by="torch"),
    "fast, torch topk": Variant("fast", by="torch"),
}


@torch.inference_mode()
def main() -> None:
    """Measure with FP32 products, then with those of TF32."""
    size, height, width = effort().eager
    original = hugging_face(size, attention="eager")
    weights = original.state_dict()
    pixels = image(height, width).to(device())
    models: dict[str, torch.nn.Module] = {
        name: ours(size, weights, one, FORM) for name, one in VARIANTS.items()
    }
    models["transformers"] = original
    runs = {}
    for name, model in models.items():
        runs[name] = partial(_run, model.to(device()), pixels)
        runs[name]()
    for precision in ("highest", "high"):
        torch.set_float32_matmul_precision(precision)
        found = measured(runs, effort().eager_rounds)
        found["faster_than_none"] = faster(found["series"], "none")
        found["cudnn_allow_tf32"] = torch.backends.cudnn.allow_tf32
        key = f"{size} {height}x{width}, matmul precision {precision}"
        record("network, FP32, eager, unfused attention", **{key: found})


def _run(model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    return logits_of(model(pixels))


if __name__ == "__main__":
    main()
