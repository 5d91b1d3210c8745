"""Names and colours of the classes, as far as they fit the network."""

from collections.abc import Mapping
from typing import Any

from segpp.export.models._common.class_names import stored_classes
from segpp.export.models._common.hf_settings import names_of
from segpp.manifest import Classes

__all__ = ["classes_of", "reduces_labels"]

_CHANNEL_MAX = 255


def classes_of(
    meta: Mapping[str, Any], config: Mapping[str, Any], channels: int, notes: list[str]
) -> Classes | None:
    """Return names and colours, None if the checkpoint has neither.

    Args:
        meta: What mmsegmentation stores beside the weights.
        config: ``config.json``, empty without.
        channels: Of the logits; one channel tells two classes apart.
        notes: Takes what does not fit, a sentence each.
    """
    named, gap = names_of(config, channels)
    notes += [gap] if gap else []
    return stored_classes(meta, channels, notes, named=named, ignore=_ignored_label(config))


def reduces_labels(meta: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> bool:
    """Return whether label 0 of the data set counts for nothing."""
    said = _dict(meta.get("dataset_meta")).get("reduce_zero_label")
    # `reduce_labels` in files of transformers before 4.40; where both stand, the new one counts.
    old = preprocessor.get("reduce_labels")
    return said is True or preprocessor.get("do_reduce_labels", old) is True


def _ignored_label(config: Mapping[str, Any]) -> int:
    label = config.get("semantic_loss_ignore_index", 255)
    return label if type(label) is int and 0 <= label <= _CHANNEL_MAX else 255


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
