"""Checkpoints trained on by labels, with fewer tokens and channels or with all."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from segpp.api._types import PathLike, SizeLike, WhiteLike
from segpp.api.train._settings import (
    common_settings,
    ignored_of,
    labelled_data,
    scored_by,
    to_score,
    truth_for,
)
from segpp.train.check import check_config
from segpp.train.config import FineTuneConfig
from segpp.train.report import FineTuneResult
from segpp.utils import arguments

__all__ = ["fine_tune"]


def fine_tune(
    checkpoint: PathLike,
    images: PathLike,
    output: PathLike,
    *,
    labels: PathLike | None = None,
    preset: str | None = None,
    ratio: float | None = None,
    reduce: str | Sequence[str] = (),
    match_interval: int = 1,
    size: SizeLike | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 4,
    learning_rate: float = 2e-4,
    distil_weight: float = 0.0,
    temperature: float = 1.0,
    gate_weight: float | None = None,
    auxiliary_weight: float | None = None,
    held_back: float = 0.15,
    check_every: int | None = None,
    patience: int = 10,
    seed: int = 0,
    eval_folder: PathLike | None = None,
    split: str | None = None,
    image_suffix: str = "",
    label_suffix: str = "",
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
) -> FineTuneResult:
    """Train a checkpoint on by labels, with fewer tokens and channels inside or with all.

    A part of the pictures is held back, and the weights of the best mean IoU there are written in
    the layout of the checkpoint, with what was done in ``output`` with ``.json`` behind it. A
    training that is stopped goes on when it is called again.

    Args:
        checkpoint: Weights (.pth, .pt, .bin, .safetensors) or a Hugging Face folder. Nothing in
            it is executed.
        images: A folder of pictures, or a pattern; at least eight. Or the folder of a data set of
            a known layout.
        output: The checkpoint to write: a file of the same kind, or a folder.
        labels: A folder or pattern of class numbers or of the classes' colours, named like the
            images; None of a data set.
        preset, ratio, reduce, match_interval: As in ``distill``; nothing is left out without.
        size: Input in pixels, height first, as the export will have it; by default the
            checkpoint's own, else 512x1024.
        minutes: Time for training, over all its starts, checks included; by default 30.
        steps: Instead of minutes: updates of the weights.
        batch: Pictures for one update, over all processes.
        learning_rate: Of AdamW, the highest; it warms up and falls by half a cosine.
        distil_weight: Of the divergence of the masks of the checkpoint as it is, which then
            teaches besides, in the loss.
        temperature: By which logits are divided before these are compared, 0.01 to 100.
        gate_weight: Of the size of dynamic gates in the loss; by default 0.001 where there are any.
        auxiliary_weight: Of the cross entropy of each auxiliary head, as in ``distill``.
        held_back: Share of the pictures that weights are chosen by, in runs of neighbours.
        check_every: Steps between two checks; by default as many as pictures are held back.
        patience: Checks without improvement after which training ends.
        seed: Of the order of pictures and how they are varied.
        eval_folder: Data set to score by in the report; by default the pictures held back.
        split: The part of a data set; by default ``train``, and of ``eval_folder`` the one for
            validation.
        image_suffix: End of the images' names that their partners lack.
        label_suffix: The same for labels.
        label_map: Class of each number in labels, as in ``evaluate``.
        ignore: Labels whose pixels do not count; by default the model's own, and 255.
        checkpoint_format, heads, mean, std, colors, prefix, weights, ignore_tensors: As in
            ``distill``.
        fit, white, bands: As in ``distill``.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: What steps are computed in: ``auto`` (on a CPU what a trial finds faster),
            ``fp32``, ``bf16``, on GPUs also ``fp16``.
        threads: CPU threads.
        restart: Begin anew, where a training that was stopped could go on.
        force: Replace files that segpp did not write, too; never one that is read.

    Returns:
        Mean IoU, and agreement with the checkpoint as it is, before and after; and warnings.

    Raises:
        InputError: The checkpoint, a number, the data or a place to write to cannot be used,
            or a training that was stopped had other settings.
        CheckError: The weights got no better, and nothing is written; or the training diverged.
        MissingError: A package of ``segpp[train]`` is not installed, or there is no GPU.

    Example:
        >>> segpp.fine_tune("model.pth", "images", "tuned.pth", labels="labels", preset="fast")
        Traceback (most recent call last):
        segpp.errors.ImageError: the folder of images images does not exist
    """
    found = (
        arguments.path("images", images),
        arguments.optional(arguments.path, "labels", labels),
    )
    suffixes = (
        arguments.text("image_suffix", image_suffix),
        arguments.text("label_suffix", label_suffix),
    )
    part = arguments.optional(arguments.text, "split", split)
    folder = arguments.optional(arguments.path_text, "eval_folder", eval_folder)
    numbers = arguments.optional(arguments.text, "label_map", label_map)
    ignored = ignored_of(ignore)
    config = FineTuneConfig(
        **common_settings(
            (),
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
        distil_weight=arguments.number("distil_weight", distil_weight, least=0),
        temperature=arguments.number("temperature", temperature, least=0),
    )
    # torch takes seconds to import: what is wrong without it is told before.
    check_config(config)
    others = to_score(folder, part)
    data = labelled_data(*found, split=None if others else part, suffixes=suffixes)
    config = replace(config, pictures=tuple(str(pair.image) for pair in data.pairs))
    from segpp.train.trainings import fine_tune as run  # noqa: PLC0415 - as above

    truth = partial(truth_for, data, numbers, ignored)
    return run(config, truth, partial(scored_by, others, numbers, ignored))
