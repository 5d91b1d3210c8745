"""What the export must know about a family of networks, and which families there are.

A family is a package in this folder that has a ``FAMILY``. Adding one is adding a folder: nothing
lists them, and nothing outside the folder names one. A name with an underscore in front is none.

Importable without torch: a board reads sizes and costs from the manifest of a file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal, Protocol

from segpp.errors import CheckpointError, InputError, UnknownNameError
from segpp.export.models._common.block_tokens import GridsOf
from segpp.export.models._common.colors import turned_channels
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import Channels, Place
from segpp.export.reduction.sites import Site
from segpp.images.palette import BINARY_NAMES, default_palette
from segpp.manifest import Architecture, ChannelSite, Classes, Origin, ReductionSite, Resize
from segpp.ops.grid import Grid, Size
from segpp.utils.choices import check_choice

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.checkpoints.choices import ReadChoices
    from segpp.export.checkpoints.state_dict import StateDict
    from segpp.export.checkpoints.weights import WeightsFile
    from segpp.export.models.macs import Macs
    from segpp.export.models.network import Network
    from segpp.export.models.rewriting import Rewrite
    from segpp.export.reduction.gates.gate import Gate
    from segpp.export.reduction.gates.running_moments import Draw

__all__ = [
    "Checkpoint",
    "ModelFamily",
    "check_with_any",
    "classes_of",
    "families",
    "families_for",
    "family_of",
    "grids_of",
]


@dataclass(frozen=True, kw_only=True)
class Checkpoint(ABC):
    """A trained network, independent of who trained it.

    Attributes:
        state: The weights under the names of the family's network, FP32, on the CPU, independent
            of the file.
        architecture: The shape of the network; its name starts with the family's and a hyphen.
        format: Whose code saved it, one of the family's formats.
        sha256: Of the weights file.
        classes: Names and colours, if the checkpoint tells either.
        size: The input size it was made for, if it tells.
        mean: Per channel of RGB on the 0-255 scale, if it tells.
        std: Likewise.
        colors: The order of channels it was trained on, if it tells; ``build`` takes RGB anyway.
        fit: How a picture of another shape is brought to that size, if it tells.
        padding: What lies beside it then, 0 to 255 per channel, if it tells.
        resize: By which filter, if it tells.
        reduce_labels: Whether label 0 of its data set counts for nothing.
        origins: Where what a mask depends on comes from, as in ``Manifest.origins``.
        ignored: Names in the file that take no part in the result.
        gates: Trained weights of channel gates, by their names behind ``GATES_PREFIX``.
        beside: Names of the files in its folder that tell how it is computed, there or not.
        notes: What a person must know of how it was read, one sentence each.
        size_note: The same of ``size``, for who goes by it.
        constant: Names in ``state`` of what no file of the format has, and no training changes.
    """

    state: "dict[str, Tensor]"
    architecture: Architecture
    format: str
    sha256: str
    classes: Classes | None = None
    size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colors: str | None = None
    fit: Literal["stretch", "letterbox", "crop"] | None = None
    padding: tuple[int, ...] | None = None
    resize: Resize | None = None
    reduce_labels: bool = False
    origins: Mapping[str, Origin] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    gates: "Mapping[str, Tensor]" = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    size_note: str | None = None
    constant: tuple[str, ...] = ()

    @property
    def align_corners(self) -> bool:
        """How the logits are meant to be resized to the image, as torch calls it."""
        return False

    @property
    def numeric_settings(self) -> dict[str, object]:
        """What the same weights could be computed with otherwise, for a person to read."""
        return {}

    def at(self, size: Size) -> "Checkpoint":  # noqa: ARG002 - of the size alone
        """Return the same network, made ready for images of one size where that saves work.

        A family whose weights belong to a grid of tokens overrides this.
        """
        return self

    def as_trained(self, images: "Tensor") -> "Tensor":
        """Return images (B, C, H, W) of RGB in the order of the channels it was trained on.

        Its own inverse: what is in that order is turned to RGB.
        """
        return turned_channels(images) if self.colors == "bgr" else images

    def with_auxiliary_heads(self, seed: int) -> "Checkpoint":  # noqa: ARG002 - of those that can
        """Return the same network with auxiliary heads by which tokens leave, if it has none yet.

        Args:
            seed: Of their weights, which nobody trained.

        Raises:
            InputError: Networks of its family have none, or its format has no names for them.
        """
        raise InputError(
            f"{self.architecture.name} cannot have auxiliary heads, by which tokens leave",
            f"format: {self.format}",
            hint="plain ViTs of Segmenter and mmsegmentation can",
        )

    def with_policy(self, seed: int) -> "Checkpoint":  # noqa: ARG002 - of those that can
        """Return the same network with a policy by which patches share tokens, if it has none yet.

        The arguments and what is raised are those of ``with_auxiliary_heads``.
        """
        raise InputError(
            f"{self.architecture.name} cannot have a policy, by which patches share tokens",
            f"format: {self.format}",
            hint="plain ViTs of Segmenter and mmsegmentation with patches of 16 pixels can",
        )

    @abstractmethod
    def build(self) -> "Network":
        """Return the network with these weights, ready for inference."""

    def stored(self, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return other weights under the names of the file and in its form: loading, backwards.

        Args:
            state: Under the names of ``state``.

        Raises:
            CheckpointError: The family has no way back.
        """
        raise CheckpointError(
            f"the {len(state)} weights of {self.architecture.name} cannot be written back",
            f"format: {self.format}",
        )


class ModelFamily(Protocol):
    """Everything that the export needs of one family, besides the networks themselves.

    Attributes:
        name: Of the family and of its folder.
        title: What its networks are called in messages.
        model_types: What ``config.json`` calls it in Hugging Face folders.
        default_size: Input in pixels where neither user nor checkpoint name one.
        sites: Where its networks can merge tokens.
        places: Where they can do with fewer channels.
        presets: Reductions by name; ``none`` is one of them.
        preset_variants: What some networks have under these names instead, by which they are.
    """

    name: str
    title: str
    model_types: tuple[str, ...]
    default_size: Size
    sites: tuple[Site, ...]
    places: tuple[Place, ...]
    presets: Mapping[str, ReductionConfig]
    preset_variants: Mapping[str, Mapping[str, ReductionConfig]]

    def formats(self) -> tuple[str, ...]:
        """Return the names of the checkpoint formats that it reads."""
        ...

    def detect(self, names: Collection[str]) -> int:
        """Return how many of a state dict's names the best of its formats knows."""
        ...

    def is_network(self, names: Collection[str]) -> bool:
        """Whether a state dict's names have the first and the last weights of one of its formats.

        Asked of every prefix in a file, so it must be quick.
        """
        ...

    def load(
        self,
        weights: "WeightsFile",
        state_dict: "StateDict",
        path: Path,
        choices: "ReadChoices",
    ) -> Checkpoint:
        """Return what a weights file holds.

        Args:
            weights: The file as read, with the JSON beside it.
            state_dict: The tensors of one network in it.
            path: Of the file, for messages.
            choices: What the user says about it.

        Raises:
            CheckpointError: It is none of its networks, incomplete, or could be of several formats.
        """
        ...

    def check_size(self, size: Size) -> None:
        """Raise InputError unless its networks take images of ``size``."""
        ...

    def check_heads(self, heads: tuple[int, ...]) -> None:
        """Raise InputError unless its networks could have these attention heads per stage."""
        ...

    def grids(
        self,
        size: Size,
        reductions: ReductionConfig | None = None,
        architecture: Architecture | None = None,
    ) -> Mapping[Site, Grid]:
        """Return the tokens that arrive at each site for an image of ``size``.

        Args:
            size: In pixels.
            reductions: What works at the sites, where one of them changes what arrives at others.
            architecture: The network, whose sites are returned; before it is known, the most
                tokens of any network of the family, at every site that one has.

        Raises:
            ReductionError: Nothing would arrive at one.
        """
        ...

    def reduction_config(
        self, choice: ReductionChoice, architecture: Architecture | None = None
    ) -> ReductionConfig:
        """Return the reduction at each site.

        Args:
            choice: What is asked for.
            architecture: The network, which decides what presets and ratios mean; None while that
                is not known, and only whether the choice is one at all.

        Raises:
            ReductionError: A name is unknown, or a number is out of range.
        """
        ...

    def channels(self, architecture: Architecture) -> Mapping[Place, Channels]:
        """Return how many channels a network has at each of ``places``."""
        ...

    def apply_gates(
        self,
        model: "Network",
        gates: ChannelGates,
        images: "Sequence[Draw]",
        *,
        dense: bool = False,
    ) -> "Mapping[Place, Mapping[str, Tensor]]":
        """Let a network work with fewer channels, in place.

        Args:
            model: Its reductions are applied.
            gates: At each place.
            images: What fixed gates choose on.
            dense: Keep all shapes: zeros in the place of what fixed gates would cut.

        Returns:
            The channels that fixed gates keep, by block and layers.
        """
        ...

    def dynamic_gates(self, model: "Network") -> "Mapping[str, Gate]":
        """Return the gates of a network by the names of their trained weights."""
        ...

    def macs(
        self,
        architecture: Architecture,
        size: Size,
        reduction: Sequence[ReductionSite],
        channels: Sequence[ChannelSite] = (),
    ) -> "Macs":
        """Count the multiply-accumulates for one image of ``size`` with fewer tokens, channels."""
        ...

    def head_values(self, architecture: Architecture, size: Size, tokens: int | None) -> int:
        """Return how many numbers the largest feature map of the head has, for one image.

        Args:
            architecture: Of the network.
            size: Of the image in pixels.
            tokens: Those that a reduction of the head's grid leaves; None without one.
        """
        ...

    def tolerance(self, architecture: Architecture, size: Size) -> float:
        """Return how far two FP32 computations may differ, relative to the largest logit."""
        ...

    def rewrites(self) -> "Mapping[str, Rewrite]":
        """Return its exact rewrites by name."""
        ...


def classes_of(checkpoint: Checkpoint) -> Classes:
    """Return names and colours, by number where the checkpoint has none; of one output two."""
    return checkpoint.classes or _numbered(checkpoint.architecture.classes)


def _numbered(count: int) -> Classes:
    names = BINARY_NAMES if count == 1 else tuple(f"class {index}" for index in range(count))
    return Classes(names, default_palette(len(names)))


def families() -> dict[str, ModelFamily]:
    """Return every family by name, sorted."""
    package = __name__.rpartition(".")[0]
    folders = [
        module.name
        for module in iter_modules(import_module(package).__path__)
        if module.ispkg and not module.name.startswith("_")
    ]
    return {name: import_module(f"{package}.{name}").FAMILY for name in sorted(folders)}


def families_for(checkpoint_format: str | None) -> dict[str, ModelFamily]:
    """Return the families that a checkpoint may be of: all, or that whose format it is.

    Raises:
        CheckpointError: There is no such format.
    """
    known = families()
    if checkpoint_format is None:
        return known
    formats = {name: family for family in known.values() for name in family.formats()}
    check_choice(checkpoint_format, formats, kind="checkpoint format", error=CheckpointError)
    family = formats[checkpoint_format]
    return {family.name: family}


def family_of(architecture: Architecture) -> ModelFamily:
    """Return the family of a network.

    Raises:
        InputError: There is none with the first part of the architecture's name.
    """
    known = families()
    name = architecture.name.partition("-")[0]
    check_choice(name, known, kind="family of networks")
    return known[name]


def check_with_any(check: Callable[[ModelFamily], object]) -> None:
    """Raise what a family objects to, unless some family has no objection.

    Which family a checkpoint is of is known only once a large file is read; what no family could
    make sense of is told before: by one that has all names, if one has, or else one like them.
    """
    objections = [_objection(family, check) for family in families().values()]
    found = [objection for objection in objections if objection is not None]
    if len(found) == len(objections):
        raise min(found, key=lambda one: (isinstance(one, UnknownNameError), not one.hint))


def grids_of(architecture: Architecture) -> GridsOf:
    """Return what tells the tokens that arrive at each site of a network."""
    return partial(family_of(architecture).grids, architecture=architecture)


def _objection(family: ModelFamily, check: Callable[[ModelFamily], object]) -> InputError | None:
    try:
        check(family)
    except InputError as objection:
        return objection
    return None
