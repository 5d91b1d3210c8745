"""What stands among a network's tensors and serves its training alone; all else is a layer.

A tensor that nobody uses is a part of the network that was dropped, unless this list knows better.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["is_counter", "left_out", "names_and_more", "why_unused", "why_unused_beside"]

_COUNTER = "num_batches_tracked"

# A component of a name, and why what lies below it takes no part in a mask.
_COMPONENTS = {
    r"(aux|auxiliary)(_(head|heads|classifier|decoder|seg))?": "an auxiliary head",
    r"(loss|losses|criterion|criterions|criteria)(_\w+)?|\w+_(loss|losses|criterion)": "a loss",
    r"(\w+_)?(metric|metrics)(_\w+)?": "a metric",
    # Networks that follow a ball tell beside the mask whether it is to be seen; those of smp may
    # tell what the whole image shows.
    r"visible_classification|classification_head": "a second output",
}
# The last component: the states of torchmetrics, and of those who count.
_LEAVES = {
    r"confmat|tp|fp|tn|fn": "a metric",
    _COUNTER: "a counter of BatchNorm",
    r"n_averaged|steps": "a counter of averaged weights",
}
# What trainers write beside a network's state dict: a key on the way there, whatever lies below it.
_BESIDE = {
    r"(\w+_)?optim\w*|opt": "an optimizer's state",
    r"(\w+_)?schedulers?(_\w+)?|(\w+_)?warmup(_\w+)?": "a schedule",
    r"((grad|loss|amp)_)?scaler(_state(_dict)?)?|amp|native_amp\w*": "a scale of losses",
    r"(\w+_)?rng(_states?)?|random_states?": "a random state",
    r"(\w+_)?(ema|swa|shadow|averaged?)(_\w+)?": "averaged weights",
    r"(class|pos)_weights?": "a loss",
    r"(\w+_)?(fitness|m?iou|dice|acc|accuracy|scores?|loss(es)?|metrics?)(_per_class)?": "a metric",
    r"(\w+_)?discriminator(_state(_dict)?)?": "a discriminator",
    r"frozen_param_\w+|param_shapes": "DeepSpeed's list of parameters",
    r"callbacks|loops|message_hub|history|logs?|args|config|cfg|meta|hparams|hyper_parameters": (
        "a setting or a log"
    ),
}
_SHOWN = 3


def why_unused(name: str) -> str | None:
    """Return why a tensor takes no part in a mask, or None if nothing says that it does not."""
    parts = name.split(".")
    for pattern, reason in _LEAVES.items():
        if re.fullmatch(pattern, parts[-1]):
            return reason
    for pattern, reason in _COMPONENTS.items():
        if any(re.fullmatch(pattern, part) for part in parts[:-1]):
            return reason
    return None


def why_unused_beside(keys: Sequence[str], tensor: "Tensor") -> str | None:
    """Return why a tensor beside a network's state dict takes no part in a mask, None if it may.

    Args:
        keys: What leads to it, from the outside in.
        tensor: Numbers without a dimension and whole numbers are of no layer.
    """
    for pattern, reason in _BESIDE.items():
        if any(re.fullmatch(pattern, key, re.IGNORECASE) for key in keys):
            return reason
    if tensor.ndim == 0 or not tensor.is_floating_point():
        return "a number"
    return why_unused(".".join(keys))


def is_counter(name: str) -> bool:
    """Whether this is BatchNorm's counter, which belongs to the module that is used."""
    return name.endswith(_COUNTER)


def left_out(
    reasons: Mapping[str, str | None], used: Collection[str], path: Path, *facts: str
) -> str | None:
    """Return one sentence on the tensors that are not used, or None if there is none to tell.

    Args:
        reasons: Why each takes no part in a mask, None where nothing says so.
        used: Names of the tensors that do.
        path: Of the file, for messages.
        facts: What else to tell in the error.

    Raises:
        CheckpointError: Some of them may take part.
    """
    if unknown := [name for name, reason in reasons.items() if reason is None]:
        count = "1 tensor" if len(unknown) == 1 else f"{len(unknown)} tensors"
        raise CheckpointError(
            f"{path} has {count} that the network has no place for",
            *facts,
            f"found: {names_and_more(unknown)}",
            hint="a changed network cannot be exported; only where masks do not depend on them: "
            f"--ignore-tensors '{_pattern_of(unknown, used)}'",
        )
    told = [f"{name} ({why})" for name, why in reasons.items() if not is_counter(name)]
    return f"left out, for training alone: {names_and_more(told)}" if told else None


def _pattern_of(unknown: Sequence[str], used: Collection[str]) -> str:
    """Return a pattern for as many of the names as share the longest prefix that is theirs."""
    first = unknown[0].split(".")
    for depth in range(1, len(first)):
        prefix = ".".join(first[:depth]) + "."
        if not any(name.startswith(prefix) for name in used):
            return f"{prefix}*"
    return unknown[0]


def names_and_more(names: Iterable[str]) -> str:
    """Return the first few names and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:120] for name in names[:_SHOWN]) + more
