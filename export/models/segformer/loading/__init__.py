"""Any SegFormer checkpoint to one state dict, with what is needed to compute as its trainer did."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segpp.export.checkpoints.state_dict import unwrap
from segpp.export.checkpoints.weights import read_weights
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading import hf_config as hugging_face
from segpp.export.models.segformer.loading.detect import recognise
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout
from segpp.export.models.segformer.loading.formats._convert import ours_from, theirs_from
from segpp.export.models.segformer.loading.infer_architecture import architecture_of, expected_by
from segpp.export.models.segformer.loading.metadata import annotations_of
from segpp.export.models.segformer.loading.validate import (
    check_finite,
    check_shapes,
    check_sound,
    leftovers,
)
from segpp.export.models.segformer.model import SegFormer
from segpp.manifest import Architecture, Classes
from segpp.ops.grid import Size

__all__ = ["Checkpoint", "read_checkpoint", "state_dict_for"]

_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Checkpoint:
    """A trained SegFormer, independent of who trained it.

    Attributes:
        state: The weights under the names of ``segformer.model.SegFormer``, float32, on the CPU,
            independent of the file.
        numerics: What its trainer's code computes the same weights with.
        layout: Whose code that is, a key of ``formats.LAYOUTS``.
        sha256: Of the weights file.
        classes: Names and colours, if the checkpoint tells either.
        size: The input size it was made for, if it tells.
        mean: Per channel on the 0-255 scale, if it tells.
        std: Likewise.
        ignored: Names in the file that take no part in the result.
        notes: What was found in the file and not used, one sentence each.
    """

    state: dict[str, Tensor]
    architecture: Architecture
    numerics: Numerics
    layout: str
    sha256: str
    classes: Classes | None = None
    size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def model(self) -> SegFormer:
        """Return the network with these weights, ready for inference."""
        with torch.device("meta"):
            model = SegFormer(self.architecture, self.numerics)
        # Old files lack the counters of BatchNorm, which only training reads.
        counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(_COUNTER)}
        model.load_state_dict({**self.state, **counters}, assign=True)
        return model.eval().requires_grad_(requires_grad=False)


def read_checkpoint(path: Path, *, source: str | None = None) -> Checkpoint:
    """Read a SegFormer checkpoint of any known layout; nothing in it is executed.

    Args:
        path: A file of ``torch.save`` or safetensors, or a folder of ``save_pretrained``.
        source: Whose code trained it, where the names do not tell: a key of ``LAYOUTS``.

    Raises:
        CheckpointError: It is missing, damaged, dangerous, foreign or incomplete, or could be of
            several layouts; or there is no such source.
    """
    if source is not None:
        _ = LAYOUTS[source]  # refuses an unknown name before a large file is read
    file = read_weights(path)
    found = unwrap(file.content, path)
    name = recognise(found.tensors, path, source)
    layout = LAYOUTS[name]
    hugging_face.check_strides(file.config)
    check_sound(layout, found.tensors, path)
    architecture = architecture_of(layout, found.tensors, hugging_face.heads_of(file.config), path)
    expected = expected_by(layout, architecture)
    unused = leftovers(layout, found.tensors, expected, path)
    check_shapes(found.tensors, expected, architecture.name, path)
    check_finite(found.tensors, expected, path)
    said = annotations_of(found.context, file.config, file.preprocessor, architecture)
    return Checkpoint(
        state=_owned(ours_from(layout, {name: found.tensors[name] for name in expected})),
        architecture=architecture,
        numerics=_numerics(layout, file.config),
        layout=name,
        sha256=file.sha256,
        classes=said.classes,
        size=said.size,
        mean=said.mean,
        std=said.std,
        ignored=(*found.ignored, *unused),
        notes=said.notes,
    )


def state_dict_for(layout: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our state dict as the codebase ``layout`` would have saved it.

    Raises:
        CheckpointError: Its network has another head, or there is no such layout.
    """
    return {name: t.contiguous() for name, t in theirs_from(LAYOUTS[layout], state).items()}


def _numerics(layout: Layout, config: Mapping[str, Any]) -> Numerics:
    if "hidden_act" not in config:
        return layout.numerics
    return replace(layout.numerics, gelu=hugging_face.gelu_of(config))


def _owned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # A copy: the originals may be views into a file that somebody replaces.
    return {
        name: tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }
