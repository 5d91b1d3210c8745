"""Any checkpoint of a plain ViT to one state dict, to be computed as its trainer did."""
# ruff: noqa: PLC0415 - the formats are listed without torch

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models._common.class_names import stored_classes
from segpp.export.models._common.colors import turned, turned_channels
from segpp.export.models.base import Checkpoint
from segpp.export.models.vit.architecture import Head, Numerics, check_heads, shape_of
from segpp.export.models.vit.input_size import check_patches
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat
from segpp.export.models.vit.loading.read_settings import read_settings
from segpp.export.models.vit.loading.settings import Settings
from segpp.export.models.vit.loading.variant import VARIANT
from segpp.export.models.vit.sites import patch_grid
from segpp.manifest import Architecture, Classes, Origin
from segpp.ops.grid import Grid, Size

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.checkpoints.state_dict import StateDict
    from segpp.export.checkpoints.weights import WeightsFile
    from segpp.export.models.vit.loading.positions import Prefix
    from segpp.export.models.vit.network import ViT

__all__ = ["ViTCheckpoint", "load"]

_POSITIONS = "patch_embed.positions"
_TURNS = "turns"
# The convolutions that see the image.
_FIRST = ("patch_embed.conv.weight", "policy.stem.conv.weight")
_COUNTER = ".num_batches_tracked"
# By what tells more than the weights, the files that do.
_BESIDE = {VARIANT: (VARIANT,), "config.json": ("config.json", "preprocessor_config.json")}
_DISTILLED = "dist_token"
_BGR = "trained on BGR: the first convolution is turned round, so that the file takes RGB"


@dataclass(frozen=True, kw_only=True)
class ViTCheckpoint(Checkpoint):
    """A trained plain ViT.

    Attributes:
        numerics: What its trainer's code computes the weights with.
        prefix: What the file has before the patches, which in ``state`` is one with its positions.
        names: The format, spelled as the file is.
    """

    numerics: Numerics
    prefix: "Prefix"
    names: CheckpointFormat

    @property
    def align_corners(self) -> bool:
        """How the logits are meant to be resized to the image."""
        return self.numerics.align_corners

    @property
    def numeric_settings(self) -> dict[str, object]:
        """The numerics by name."""
        return asdict(self.numerics)

    def at(self, size: Size) -> "ViTCheckpoint":
        """Return the same network with its positions resized to the patches of one size.

        Raises:
            InputError: Its code would drop pixels of that size.
        """
        from segpp.export.models.vit.network.embedding import resized_positions

        shape = shape_of(self.architecture)
        if self.numerics.filling == "refused":
            check_patches(size, shape.patch)
        grid = patch_grid(size, shape.patch)
        if shape.rope_theta:
            return replace(self, state={**self.state, **_turns(self.architecture, grid)})
        positions = resized_positions(self.state[_POSITIONS], grid, self.numerics.position_resize)
        return replace(self, state={**self.state, _POSITIONS: positions.contiguous()})

    def with_auxiliary_heads(self, seed: int) -> "ViTCheckpoint":
        """Return the same network with auxiliary heads; see ``Checkpoint``."""
        from segpp.export.models.vit.network.added import with_exits

        return with_exits(self, seed)

    def with_policy(self, seed: int) -> "ViTCheckpoint":
        """Return the same network with a policy; see ``Checkpoint``."""
        from segpp.export.models.vit.network.added import with_policy

        return with_policy(self, seed)

    def build(self) -> "ViT":
        """Return the network with these weights, ready for inference."""
        import torch

        model = _empty(self.architecture, self.numerics, self.state)
        # Of BatchNorm; only training reads them.
        counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(_COUNTER)}
        model.load_state_dict({**self.state, **counters}, assign=True)
        model.fixed += self.constant
        return model.eval().requires_grad_(requires_grad=False)

    def stored(self, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return other weights under the names of the file and in its form, in FP32.

        Args:
            state: Under our names, with positions of the grid of ``state``; counters of BatchNorm
                are passed over, and so is what is constant.
        """
        from segpp.export.models.vit.loading.convert import expected_tensors
        from segpp.export.models.vit.loading.positions import joined_positions

        own, fmt = {n: t for n, t in state.items() if n not in self.constant}, self.names
        if self.colors == "bgr":
            # Turned round twice, channels are where they were.
            own |= {name: turned_channels(own[name]) for name in _FIRST if name in own}
        theirs = expected_tensors(fmt, cast("Head", self.architecture.head), own)
        theirs |= joined_positions(fmt, own, self.prefix)
        return {key: tensor.contiguous() for key, tensor in theirs.items()}


def _empty(architecture: Architecture, numerics: Numerics, state: "Mapping[str, Tensor]") -> "ViT":
    """Return the network that has a state dict's tensors, without numbers."""
    import torch

    from segpp.export.models.vit.network import ViT

    rows_and_columns = state[_TURNS if _TURNS in state else _POSITIONS].shape[1:3]
    with torch.device("meta"):
        return ViT(
            architecture,
            numerics,
            Grid(*rows_and_columns),
            scaled="stages.0.blocks.0.scale1.gamma" in state,
            normed="norm.weight" in state,
        )


def _turns(architecture: Architecture, grid: Grid) -> "dict[str, Tensor]":
    """Return what positions on a grid turn by, of a network with rotary ones."""
    from segpp.export.models.vit.network.rotation import turns_of

    theta = shape_of(architecture).rope_theta
    channels = architecture.dims[0] // architecture.heads[0]
    return {_TURNS: turns_of(grid, channels, theta)} if theta else {}


def load(
    weights: "WeightsFile",
    state_dict: "StateDict",
    path: Path,
    choices: ReadChoices,
) -> ViTCheckpoint:
    """Return the plain ViT in a weights file of any known format.

    Args:
        weights: The file as read.
        state_dict: The tensors of the network in it.
        path: Of the file; Segmenter's ``variant.yml`` is looked for beside it, while ``weights``
            brings the JSON of transformers.
        choices: What the caller says about it.

    Raises:
        CheckpointError: It is foreign, incomplete or changed, or what stands beside the weights is
            of another network.
    """
    from segpp.export.models._common.tensors import check_finite, check_plain, check_shapes
    from segpp.export.models.vit.loading.convert import expected_tensors, names_of, to_ours
    from segpp.export.models.vit.loading.detect import check_encoder, detect_format, detect_head
    from segpp.export.models.vit.loading.dino_config import with_biases
    from segpp.export.models.vit.loading.eomt_config import check_classes, check_unmasked
    from segpp.export.models.vit.loading.infer_architecture import architecture_of
    from segpp.export.models.vit.loading.positions import (
        position_grid,
        prefix_count,
        prefix_names,
        prefix_of,
        split_positions,
    )
    from segpp.export.models.vit.loading.validate import check_present, unused_keys

    tensors = state_dict.tensors
    # 1. Whose file it is, and that its tensors are plain numbers.
    name = detect_format(tensors, path, choices.checkpoint_format)
    fmt = FORMATS[name].of_file(tensors)
    check_encoder(fmt, name, tensors, path)
    head = detect_head(fmt, name, tensors, path)
    check_plain(tensors, [n for n in tensors if fmt.knows(n) and not n.endswith(_COUNTER)], path)
    prefix = prefix_names(fmt, tensors)
    distilled = any(token.endswith(_DISTILLED) for token in prefix)
    check_present(fmt, tensors, [*fmt.learned, *fmt.needed_tokens], path)
    # 2. Which network it is, and that it is that network and nothing else.
    settings = read_settings(
        fmt,
        head,
        tensors,
        context=state_dict.context,
        weights=weights,
        path=path,
        distilled=distilled,
    )
    stored = tensors
    tensors = with_biases(stored, settings.unbiased, path)
    heads, origin = _heads(choices, settings)
    architecture = architecture_of(
        fmt,
        head,
        tensors,
        path,
        heads=heads,
        prefix=prefix_count(fmt, tensors, path),
        query_blocks=settings.query_blocks,
        rope_theta=settings.rope_theta,
        policy=settings.schedule or (0, 0) if fmt.has_policy(tensors) else None,
    )
    dim, patch = architecture.dims[0], shape_of(architecture).patch
    trained = settings.position_size or settings.size
    grid = position_grid(fmt, tensors, path, dim=dim, trained=trained, patch=patch)
    ours = _needed(fmt, settings, architecture, grid, tensors)
    expected = expected_tensors(fmt, head, ours)
    used = [*expected, *prefix, *fmt.learned]
    check_present(fmt, tensors, used, path)
    unused, told = unused_keys(fmt, tensors, used, path)
    check_shapes(tensors, expected, architecture.name, path, plain="a plain ViT")
    check_finite(tensors, used, path)
    _check_described(settings, architecture, grid, path, distilled=distilled)
    check_unmasked(tensors, shape_of(architecture).query_blocks, path)
    check_classes(architecture, path)
    # 3. Our names, and what else stands there.
    state = {
        **to_ours(fmt, head, ours, tensors),
        **split_positions(fmt, tensors, grid),
        **_turns(architecture, grid),
    }
    colors = choices.colors or settings.colors
    notes: list[str] = []
    if colors == "bgr":
        state |= {name: turned_channels(state[name]) for name in _FIRST if name in state}
        notes.append(_BGR)
    classes = _classes(state_dict, settings, architecture, notes)
    mean, std = _normalization(settings, architecture.channels, notes)
    size, assumed = _trained_size(settings, fmt, grid, patch, notes)
    found: dict[str, object] = {
        "mean": mean, "std": std, "size": size, "fit": settings.fit,
        "classes": classes, "colors": settings.colors, "resize": settings.resize,
    }  # fmt: skip
    origins: dict[str, Origin] = {
        key: "config" for key, value in found.items() if value is not None
    }
    given: dict[str, Origin] = {"colors": "given"} if choices.colors else {}
    if origin == "assumed" and settings.heads is None and choices.heads is None:
        notes.append(f"attention heads of 64 channels are assumed: --heads {architecture.heads[0]}")
    return ViTCheckpoint(
        state=state,
        architecture=architecture,
        numerics=settings.numerics,
        prefix=prefix_of(fmt, tensors),
        names=fmt,
        format=name,
        sha256=weights.sha256,
        classes=classes,
        size=size,
        mean=turned(mean) if mean and colors == "bgr" else mean,
        std=turned(std) if std and colors == "bgr" else std,
        colors=colors,
        constant=(*names_of(fmt, head, ours, tensors.keys() - stored), *_turns(architecture, grid)),
        fit=settings.fit,
        padding=settings.padding,
        resize=settings.resize,
        reduce_labels=settings.reduce_labels,
        origins={**origins, "heads": origin, **settings.origins, **assumed, **given},
        ignored=(*state_dict.ignored, *unused),
        beside=_BESIDE.get(fmt.told_by, ()),
        notes=tuple(
            filter(None, (*weights.notes, *state_dict.notes, told, *settings.notes, *notes))
        ),
    )


def _classes(
    state_dict: "StateDict", settings: Settings, architecture: Architecture, notes: list[str]
) -> Classes | None:
    meta = state_dict.context.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    return stored_classes(meta, architecture.classes, notes, named=settings.classes)


def _trained_size(
    settings: Settings, fmt: CheckpointFormat, grid: Grid, patch: int, notes: list[str]
) -> tuple[Size | None, dict[str, Origin]]:
    """Return the size that it was trained on, and where that comes from if nothing tells it.

    A network that takes multiples of its patch alone takes what its positions are of.
    """
    if settings.size or not fmt.positions or settings.numerics.filling != "refused":
        return settings.size, {}
    size = Size(grid.height * patch, grid.width * patch)
    notes.append(f"{size} is the size of its positions; what it was trained on is not told")
    return size, {"size": "assumed"}


def _needed(
    fmt: CheckpointFormat,
    settings: Settings,
    architecture: Architecture,
    grid: Grid,
    tensors: "Mapping[str, Tensor]",
) -> "Mapping[str, Tensor]":
    """Return what our network has under its names, without numbers."""
    import torch

    from segpp.export.models.vit.network import ViT

    normed = fmt.is_whole or fmt.final_norm.key("weight") in tensors
    with torch.device("meta"):
        network = ViT(architecture, settings.numerics, grid, scaled=fmt.is_scaled, normed=normed)
    return network.state_dict()


def _heads(choices: ReadChoices, settings: Settings) -> tuple[int | None, Origin]:
    if choices.heads is not None:
        check_heads(choices.heads)
        return choices.heads[0], "given"
    return settings.heads, "config" if settings.heads else "assumed"


def _check_described(
    settings: Settings, architecture: Architecture, grid: Grid, path: Path, *, distilled: bool
) -> None:
    """Raise CheckpointError if what stands beside the weights is of another network."""
    from segpp.errors import CheckpointError
    from segpp.export.models.vit.loading.dino_config import check_dino_config
    from segpp.export.models.vit.loading.eomt_config import EomtConfig, check_eomt_config
    from segpp.export.models.vit.loading.validate import check_upsampling, check_variant

    if settings.variant is not None:
        check_variant(settings.variant, architecture, path, distilled=distilled)
    if isinstance(settings.config, EomtConfig):
        check_eomt_config(settings.config, architecture, grid, path)
    elif settings.config is not None:
        check_dino_config(settings.config, architecture, grid, path)
    found = len(architecture.depths)
    if settings.read_block not in {-1, found - 1}:
        raise CheckpointError(
            f"{path} has a head that reads block {settings.read_block}, counted from 0",
            f"expected: the last of its {found}",
            hint="a changed network cannot be exported; give one with its head on the last block",
        )
    check_upsampling(architecture, path)
    if settings.variant is None and settings.depth not in {None, found}:
        raise CheckpointError(
            f"{path} has {found} blocks, and its configuration says {settings.depth}",
            hint="it lacks blocks, or the configuration is another network's: save both again",
        )


def _normalization(
    settings: Settings, channels: int, notes: list[str]
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    mean, std = settings.mean, settings.std
    if not mean or not std:
        return None, None
    if len(mean) == len(std) == channels and min(std) > 0:
        return mean, std
    notes.append(
        f"mean and std ({len(mean)} and {len(std)} numbers) do not fit {channels} channels: "
        "not used"
    )
    return None, None
