"""What a training configuration of mmsegmentation says of pictures, whatever the network.

Two generations write it: 0.x normalises in its pipelines and names data sets under ``data``, 1.x
normalises in a ``data_preprocessor`` and names data loaders.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segpp.errors import CheckpointError
from segpp.export.checkpoints.python_config import PythonConfig, parse_python_config, values_under
from segpp.ops.grid import Size

__all__ = ["PictureSettings", "check_part", "config_of", "read_picture_settings"]

# Data sets of mmsegmentation whose label 0 is no class.
_REDUCING = {
    "ADE20KDataset",
    "ISPRSDataset",
    "LoveDADataset",
    "PascalContextDataset59",
    "PotsdamDataset",
}


_SLIDE = "the training configuration tests with a sliding window: segpp-eval --protocol slide"


_CUT = (
    "mmsegmentation cuts the one channel of this head at a probability of 0.3, which is its "
    "default; masks here are cut at 0.5"
)


@dataclass(frozen=True)
class PictureSettings:
    """What the configuration says; None where it says nothing.

    Attributes:
        backbone: Settings of the encoder.
        head: Settings of the decode head.
        mean: Per channel, in the order in which the network takes them.
        std: Likewise.
        colors: That order.
        align_corners: How the head resizes the logits.
        size: What it was trained on.
        fit: How a picture of another shape is brought to the input's size in tests.
        reduce_labels: Whether label 0 of its data set counts for nothing.
        notes: What a person must know of it, one sentence each.
    """

    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colors: str | None = None
    align_corners: bool = False
    size: Size | None = None
    fit: Literal["stretch", "letterbox"] | None = None
    reduce_labels: bool = False
    notes: tuple[str, ...] = ()


def config_of(context: Mapping[str, Any]) -> PythonConfig:
    """Return the configuration among the entries around a state dict, empty without one."""
    meta = _dict(context.get("meta"))
    # 0.x, then 1.x.
    kept = [meta.get(key) for key in ("config", "cfg")]
    for one in kept:
        if isinstance(one, str):
            return parse_python_config(one)
    # Some keep the settings themselves.
    return next((PythonConfig(one) for one in kept if isinstance(one, Mapping)), PythonConfig())


def read_picture_settings(config: PythonConfig) -> PictureSettings:
    """Return what ``config`` says."""
    values = config.values
    model = _dict(values.get("model"))
    head = _dict(model.get("decode_head"))
    said, colors, told = _normalization(config, model)
    slides = _SLIDE if _dict(model.get("test_cfg")).get("mode") == "slide" else None
    return PictureSettings(
        backbone=_dict(model.get("backbone")),
        head=head,
        mean=_floats(said.get("mean")),
        std=_floats(said.get("std")),
        colors=colors,
        align_corners=head.get("align_corners") is True,
        size=_crop_size(values),
        fit=_fit(values),
        reduce_labels=_reduces(values),
        notes=tuple(filter(None, (config.problem, told, slides, _cut_of(head)))),
    )


def _cut_of(head: Mapping[str, Any]) -> str | None:
    return _CUT if head.get("out_channels") == 1 and head.get("threshold") is None else None


def check_part(
    part: Mapping[str, Any], expected: Mapping[str, Any], name: str, path: Path, *, plain: str
) -> None:
    """Raise CheckpointError if settings of a network differ from those that are exported.

    Args:
        part: The settings of one part of it; what is left out is as expected.
        expected: By key, or by ``key.inner``.
        name: Of the part.
        path: Of the checkpoint, for messages.
        plain: What could be exported.
    """
    for key, usual in expected.items():
        outer, _, inner = key.partition(".")
        found = _dict(part.get(outer)).get(inner, usual) if inner else part.get(outer, usual)
        plainly = list(found) if isinstance(found, tuple) else found
        if plainly is not None and plainly != usual:
            raise CheckpointError(
                f"{path} is of a network with the {name}'s {key} {found!r:.80}",
                f"expected: {usual!r}",
                "found in the training configuration inside",
                hint=f"a changed network cannot be exported; give {plain}",
            )


def _normalization(
    config: PythonConfig, model: Mapping[str, Any]
) -> tuple[Mapping[str, Any], str | None, str | None]:
    """Return the settings that count when the network is tested, and what stands there besides."""
    values = config.values
    preprocessor = _dict(model.get("data_preprocessor")) or _dict(values.get("data_preprocessor"))
    steps = [step for step in _test_steps(values) if _kind(step) == "Normalize"]
    # Without a mean it passes pixels as they are; what was not read may have one.
    is_raw = bool(preprocessor) and preprocessor.get("mean") is None and not config.problem
    if preprocessor.get("mean") is not None or (is_raw and not steps):
        used = {**preprocessor, **_RAW} if is_raw else preprocessor
        # mmengine: images come as BGR from the disk, and stay so unless it is told to turn them
        # round; both names do the same.
        is_turned = preprocessor.get("bgr_to_rgb") or preprocessor.get("rgb_to_bgr")
        return used, "rgb" if is_turned else "bgr", _stale(values, used)
    norm = next(iter(steps), _dict(values.get("img_norm_cfg")))
    if norm.get("mean") is None:
        return {}, None, None
    return norm, "bgr" if norm.get("to_rgb") is False else "rgb", None


def _stale(values: Mapping[str, Any], used: Mapping[str, Any]) -> str | None:
    other = _dict(values.get("img_norm_cfg"))
    if not other or all(_floats(other.get(key)) == _floats(used.get(key)) for key in _BOTH):
        return None
    return "mean and std are the data_preprocessor's; img_norm_cfg beside it has others"


_BOTH = ("mean", "std")
_RAW = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def _kind(part: Mapping[str, Any]) -> str:
    """Return the type without the package before it: ``mmcv.transforms.Normalize``."""
    kind = part.get("type")
    return kind.rpartition(".")[2] if isinstance(kind, str) else ""


def _test_steps(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the steps that prepare a picture in tests, those inside an augmentation too."""
    loaded = _dict(_dict(values.get("test_dataloader")).get("dataset"))
    tested = _dict(_dict(values.get("data")).get("test"))
    pipelines = (loaded.get("pipeline"), tested.get("pipeline"), values.get("test_pipeline"))
    for step in map(_dict, _list(next(filter(_list, pipelines), ()))):
        yield step
        yield from map(_dict, _list(step.get("transforms")))


def _fit(values: Mapping[str, Any]) -> Literal["stretch", "letterbox"] | None:
    resizes = [step for step in _test_steps(values) if _kind(step) == "Resize"]
    if not resizes:
        return None
    # 0.x keeps the aspect unless told otherwise, 1.x does not.
    keeps = resizes[0].get("keep_ratio", "data" in values)
    return "letterbox" if keeps else "stretch"


def _crop_size(values: Mapping[str, Any]) -> Size | None:
    crops = [tuple(crop) for crop in values_under(values, "crop_size") if _is_list(crop)]
    sizes = {crop for crop in crops if len(crop) == 2 and all(type(x) is int for x in crop)}  # noqa: PLR2004 - height, width
    # Two different ones (training and sliding window) leave it open which one is meant.
    [size] = sizes if len(sizes) == 1 else [(0, 0)]
    return Size(*size) if min(size) > 0 else None


def _reduces(values: Mapping[str, Any]) -> bool:
    loaded = _dict(_dict(values.get("test_dataloader")).get("dataset"))
    tested = _dict(_dict(values.get("data")).get("test"))
    places = [place for place in (loaded, tested, values) if place]
    for place in places:
        said = {value for value in values_under(place, "reduce_zero_label") if type(value) is bool}
        if said:
            return True in said
    types = [_kind({"type": kind}) for kind in values_under(values, "type")]
    return not _REDUCING.isdisjoint(types)


def _floats(value: Any) -> tuple[float, ...] | None:
    if _is_list(value) and value and all(type(x) in (int, float) for x in value):
        return tuple(map(float, value))
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _list(value: Any) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else ()


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
