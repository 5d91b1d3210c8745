"""Whole networks in FP16 under CUDA graphs, batch 1: ours with and without merging, and others'."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.gpu.effort import effort
from benchmarks.gpu.network.agreement import difference, logits_of
from benchmarks.gpu.network.networks import Form, Variant, Weights, hugging_face, image, ours
from benchmarks.gpu.results import exit_if_failed, record, record_failure
from benchmarks.gpu.timing import Captured, captured, device, faster, measured

FORM = Form(torch.float16, fused=True)
STAGE = "network, FP16, CUDA graphs"
WHOLE_STAGE = 1000
BASE = "none"

VARIANTS = {
    BASE: Variant("none"),
    "hq": Variant("hq"),
    "fast": Variant("fast"),
    "2x2": Variant("2x2"),
    "hq, window 1": Variant("hq", window=1),
    "fast, window 1": Variant("fast", window=1),
    "hq, match every 2": Variant("hq", match_interval=2),
    "hq, one match a stage": Variant("hq", match_interval=WHOLE_STAGE),
    "fast, one match a stage": Variant("fast", match_interval=WHOLE_STAGE),
    "hq, one match a stage, window 1": Variant("hq", window=1, match_interval=WHOLE_STAGE),
    # Last, because a failed capture may take the process with it.
    "hq, torch topk": Variant("hq", by="torch"),
    "fast, torch topk": Variant("fast", by="torch"),
}


@dataclass(frozen=True)
class Network:
    """The logits of a network by an ordinary call, and the graph of that call."""

    eager: Tensor
    graph: Captured


def main() -> None:
    """Measure each network; what fails is said, and left out."""
    torch.backends.cudnn.benchmark = True
    for size, height, width in effort().networks:
        place = f"{size} {height}x{width}"
        try:
            _network(place, size, height, width)
        except Exception:  # noqa: BLE001 - the next network may work
            record_failure(STAGE, place)
    exit_if_failed()


@torch.inference_mode()
def _network(place: str, size: str, height: int, width: int) -> None:
    original = hugging_face(size)
    pixels = image(height, width).to(device(), FORM.dtype)
    weights = {name: tensor.to(device()) for name, tensor in original.state_dict().items()}
    graphs: dict[str, Network] = {}
    _add(graphs, place, "transformers", partial(_theirs, original), pixels)
    for name, variant in VARIANTS.items():
        _add(graphs, place, name, partial(_ours, size, weights, variant), pixels)
    replays = {name: one.graph.replay for name, one in graphs.items()}
    found = measured(replays, effort().rounds)
    # After the last replay: what a graph reads must have lasted until then.
    outputs = {name: one.graph.output.float() for name, one in graphs.items()}
    found["to_eager"] = {name: difference(one.eager, outputs[name]) for name, one in graphs.items()}
    if BASE in graphs:
        found["faster_than_none"] = faster(found["series"], BASE)
        found["to_none"] = {name: difference(outputs[BASE], one) for name, one in outputs.items()}
    record(STAGE, **{place: found})


def _theirs(original: nn.Module) -> nn.Module:
    return original.to(device(), FORM.dtype)


def _ours(size: str, weights: Weights, variant: Variant) -> nn.Module:
    model = ours(size, {name: one.float() for name, one in weights.items()}, variant, FORM)
    return model.to(device(), FORM.dtype)


def _add(
    graphs: dict[str, Network],
    place: str,
    name: str,
    make: Callable[[], nn.Module],
    pixels: Tensor,
) -> None:
    try:
        model = make()
        eager = logits_of(model(pixels)).float()
        graphs[name] = Network(eager, captured(lambda: logits_of(model(pixels))))
    except Exception:  # noqa: BLE001 - the other variants may work
        record_failure(STAGE, f"{place}, {name}")


if __name__ == "__main__":
    main()
