"""A policy that begins with weights of EfficientNet-Lite0, as timm saves it.

Source: Lu et al., Content-aware Token Sharing, 2023 (arXiv:2306.02095), section 3.2: the backbone
begins with what it learned on ImageNet. A file of a policy alone has its last layer too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.weights import read_weights
from segpp.export.models.base import Checkpoint
from segpp.export.models.vit.loading.formats import FORMATS

__all__ = ["with_backbone"]

_FIRST = "conv_stem.weight"
_HEAD = "policy.head."
# As a checkpoint of CTS names them.
_WHOLE, _BACKBONE = "policy_net.", "policy_net.backbone."


def with_backbone(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """Return a checkpoint whose policy has the weights of a file, and its own head without one.

    Raises:
        CheckpointError: The file has not all of the backbone, or other shapes.
    """
    tensors = _backbone(read_weights(path, ()).content, path)
    own = {name: _theirs(name) for name in checkpoint.state if name.startswith("policy.")}
    missing = [t for name, t in own.items() if t not in tensors and not name.startswith(_HEAD)]
    if missing:
        raise CheckpointError(
            f"{path} lacks {len(missing)} tensors of EfficientNet-Lite0",
            f"missing: {', '.join(missing[:3])}",
            hint="give what timm saves of efficientnet_lite0",
        )
    found = {name: tensors[theirs] for name, theirs in own.items() if theirs in tensors}
    for name, tensor in found.items():
        if tensor.shape != checkpoint.state[name].shape:
            raise CheckpointError(
                f"{path} has another network than EfficientNet-Lite0",
                f"{own[name]}: expected {tuple(checkpoint.state[name].shape)}, found "
                f"{tuple(tensor.shape)}",
            )
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path} has numbers that are none in {own[name]}")
    owned = {name: tensor.detach().float().clone() for name, tensor in found.items()}
    return replace(checkpoint, state={**checkpoint.state, **owned})


def _theirs(name: str) -> str:
    """Return what a tensor of ours is called behind ``backbone.``, or behind nothing as a head."""
    owner, _, leaf = name.rpartition(".")
    theirs = next(m for m in FORMATS["segmenter"].policy if m.ours == owner).theirs
    return f"{theirs.removeprefix(_BACKBONE).removeprefix(_WHOLE)}.{leaf}"


def _backbone(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the tensors around the first layer, under timm's names; a head under ``head``."""
    for own in _mappings(content):
        first = next((str(n) for n in own if str(n).endswith(_FIRST)), None)
        if first is not None:
            root = first.removesuffix(_FIRST)
            tensors = {str(n): t for n, t in own.items() if isinstance(t, Tensor)}
            inside = {n.removeprefix(root): t for n, t in tensors.items() if n.startswith(root)}
            outer = root.removesuffix("backbone.")
            heads = (f"{outer}head.weight", f"{outer}head.bias")
            return {**inside, **{n.removeprefix(outer): tensors[n] for n in heads if n in tensors}}
    raise CheckpointError(
        f"{path} has no EfficientNet-Lite0",
        f"nothing in it is called {_FIRST}",
        hint="give what timm saves of efficientnet_lite0",
    )


def _mappings(content: Any) -> Iterator[Mapping[Any, Any]]:
    waiting = [content]
    for value in waiting:
        if isinstance(value, Mapping):
            yield value
            waiting += [one for one in value.values() if isinstance(one, Mapping)]
