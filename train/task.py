"""What a training is about, decided before the first step: networks, input, pictures."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from segpp.errors import CheckpointError, InputError
from segpp.export.config import gates_of
from segpp.export.config.feeding import resolve_input
from segpp.export.config.merging import resolve_reduction
from segpp.export.config.origins import assumed_note
from segpp.export.models.base import Checkpoint, ModelFamily, family_of
from segpp.export.models.network import Network
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.gates.config import ChannelGates, check_beside, count_channels
from segpp.export.reduction.gates.gate import predictor_width
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.running_moments import Draw
from segpp.export.reduction.gates.trained import GATES_PREFIX, gates_state
from segpp.manifest import ChannelSite, InputSpec
from segpp.ops.grid import Size
from segpp.train.check import check_not_a_picture, nothing_to_win_back
from segpp.train.config import PolicyConfig, TrainingConfig
from segpp.train.gates.choosing import drawn_from, kept_at, masks_of
from segpp.train.gates.dynamic import add_predictors
from segpp.train.learning.world import World
from segpp.train.parts.equip import equipped, settled, some_of
from segpp.train.parts.learner import PolicyLearner
from segpp.train.pictures.find import check_enough, digest_of, find_pictures
from segpp.train.pictures.reading import Reader, readable
from segpp.train.pictures.split import Split, split
from segpp.train.saving.student import Layout, layout_of
from segpp.train.saving.write import with_target
from segpp.utils.progress import Show, remark, step

__all__ = ["Task", "dynamic_in", "prepared", "told"]

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
        doubts: What nobody told, pictures that cannot be read, what the student's file does not
            say; a sentence each.
    """

    config: TrainingConfig
    world: World
    layout: Layout
    spec: InputSpec
    reduction: ReductionConfig
    gates: ChannelGates
    pictures: Split[Path]
    doubts: tuple[str, ...]

    @property
    def checkpoint(self) -> Checkpoint:
        """The teacher."""
        return self.layout.checkpoint

    @property
    def check_every(self) -> int:
        """Steps between checks, which then take about a tenth of the time."""
        return self.config.check_every or max(_LEAST_CHECK_EVERY, len(self.pictures.held))

    @property
    def auxiliary_weight(self) -> float:
        """What each auxiliary head counts in the loss."""
        return self.config.weight_of_heads

    def state_of(self, student: Network) -> dict[str, Tensor]:
        """Return the whole network's weights: those of a student, and what it is no part of."""
        own = student.state_dict()
        return {
            name: own[name].cpu() if name in own else tensor
            for name, tensor in self.checkpoint.state.items()
        }

    def teacher(self) -> Network:
        """Return the network as it is."""
        return self.checkpoint.build().ease_learning().to(self.world.device)

    def student(self) -> Network:
        """Return a student for the weights of another: no gate of it has looked at a picture."""
        network, dynamic = self._network(), dynamic_in(self.gates)
        self._family.apply_gates(network, dynamic, [])
        add_predictors(network, [], self.config.seed)
        return network.to(self.world.device)

    def draws(self) -> list[Draw]:
        """Return what channels are chosen on, and gates begin with; nothing without gates."""
        return drawn_from(self.pictures.learned, Reader(self.spec)) if self.gates else []

    def chosen(self, draws: Sequence[Draw]) -> tuple[Network, dict[str, str]]:
        """Return what an export would make of the teacher, and the channels that stay.

        Its dynamic gates are not trained, and what fixed ones leave out is zero in it. What stays
        is told by ``STAGE.BLOCK.{hidden,qk,v}``, as hexadecimal digits.
        """
        network = self._network()
        kept = self._family.apply_gates(network, self.gates, draws, dense=True)
        masks = masks_of(kept, self._family.channels(self.checkpoint.architecture))
        return network.to(self.world.device), masks

    def trained_gates(self, student: Network) -> dict[str, Tensor]:
        """Return the tensors of a student's dynamic gates by their names in a checkpoint."""
        state = gates_state(self._family.dynamic_gates(student))
        return {name: tensor.detach().cpu() for name, tensor in state.items()}

    def channels(self, masks: Mapping[str, str]) -> tuple[ChannelSite, ...]:
        """Return what the gates make of the channels, as the manifest of an export tells it."""
        channels = self._family.channels(self.checkpoint.architecture)
        predictors = {
            place: predictor_width(channels[place].width) for place in dynamic_in(self.gates)
        }
        kept = kept_at(self.gates, masks)
        return count_channels(self.gates, channels, kept=kept, predictors=predictors)

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
            **config.loss_settings(),
            "check_every": str(self.check_every),
            "seed": str(config.seed),
            "precision": config.precision,
        }
        if self.gates:
            settings["gates"] = " ".join(self.gate_texts())
        if dynamic_in(self.gates):
            settings["gate_weight"] = f"{config.weight_of_gates:g}"
        if not isinstance(config, PolicyConfig) and _has_heads(self.checkpoint):
            settings["auxiliary_weight"] = f"{self.auxiliary_weight:g}"
        return settings

    def reduction_texts(self) -> tuple[str, ...]:
        """Return what merges, a text for each site."""
        return tuple(f"{site}={method.to_string()}" for site, method in self.reduction.items())

    def gate_texts(self) -> tuple[str, ...]:
        """Return what leaves channels out, a text for each place."""
        return tuple(f"{place}={gate.to_string()}" for place, gate in self.gates.items())

    @property
    def _family(self) -> ModelFamily:
        return family_of(self.checkpoint.architecture)

    def _network(self) -> Network:
        """Return the network with tokens merged, and weights of its own."""
        own = {name: tensor.clone() for name, tensor in self.checkpoint.state.items()}
        network = replace(self.checkpoint, state=own).build().ease_learning()
        if isinstance(self.config, PolicyConfig):
            return PolicyLearner(network)
        return network.apply_reductions(self.reduction, match_interval=self.config.match_interval)


def prepared(config: TrainingConfig, world: World) -> Task:
    """Read the teacher and look at the pictures.

    Raises:
        InputError: The checkpoint, the pictures or a place to write to cannot be used.
    """
    with told("reading the checkpoint", world):
        layout = layout_of(config.checkpoint, config.choices)
        _check_ungated(layout)
        given, fresh = equipped(layout.checkpoint, config)
        layout = replace(layout, checkpoint=given)
        gates = gates_of(config.export, family_of(layout.checkpoint.architecture))
        to = {"as_folder": config.writes_folder, "gated": bool(dynamic_in(gates) or layout.added)}
        layout = with_target(layout, config.out, **to)
        if world.is_first:
            layout.try_out(config.out, _any_gates(layout.checkpoint, gates))
    spec = resolve_input(config.export, layout.checkpoint)
    reduction = resolve_reduction(config.export, layout.checkpoint, spec)
    check_beside(gates, reduction)
    if config.must_reduce:
        _check_to_win_back(layout.checkpoint, spec, reduction, gates)
    found, left_out = find_pictures(config.pictures)
    check_not_a_picture(config.out, found)
    parts = split(found, config.held_back)
    with told("looking at the pictures held back", world):
        held = readable(parts.held, spec)
    if not held:
        raise InputError(
            f"none of the {len(parts.held)} pictures held back can be read",
            *(str(path) for path in parts.held[:3]),
            hint="hold others back with `held_back`, or take these out of the folder",
        )
    check_enough((*parts.learned, *held), left_out)
    pictures = replace(parts, held=held)
    layout = _settled(layout, fresh, pictures, spec, world)
    doubts = (
        *filter(None, [assumed_note(config.export, layout.checkpoint, spec)]),
        *_batch_note(config.batch, len(parts.learned)),
    )
    for doubt in doubts if world.is_first else ():
        # Hours may be trained on it: it is told before, too.
        remark(f"note: {doubt}")
    doubts = (*doubts, *left_out, *_lost(layout, config.out.name))
    return Task(config, world, layout, spec, reduction, gates, pictures, doubts)


def dynamic_in(gates: ChannelGates) -> ChannelGates:
    """Return those gates that each image decides."""
    return {place: gate for place, gate in gates.items() if isinstance(gate, DynamicGate)}


def _check_ungated(layout: Layout) -> None:
    if layout.checkpoint.gates:
        raise CheckpointError(
            f"{layout.source} has trained gates ({GATES_PREFIX}…), and would teach without them",
            "its weights were trained to work with the channels that those choose",
            hint="distil from the checkpoint that it was made from",
        )


def _settled(
    layout: Layout, fresh: Collection[str], pictures: Split[Path], spec: InputSpec, world: World
) -> Layout:
    """Return a layout whose checkpoint was given what nobody trained, ready to be trained."""
    if not fresh:
        return layout
    with told("looking at what new layers get", world):
        images = some_of(pictures.learned, Reader(spec))
        return replace(layout, checkpoint=settled(layout.checkpoint, fresh, images))


def _has_heads(checkpoint: Checkpoint) -> bool:
    shape = checkpoint.architecture.vit
    return shape is not None and bool(shape.exits)


def _check_to_win_back(
    checkpoint: Checkpoint, spec: InputSpec, reduction: ReductionConfig, gates: ChannelGates
) -> None:
    """Raise ReductionError where numbers are so small that nothing is left out."""
    family = family_of(checkpoint.architecture)
    grids = family.grids(Size(spec.height, spec.width), reduction, checkpoint.architecture)
    tokens = any(one.tokens_out < one.tokens_in for one in count_tokens(reduction, grids))
    gated = count_channels(gates, family.channels(checkpoint.architecture))
    if not tokens and not any(one.channels_out < one.channels_in for one in gated):
        raise nothing_to_win_back()


def _any_gates(checkpoint: Checkpoint, gates: ChannelGates) -> dict[str, Tensor]:
    """Return the tensors that trained gates are going to have, with any numbers."""
    family, network = family_of(checkpoint.architecture), checkpoint.build()
    family.apply_gates(network, dynamic_in(gates), [])
    add_predictors(network, [], 0)
    return {n: tensor.detach() for n, tensor in gates_state(family.dynamic_gates(network)).items()}


def _batch_note(batch: int, learned: int) -> Iterator[str]:
    if batch > learned:
        yield (
            f"a batch of {batch} holds the {learned} pictures to learn from {batch / learned:.3g} "
            "times: a smaller one takes more steps in the same time"
        )


def _lost(layout: Layout, name: str) -> Iterator[str]:
    """Yield a sentence where a student's file does not say what its teacher's says."""
    told_there = ("classes", "size", "mean", "std", "fit", "resize")
    gone = [what for what in told_there if getattr(layout.checkpoint, what) is not None]
    if layout.alone and gone:
        yield f"{name} holds weights alone, and not the teacher's {', '.join(gone)}"


@contextmanager
def told(label: str, world: World) -> Iterator[Show]:
    """Show a step of the work, in one process of several."""
    if not world.is_first:
        yield lambda _share, _what: None
        return
    with step(label) as show:
        yield show
