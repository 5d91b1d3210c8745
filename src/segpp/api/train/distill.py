"""Checkpoints that merge tokens better: what a reduction costs, won back without a label."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from segpp.api._labelled import Labelled, labelled_pictures
from segpp.api._types import OneOrMore, PathLike, SizeLike, WhiteLike
from segpp.api.train._settings import (
    common_settings,
    ignored_of,
    scored_by,
    to_score,
    truth_for,
)
from segpp.export.models.base import Checkpoint
from segpp.train.check import check_config
from segpp.train.config import DistillConfig
from segpp.train.report import DistillResult
from segpp.utils import arguments

if TYPE_CHECKING:
    from segpp.train.scores import Scored

__all__ = ["distill"]


def distill(
    checkpoint: PathLike,
    pictures: OneOrMore,
    output: PathLike,
    *,
    preset: str | None = None,
    ratio: float | None = None,
    reduce: str | Sequence[str] = (),
    match_interval: int = 1,
    size: SizeLike | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 4,
    learning_rate: float = 2e-4,
    mask_weight: float = 1.0,
    stage_weight: float = 1.0,
    temperature: float = 1.0,
    stages_alone: float = 0.0,
    gate_weight: float | None = None,
    auxiliary_weight: float | None = None,
    held_back: float = 0.15,
    check_every: int | None = None,
    patience: int = 10,
    seed: int = 0,
    eval_folder: PathLike | None = None,
    split: str | None = None,
    label_map: str | None = None,
    ignore: int | Collection[int] | None = None,
    checkpoint_format: str | None = None,
    heads: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    colors: str | None = None,
    prefix: str | None = None,
    weights: str = "raw",
    ignore_tensors: Sequence[str] = (),
    fit: str | None = None,
    white: WhiteLike | None = None,
    bands: Sequence[int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    restart: bool = False,
    force: bool = False,
) -> DistillResult:
    """Train a checkpoint to give with fewer tokens and channels the masks that it gives with all.

    The checkpoint as it is teaches, without labels; the student is the same weights with the
    reduction inside. A part of the pictures is held back, and the weights that agree best with the
    teacher there are written in the layout of the checkpoint, with what was done in ``output`` with
    ``.json`` behind it. A training that is stopped goes on when it is called again.

    Args:
        checkpoint: Weights (.pth, .pt, .bin, .safetensors) or a Hugging Face folder. Nothing in
            it is executed.
        pictures: Folders, patterns, lists (``.txt``) and files, or folders of data sets; at least
            eight pictures.
        output: The checkpoint to write: a file of the same kind, or a folder.
        preset: What the export is going to merge, as in ``export_onnx``: ``hq``, ``deep``.
        ratio: Instead of a preset: the share of tokens merged away at each site.
        reduce: Single sites on top, as ``"3.q=bsm:ratio=0.8,sy=4,sx=4"``, and channel gates, as
            ``"3.hidden=fixed:keep=0.5"``. Channels that ``fixed`` leaves out are zero in the
            student, and an export with the same gate leaves out the same; what ``dynamic`` chooses
            by is trained, and lies beside the network's tensors.
        match_interval: For how many consecutive blocks of a stage one matching serves; a number,
            which the export then takes too.
        size: Input in pixels, height first, as the export will have it; by default the
            checkpoint's own, else 512x1024.
        minutes: Time for training, over all its starts, checks included; by default 30.
        steps: Instead of minutes: updates of the weights.
        batch: Pictures for one update, over all processes.
        learning_rate: Of AdamW, the highest; it warms up over 20 steps and falls by half a cosine.
        mask_weight: Of the masks' KL divergence in the loss.
        stage_weight: Of the relative squared error of the four stages' outputs in the loss.
        temperature: By which logits are divided before masks are compared.
        stages_alone: Share of the training, at its beginning, in which the stages' outputs alone
            are learned, and then masks too.
        gate_weight: With ``dynamic`` gates: of their mean absolute values, summed over gates, in
            the loss; by default 0.001.
        auxiliary_weight: Of the divergence of the masks of each auxiliary head, by which tokens
            leave a plain ViT, in the loss; by default 0.4 where there are any. A number, or a
            ``reduce`` by their confidence, lets a network have some that has none.
        held_back: Share of the pictures that weights are chosen by, in runs of neighbours.
        check_every: Updates between two checks; by default as many as pictures are held back, and
            at least 25.
        patience: Checks without improvement after which training ends.
        seed: Of the order of pictures and how they are varied.
        eval_folder: A data set's folder, to score teacher and student by; by default the pictures
            held back, where ``pictures`` have labels.
        split: The part of a data set, for ``pictures`` and ``eval_folder``.
        label_map: Class of each number in labels, as in ``evaluate``.
        ignore: Labels whose pixels do not count; by default the model's own, and 255.
        checkpoint_format: Whose code trained it, where its keys do not tell.
        heads: Attention heads of the four stages, where the checkpoint does not tell them.
        mean: Per channel of RGB on the 0-255 scale; by default the checkpoint's own, else
            ImageNet's.
        std: Likewise.
        colors: ``rgb`` or ``bgr``, the order of channels that it was trained on.
        prefix: Which of several networks in the checkpoint, by what stands before its names.
        weights: ``raw``, or ``ema`` for averaged ones that lie beside.
        ignore_tensors: Patterns of tensors to leave out, which masks must not depend on.
        fit: ``stretch``, ``letterbox`` or ``crop`` for pictures of another shape.
        white: Of picture files of more than 8 bits the value that is white.
        bands: The channels of picture files that are taken, counted from 1.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: What steps are computed in: ``auto`` (on a CPU what a trial finds faster),
            ``fp32``, ``bf16``, on GPUs also ``fp16``.
        threads: CPU threads.
        restart: Begin anew, where a training that was stopped could go on.
        force: Replace files that segpp did not write, too; never one that is read.

    Returns:
        Agreement with the teacher before and after, mean IoU where there are labels, and warnings.

    Raises:
        InputError: The checkpoint, a number, the pictures or a place to write to cannot be used,
            or a training that was stopped had other settings.
        CheckError: The student got no better, and nothing is written; or the training diverged.
        MissingError: A package of ``segpp[train]`` is not installed, or there is no GPU.

    Example:
        >>> result = segpp.distill("model.pth", "street*.png", "student.pth", preset="fast")
        Traceback (most recent call last):
        segpp.errors.InputError: 1 picture(s) are too few to train with
        ...
    """
    sources = arguments.several(arguments.path_text, "pictures", pictures, least=1)
    part = arguments.optional(arguments.text, "split", split)
    folder = arguments.optional(arguments.path_text, "eval_folder", eval_folder)
    found = labelled_pictures(sources, split=None if folder else part, suffixes=("", ""))
    others = to_score(folder, part)
    numbers = arguments.optional(arguments.text, "label_map", label_map)
    ignored = ignored_of(ignore)
    config = DistillConfig(
        **common_settings(
            found.sources,
            checkpoint=checkpoint,
            output=output,
            preset=preset,
            ratio=ratio,
            reduce=reduce,
            match_interval=match_interval,
            size=size,
            minutes=minutes,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            gate_weight=gate_weight,
            auxiliary_weight=auxiliary_weight,
            held_back=held_back,
            check_every=check_every,
            patience=patience,
            seed=seed,
            checkpoint_format=checkpoint_format,
            heads=heads,
            mean=mean,
            std=std,
            colors=colors,
            prefix=prefix,
            weights=weights,
            ignore_tensors=ignore_tensors,
            fit=fit,
            white=white,
            bands=bands,
            device=device,
            precision=precision,
            threads=threads,
            restart=restart,
            force=force,
        ),
        mask_weight=arguments.number("mask_weight", mask_weight, least=0),
        stage_weight=arguments.number("stage_weight", stage_weight, least=0),
        temperature=arguments.number("temperature", temperature, least=0),
        stages_alone=arguments.share("stages_alone", stages_alone),
    )
    # torch takes seconds to import: what is wrong without it is told before.
    check_config(config)
    from segpp.train.trainings import distill as run  # noqa: PLC0415 - as above

    return run(config, partial(_scored, found, others, numbers, ignored))


def _scored(
    found: Labelled,
    others: Labelled | None,
    label_map: str | None,
    ignored: tuple[int, ...] | None,
    checkpoint: Checkpoint,
) -> "Scored | None":
    """Return what teacher and student are scored by."""
    if others is not None or found.data is None:
        return scored_by(others, label_map, ignored, checkpoint)
    from segpp.train.scores import Scored  # noqa: PLC0415 - with torch, as above

    return Scored(truth_for(found.data, label_map, ignored, checkpoint))
