"""What a caller can choose about a training, with labels or without."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.config import ExportConfig
from segpp.export.reduction.config import ReductionChoice
from segpp.ops.grid import Size
from segpp.utils.files import sha256_of

__all__ = [
    "AUXILIARY_WEIGHT",
    "DEVICES",
    "GATE_WEIGHT",
    "PRECISIONS",
    "DistillConfig",
    "FineTuneConfig",
    "PolicyConfig",
    "TrainingConfig",
]

# Gates begin with a mean size of about 0.8: two dozen, as in all of B0, add 0.02 to the loss.
GATE_WEIGHT = 0.001
# Of each auxiliary head, as DoViT and mmsegmentation have it.
AUXILIARY_WEIGHT = 0.4

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

# What files of weights are called; names of folders may have dots too.
_WEIGHTS = {".safetensors", ".bin", ".pth", ".pt"}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything the caller can choose of any training.

    Attributes:
        kind: What its report is called.
        origin: What the checkpoint is to it.
        must_reduce: Whether there is nothing to learn without a reduction.
        checkpoint: The weights that the student starts with, and those of its teacher.
        out: The checkpoint to write, of the same layout.
        pictures: Folders, patterns, lists and files.
        reduction: What merges tokens in the student.
        match_interval: In how many consecutive blocks of a stage one match is used.
        size: Input in pixels; the checkpoint's own, else the family's default, if None.
        choices: More that the checkpoint's file does not tell.
        mean, std, fit, white, bands: As in ``ExportConfig``.
        minutes: Time for training, over all its starts; None where ``steps`` says how long.
        steps: Updates of the weights; None where ``minutes`` says how long.
        batch: Pictures for one update, over all processes.
        learning_rate: Of AdamW, the highest.
        gate_weight: Of the size of dynamic gates in the loss; ``GATE_WEIGHT`` if None.
        auxiliary_weight: Of what each auxiliary head learns in the loss, where there are any;
            ``AUXILIARY_WEIGHT`` if None. A number lets a network have some that has none.
        patience: Checks without improvement after which training ends.
        check_every: Updates between two checks; by the number of pictures held back if None.
        held_back: Share of the pictures that weights are chosen by.
        seed: Of order and augmentation.
        device: One of ``DEVICES``.
        precision: One of ``PRECISIONS``.
        threads: CPU threads; as many as this process may use if None.
        restart: Begin anew where a training that was stopped could go on.
        force: Replace files that segpp did not write, too.
    """

    kind: ClassVar[Literal["distillation", "training", "policy"]]
    origin: ClassVar[str]
    must_reduce: ClassVar[bool]

    checkpoint: Path
    out: Path
    pictures: tuple[str, ...]
    reduction: ReductionChoice
    match_interval: int = 1
    size: Size | None = None
    choices: ReadChoices = field(default_factory=ReadChoices)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    fit: str | None = None
    white: str | None = None
    bands: tuple[int, ...] | None = None
    minutes: float | None = 30.0
    steps: int | None = None
    batch: int = 4
    learning_rate: float = 2e-4
    gate_weight: float | None = None
    auxiliary_weight: float | None = None
    patience: int = 10
    check_every: int | None = None
    held_back: float = 0.15
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    restart: bool = False
    force: bool = False

    @property
    def export(self) -> ExportConfig:
        """The export that the student is trained for."""
        return ExportConfig(
            checkpoint=self.checkpoint,
            out=self.out,
            reduction=self.reduction,
            match_interval=self.match_interval,
            size=self.size,
            checkpoint_format=self.choices.checkpoint_format,
            heads=self.choices.heads,
            colors=self.choices.colors,
            prefix=self.choices.prefix,
            weights=self.choices.weights,
            ignore_tensors=self.choices.ignore_tensors,
            mean=self.mean,
            std=self.std,
            fit=self.fit,
            white=self.white,
            bands=self.bands,
        )

    @property
    def weight_of_gates(self) -> float:
        """What the size of dynamic gates counts in the loss, where there are any."""
        return GATE_WEIGHT if self.gate_weight is None else self.gate_weight

    @property
    def weight_of_heads(self) -> float:
        """What each auxiliary head counts in the loss, where there are any."""
        return AUXILIARY_WEIGHT if self.auxiliary_weight is None else self.auxiliary_weight

    @property
    def writes_folder(self) -> bool:
        """Whether a folder is to be written: of a folder, unless a file of weights is named."""
        return self.checkpoint.is_dir() and self.out.suffix.lower() not in _WEIGHTS

    @property
    def resume(self) -> Path:
        """Where the state of a training that was stopped lies."""
        return self.out.with_name(f"{self.out.name}.resume")

    def loss_settings(self) -> dict[str, str]:
        """Return those settings of the loss that must be the same for a training to go on."""
        raise NotImplementedError(f"nothing says what {type(self).__name__} learns")


@dataclass(frozen=True)
class DistillConfig(TrainingConfig):
    """Everything the caller can choose of a distillation.

    Attributes:
        mask_weight: Of the divergence of the masks in the loss.
        stage_weight: Of the error of the stages' outputs in the loss.
        temperature: By which logits are divided before they are compared.
        stages_alone: Share of the training, at its beginning, in which stages alone are learned.
    """

    kind = "distillation"
    origin = "teacher"
    must_reduce = True

    mask_weight: float = 1.0
    stage_weight: float = 1.0
    temperature: float = 1.0
    stages_alone: float = 0.0

    def loss_settings(self) -> dict[str, str]:
        """Return weights and temperature, and how long stages are learned alone if they are."""
        alone = {"stages_alone": f"{self.stages_alone:g}"} if self.stages_alone else {}
        return {
            "mask_weight": f"{self.mask_weight:g}",
            "stage_weight": f"{self.stage_weight:g}",
            "temperature": f"{self.temperature:g}",
            **alone,
        }


@dataclass(frozen=True)
class FineTuneConfig(TrainingConfig):
    """Everything the caller can choose of a training with labels.

    Attributes:
        distil_weight: Of the divergence of the masks of the checkpoint without a reduction in the
            loss.
        temperature: By which logits are divided before these are compared.
    """

    kind = "training"
    origin = "checkpoint to begin with"
    must_reduce = False

    distil_weight: float = 0.0
    temperature: float = 1.0

    def loss_settings(self) -> dict[str, str]:
        """Return weight and temperature, and that there are labels."""
        return {
            "learned_from": "labels",
            "distil_weight": f"{self.distil_weight:g}",
            "temperature": f"{self.temperature:g}",
        }


@dataclass(frozen=True)
class PolicyConfig(TrainingConfig):
    """Everything the caller can choose of the training of a policy.

    Attributes:
        weights: Of EfficientNet-Lite0, to begin with; drawn if None and the checkpoint has none.
    """

    kind = "policy"
    origin = "checkpoint that the policy is added to"
    must_reduce = False

    weights: Path | None = None

    def loss_settings(self) -> dict[str, str]:
        """Return what is learned, and what it begins with."""
        begins = {} if self.weights is None else {"backbone": sha256_of(self.weights)}
        return {"learned_from": "superpatches", **begins}
