"""What a distillation is about, decided before the first step: networks, input, pictures."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from segpp.errors import InputError
from segpp.export.config import gates_of
from segpp.export.config.feeding import resolve_input
from segpp.export.config.merging import resolve_reduction
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.network import Network
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.gates.config import ChannelGates, check_beside, count_channels
from segpp.manifest import ChannelSite, InputSpec
from segpp.train.config import DistillConfig
from segpp.train.gates.choosing import drawn_from, kept_at, masks_of
from segpp.train.learning.world import World
from segpp.train.pictures.find import check_enough, digest_of, find_pictures
from segpp.train.pictures.reading import Reader, readable
from segpp.train.pictures.split import Split, split
from segpp.train.saving.student import Layout, layout_of
from segpp.train.saving.write import check_target
from segpp.utils.progress import Show, step

__all__ = ["Task", "prepared", "told"]

_LEAST_CHECK_EVERY = 25


@dataclass(frozen=True)
class Task:
    """Everything that is decided before the first step.

    Attributes:
        config: What the caller chose.
        world: The processes.
        layout: How the teacher's checkpoint lies.
        spec: What the networks take.
        reduction: What merges tokens in the student.
        gates: What leaves channels out in it.
        pictures: To learn from, and held back.
        left_out: Pictures that cannot be read, a sentence each.
    """

    config: DistillConfig
    world: World
    layout: Layout
    spec: InputSpec
    reduction: ReductionConfig
    gates: ChannelGates
    pictures: Split[Path]
    left_out: tuple[str, ...]

    @property
    def checkpoint(self) -> Checkpoint:
        """The teacher."""
        return self.layout.checkpoint

    @property
    def check_every(self) -> int:
        """Steps between checks, which then take about a tenth of the time."""
        return self.config.check_every or max(_LEAST_CHECK_EVERY, len(self.pictures.held))

    def teacher(self) -> Network:
        """Return the network as it is."""
        return self.checkpoint.build().to(self.world.device)

    def student(self, state: Mapping[str, Tensor] | None = None) -> Network:
        """Return the network with the reduction inside and weights of its own.

        Args:
            state: The weights; the teacher's if None, in which fixed gates have chosen nothing.
        """
        return self._network(state).to(self.world.device)

    def chosen(self) -> tuple[Network, dict[str, str]]:
        """Return a student from which fixed gates have taken channels, and those that stay.

        The latter by ``STAGE.BLOCK.{hidden,qk,v}``, as hexadecimal digits.
        """
        network = self._network(None)
        draws = drawn_from(self.pictures.learned, Reader(self.spec)) if self.gates else []
        family = family_of(self.checkpoint.architecture)
        kept = family.apply_gates(network, self.gates, draws, dense=True)
        masks = masks_of(kept, family.channels(self.checkpoint.architecture))
        return network.to(self.world.device), masks

    def channels(self, masks: Mapping[str, str]) -> tuple[ChannelSite, ...]:
        """Return what the gates make of the channels, as the manifest of an export tells it."""
        architecture = self.checkpoint.architecture
        channels = family_of(architecture).channels(architecture)
        return count_channels(self.gates, channels, kept=kept_at(masks, self.gates))

    def settings(self) -> dict[str, str]:
        """Return what must be the same for a training to go on; how long it may take need not."""
        config, spec = self.config, self.spec
        settings = {
            "teacher": self.checkpoint.sha256,
            "format": self.checkpoint.format,
            "weights": f"{config.choices.weights} {config.choices.prefix or ''}".strip(),
            "reduction": " ".join(self.reduction_texts()),
            "match_interval": str(config.match_interval),
            "input": f"{spec.height}x{spec.width} {spec.fit} {spec.mean} {spec.std}",
            "files": f"white {spec.white}, bands {spec.bands}",
            "pictures": digest_of([*self.pictures.learned, *self.pictures.held]),
            "held_back": f"{len(self.pictures.held)} of them",
            "steps": str(config.steps),
            "batch": str(config.batch),
            "learning_rate": f"{config.learning_rate:g}",
            "mask_weight": f"{config.mask_weight:g}",
            "stage_weight": f"{config.stage_weight:g}",
            "temperature": f"{config.temperature:g}",
            "check_every": str(self.check_every),
            "seed": str(config.seed),
            "precision": config.precision,
        }
        return settings | ({"gates": " ".join(self.gate_texts())} if self.gates else {})

    def reduction_texts(self) -> tuple[str, ...]:
        """Return what merges, a text for each site."""
        return tuple(f"{site}={method.to_string()}" for site, method in self.reduction.items())

    def gate_texts(self) -> tuple[str, ...]:
        """Return what leaves channels out, a text for each place."""
        return tuple(f"{place}={gate.to_string()}" for place, gate in self.gates.items())

    def _network(self, state: Mapping[str, Tensor] | None) -> Network:
        given = self.checkpoint.state if state is None else state
        own = {name: tensor.detach().cpu().clone() for name, tensor in given.items()}
        network = replace(self.checkpoint, state=own).build()
        return network.apply_reductions(self.reduction, match_interval=self.config.match_interval)


def prepared(config: DistillConfig, world: World) -> Task:
    """Read the teacher and look at the pictures.

    Raises:
        InputError: The checkpoint, the pictures or a place to write to cannot be used.
    """
    with told("reading the checkpoint", world):
        layout = layout_of(config.checkpoint, config.choices)
        check_target(layout, config.out, as_folder=config.writes_folder)
        if world.is_first:
            layout.try_out(config.out)
    spec = resolve_input(config.export, layout.checkpoint)
    reduction = resolve_reduction(config.export, layout.checkpoint, spec)
    gates = gates_of(config.export, family_of(layout.checkpoint.architecture))
    check_beside(gates, reduction)
    found, left_out = find_pictures(config.pictures)
    parts = split(found, config.held_back)
    with told("looking at the pictures held back", world):
        held = readable(parts.held, spec)
    if not held:
        raise InputError(
            f"none of the {len(parts.held)} pictures held back can be read",
            *(str(path) for path in parts.held[:3]),
        )
    check_enough((*parts.learned, *held), left_out)
    pictures = Split(parts.learned, held)
    return Task(config, world, layout, spec, reduction, gates, pictures, left_out)


@contextmanager
def told(label: str, world: World) -> Iterator[Show]:
    """Show a step of the work, in one process of several."""
    if not world.is_first:
        yield lambda _share, _what: None
        return
    with step(label) as show:
        yield show
