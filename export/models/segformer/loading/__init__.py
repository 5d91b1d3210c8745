"""Any SegFormer checkpoint to one state dict, with what is needed to compute as its trainer did."""
# ruff: noqa: PLC0415 - the formats are listed without torch

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.checkpoints.training_only import left_out
from segpp.export.models._common.colors import turned_channels
from segpp.export.models.base import Checkpoint
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading import hf_config
from segpp.export.models.segformer.loading.formats import (
    FORMATS,
    CheckpointFormat,
    from_segpp,
    to_segpp,
)
from segpp.export.models.segformer.loading.heads import choose_heads, unusual_shape_notes
from segpp.export.models.segformer.loading.metadata import Sources, read_metadata
from segpp.export.models.segformer.loading.mm_config import (
    TrainingConfig,
    config_of,
    read_training_config,
)

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.checkpoints.state_dict import StateDict
    from segpp.export.checkpoints.weights import WeightsFile
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["SegFormerCheckpoint", "load", "state_dict_for"]

_COUNTER = ".num_batches_tracked"
# The convolution that sees the image.
_FIRST = "stages.0.patch_embed.conv.weight"


@dataclass(frozen=True, kw_only=True)
class SegFormerCheckpoint(Checkpoint):
    """A trained SegFormer.

    Attributes:
        numerics: What its trainer's code computes the weights with.
    """

    numerics: Numerics

    @property
    def align_corners(self) -> bool:
        """How the logits are meant to be resized to the image."""
        return self.numerics.align_corners

    @property
    def numeric_settings(self) -> dict[str, object]:
        """The numerics by name."""
        return asdict(self.numerics)

    def build(self) -> "SegFormer":
        """Return the network with these weights, ready for inference."""
        import torch

        from segpp.export.models.segformer.model import SegFormer

        with torch.device("meta"):
            model = SegFormer(self.architecture, self.numerics)
        # Old files lack the counters of BatchNorm, which only training reads.
        counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(_COUNTER)}
        model.load_state_dict({**self.state, **counters}, assign=True)
        return model.eval().requires_grad_(requires_grad=False)

    def stored(self, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return other weights under the names of the file and in its form, in FP32.

        Args:
            state: Under our names; counters of BatchNorm are passed over.
        """
        own = {name: tensor for name, tensor in state.items() if not name.endswith(_COUNTER)}
        if self.colors == "bgr":
            # Turned round twice, channels are where they were.
            own[_FIRST] = turned_channels(own[_FIRST])
        return state_dict_for(self.format, own)


def load(
    weights: "WeightsFile",
    state_dict: "StateDict",
    path: Path,
    choices: ReadChoices,
) -> SegFormerCheckpoint:
    """Return the SegFormer in a weights file of any known format.

    Args:
        weights: The file as read, with the JSON beside it.
        state_dict: The tensors of the network in it.
        path: Of the file, for messages.
        choices: What the caller says about it.

    Raises:
        CheckpointError: It is foreign or incomplete, or could be of several formats.
    """
    from segpp.export.models._common.tensors import owned
    from segpp.export.models.segformer.loading.detect import detect_format
    from segpp.export.models.segformer.loading.infer_architecture import (
        architecture_of,
        expected_by,
    )
    from segpp.export.models.segformer.loading.validate import (
        check_depths,
        check_finite,
        check_shapes,
        check_sound,
        unused_keys,
    )

    tensors, config = state_dict.tensors, weights.config
    # 1. Whose file it is, and that its tensors are plain numbers.
    name = detect_format(tensors, path, choices.checkpoint_format)
    fmt = FORMATS[name]
    hf_config.check_strides(config)
    check_sound(fmt, tensors, path)
    # 2. Which network it is, and that it is that network and nothing else.
    training = read_training_config(config_of(state_dict.context), path)
    heads, origin = choose_heads(choices.heads, config, training.heads)
    architecture = architecture_of(fmt, tensors, heads, path)
    expected = expected_by(fmt, architecture)
    unused = unused_keys(fmt, tensors, expected, path)
    told = filter(None, [left_out(unused, expected, path)])
    check_shapes(tensors, expected, architecture.name, path)
    for said in (config.get("depths"), training.depths):
        check_depths(architecture.depths, said, path)
    check_finite(tensors, expected, path)
    # 3. What else the file says.
    sources = Sources(state_dict.context, training, config, weights.preprocessor, choices.colors)
    metadata = read_metadata(sources, architecture)
    own = to_segpp(fmt, {key: tensors[key] for key in expected})
    state = {name: owned(tensor) for name, tensor in own.items()}
    if metadata.colors == "bgr":
        state[_FIRST] = turned_channels(state[_FIRST])
    read = (*unusual_shape_notes(architecture, origin), *weights.notes, *state_dict.notes)
    return SegFormerCheckpoint(
        state=state,
        architecture=architecture,
        numerics=_numerics(fmt, config, training),
        format=name,
        sha256=weights.sha256,
        classes=metadata.classes,
        size=metadata.size,
        mean=metadata.mean,
        std=metadata.std,
        colors=metadata.colors,
        fit=metadata.fit,
        resize=metadata.resize,
        reduce_labels=metadata.reduce_labels,
        origins={"heads": origin, **metadata.origins},
        ignored=(*state_dict.ignored, *unused),
        notes=(
            *read,
            *told,
            *training.notes,
            *metadata.notes,
        ),
        size_note=metadata.size_note,
    )


def state_dict_for(checkpoint_format: str, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return our state dict as the codebase of ``checkpoint_format`` would have saved it.

    Raises:
        CheckpointError: Its network has another head, or there is no such format.
    """
    converted = from_segpp(FORMATS[checkpoint_format], state)
    return {key: tensor.contiguous() for key, tensor in converted.items()}


def _numerics(
    fmt: CheckpointFormat, config: Mapping[str, Any], training: TrainingConfig
) -> Numerics:
    numerics = fmt.numerics
    if training.align_corners:
        # mmsegmentation's head resizes its levels the same way; the original's does not.
        in_head = fmt.head == "conv-bn"
        numerics = replace(numerics, align_corners=True, head_align_corners=in_head)
    return replace(numerics, gelu=hf_config.gelu_of(config)) if "hidden_act" in config else numerics
