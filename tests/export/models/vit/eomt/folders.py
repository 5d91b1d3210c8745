"""EoMTs of transformers with random weights, and folders of them: the oracle of what is loaded."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "eomt",
    "eomt_dinov3",
    "of_another_size",
    "original_state",
    "save_eomt",
    "semantic",
]

# As small as shows everything: queries join before the second of three blocks.
_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
    "num_blocks": 2,
    "num_queries": 7,
    "num_register_tokens": 2,
    "num_upscale_blocks": 2,
    "mlp_ratio": 2,
    "id2label": dict(enumerate(("road", "sky", "car", "tree", "person"))),
}


def eomt(seed: int = 3, **changes: Any) -> Any:
    """Return a network in which no weight, bias or scale is trivial, and no attention masked."""
    return _network("Eomt", "eomt", seed, {**_SMALL, **changes})


def eomt_dinov3(seed: int = 3, **changes: Any) -> Any:
    """Return the same over DINOv3, with rotary positions."""
    small = {key: value for key, value in _SMALL.items() if key != "mlp_ratio"}
    small["intermediate_size"] = 96
    return _network("EomtDinov3", "eomt_dinov3", seed, {**small, **changes})


def _network(kind: str, module: str, seed: int, settings: dict[str, Any]) -> Any:
    transformers = pytest.importorskip("transformers", reason="the oracle is of transformers")
    modeling = pytest.importorskip(f"transformers.models.{module}.modeling_{module}")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        # scipy is for the loss of its training alone.
        patch.setattr(modeling, "requires_backends", lambda *_: None)
        config = getattr(transformers, f"{kind}Config")(**settings)
        network = getattr(transformers, f"{kind}ForUniversalSegmentation")(config).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.requires_grad_(requires_grad=False).named_parameters():
        tensor.copy_(_drawn(name, torch.randn(tensor.shape, generator=generator)))
    network.attn_mask_probs.zero_()
    return network


def _drawn(name: str, drawn: Tensor) -> Tensor:
    if drawn.ndim == 1:
        return drawn.abs() * 0.2 + 0.8 if name.endswith(("weight", "lambda1")) else drawn * 0.2
    # Queries that differ clearly, and their classes: a mask must have more than one.
    if name.startswith("query"):
        return drawn * 1.5
    if drawn.ndim == 3 or name.startswith("embeddings.position"):
        return drawn * 0.5
    gain = 20.0 if name.startswith("class_predictor") else 1.5
    return drawn * (gain / drawn[0].numel()) ** 0.5


def save_eomt(
    folder: Path,
    network: Any,
    *,
    state: Callable[[dict[str, Tensor]], object] | None = None,
    config: dict[str, Any] | None = None,
    processor: dict[str, Any] | None = None,
) -> Path:
    """Write a folder as ``save_pretrained`` does.

    Args:
        folder: Where.
        network: What.
        state: Changes the tensors first.
        config: What ``config.json`` says besides; None leaves a key out.
        processor: What ``preprocessor_config.json`` holds; none without.
    """
    network.save_pretrained(folder)
    if state is not None:
        tensors = load_file(folder / "model.safetensors")
        state(tensors)
        save_file(tensors, folder / "model.safetensors")
    said = json.loads((folder / "config.json").read_text()) | (config or {})
    said = {key: value for key, value in said.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(said))
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def semantic(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores (B, K, H, W) and the labels (B, H, W) that transformers gives images."""
    transformers = pytest.importorskip("transformers")
    height, width = images.shape[2:]
    processor = transformers.EomtImageProcessor()
    with torch.inference_mode():
        found = processor.post_process_semantic_segmentation(
            network(images),
            target_sizes=[(height, width)] * len(images),
            size={"shortest_edge": height, "longest_edge": width},
            return_segmentation_scores=True,
        )
    return (
        torch.stack([one.segmentation_scores for one in found]),
        torch.stack([one.segmentation for one in found]),
    )


def of_another_size(network: Any, size: tuple[int, int]) -> Any:
    """Return a network for images of another size, its positions resized as DINOv2's are."""
    other, patch, side = copy.deepcopy(network), network.config.patch_size, network.grid_size
    grid = size[0] // patch, size[1] // patch
    other.grid_size = grid
    if not hasattr(network.embeddings, "position_embeddings"):
        return other
    rows = network.embeddings.position_embeddings.weight
    stored = rows.T.reshape(1, -1, *side)
    resized = F.interpolate(stored, grid, mode="bicubic", align_corners=False)
    other.embeddings.position_embeddings.weight = torch.nn.Parameter(resized[0].flatten(1).T)
    other.embeddings.position_ids = torch.arange(grid[0] * grid[1])[None]
    return other


_NAMES = (
    ("embeddings.position_embeddings.weight", "encoder.backbone.pos_embed"),
    ("embeddings.register_tokens", "encoder.backbone.reg_token"),
    ("embeddings.patch_embeddings.projection", "encoder.backbone.patch_embed.proj"),
    ("embeddings.", "encoder.backbone."),
    ("layernorm.", "encoder.backbone.norm."),
    ("layers.", "encoder.backbone.blocks."),
    (".attention.out_proj.", ".attn.proj."),
    (".layer_scale1.lambda1", ".ls1.gamma"),
    (".layer_scale2.lambda1", ".ls2.gamma"),
    ("query.", "q."),
    ("class_predictor.", "class_head."),
    ("upscale_block.block.", "upscale."),
    (".layernorm2d.", ".norm."),
    ("mask_head.fc1.", "mask_head.0."),
    ("mask_head.fc2.", "mask_head.2."),
    ("mask_head.fc3.", "mask_head.4."),
)


def original_state(network: Any, prefix: str = "") -> dict[str, Tensor]:
    """Return the state dict of an ``eomt()`` as EoMT's own code names it."""
    theirs, ours = network.state_dict(), dict[str, Tensor]()
    for name, tensor in theirs.items():
        own = name
        for old, new in _NAMES:
            own = own.replace(old, new) if old.startswith(".") or own.startswith(old) else own
        if name.startswith("criterion."):
            continue
        if ".q_proj." in name:
            rest = (theirs[name.replace("q_proj", other)] for other in ("k_proj", "v_proj"))
            own = own.replace(".attention.q_proj.", ".attn.qkv.")
            ours[prefix + own] = torch.cat((tensor, *rest))
        elif not any(part in name for part in (".k_proj.", ".v_proj.")):
            # Positions are a row there, as timm's.
            ours[prefix + own] = tensor[None] if own.endswith("pos_embed") else tensor
    pixels = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    for key, values in pixels.items():
        ours[f"{prefix}encoder.pixel_{key}"] = torch.tensor(values).reshape(1, 3, 1, 1)
    return ours
