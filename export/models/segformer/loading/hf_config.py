"""What ``config.json`` says of a SegFormer beyond the weights."""

from collections.abc import Mapping
from typing import Any, Literal

from segpp.errors import CheckpointError
from segpp.export.models._common.hf_settings import is_count
from segpp.export.models.segformer.architecture import HEADS, STAGES

__all__ = ["check_strides", "gelu_of", "heads_of"]

_GELU: dict[str, Literal["none", "tanh"]] = {
    "gelu": "none",
    "gelu_python": "none",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
}
_STRIDES = [4, 2, 2, 2]


def heads_of(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the attention heads per stage, the usual ones where it gives none.

    Raises:
        CheckpointError: They are not four positive whole numbers.
    """
    heads = config.get("num_attention_heads", list(HEADS))
    if isinstance(heads, list) and len(heads) == STAGES and all(is_count(head) for head in heads):
        return tuple(heads)
    raise CheckpointError(
        f"config.json gives the attention heads as {heads!r:.80}",
        f"expected: {STAGES} whole numbers",
    )


def gelu_of(config: Mapping[str, Any]) -> Literal["none", "tanh"]:
    """Return the form of GELU.

    Raises:
        CheckpointError: The activation is another one.
    """
    name = config.get("hidden_act", "gelu")
    if not isinstance(name, str) or name not in _GELU:
        raise CheckpointError(
            f"config.json gives the activation {name!r:.80}", f"known: {', '.join(_GELU)}"
        )
    return _GELU[name]


def check_strides(config: Mapping[str, Any]) -> None:
    """Raise CheckpointError if the stages' strides, which no shape shows, are unusual."""
    if (strides := config.get("strides", _STRIDES)) != _STRIDES:
        raise CheckpointError(
            f"config.json gives the strides {strides!r:.80}", f"expected: {_STRIDES}"
        )
