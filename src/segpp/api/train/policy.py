"""A policy by which patches of a plain ViT share tokens, trained by labels and added to it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from segpp.api._types import PathLike, SizeLike, WhiteLike
from segpp.api.train._settings import common_settings, ignored_of, labelled_data, truth_for
from segpp.train.check import check_config
from segpp.train.config import PolicyConfig
from segpp.train.report import PolicyResult
from segpp.utils import arguments

__all__ = ["train_policy"]


def train_policy(
    checkpoint: PathLike,
    images: PathLike,
    output: PathLike,
    *,
    labels: PathLike | None = None,
    policy_weights: PathLike | None = None,
    size: SizeLike | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 4,
    learning_rate: float = 2e-4,
    held_back: float = 0.15,
    check_every: int | None = None,
    patience: int = 10,
    seed: int = 0,
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
) -> PolicyResult:
    """Train a policy by labels: which superpatches of 2x2 patches hold one class only.

    Only the policy is trained, as Content-aware Token Sharing does before the network; what is
    written is the checkpoint with the policy in it, which ``export_onnx`` takes with
    ``reduce="embed.patches=policy:ratio=0.4"``, and ``fine_tune`` trains on with the same. A policy
    that is there already is trained on.

    Args:
        checkpoint: Weights of a plain ViT of Segmenter or mmsegmentation with patches of 16 pixels.
            Nothing in it is executed.
        images, output, labels: As in ``fine_tune``; numbers of any classes will do, also of others
            than the checkpoint has.
        policy_weights: Of timm's ``efficientnet_lite0``, or of a policy alone, to begin with.
        size: Input in pixels, as the export will have it.
        minutes, steps, batch, learning_rate, held_back, check_every, patience, seed: As in
            ``fine_tune``; the share of superpatches held back that it is right about decides.
        split, image_suffix, label_suffix, label_map, ignore: As in ``fine_tune``.
        checkpoint_format, heads, mean, std, colors, prefix, weights, ignore_tensors: As in
            ``distill``.
        fit, white, bands, device, precision, threads, restart, force: As in ``fine_tune``.

    Returns:
        The share of superpatches that it is right about before and after; warnings.

    Raises:
        InputError: The checkpoint cannot have a policy, or as ``fine_tune``.
        CheckError: The policy got no better, and nothing is written; or the training diverged.
        MissingError: A package of ``segpp[train]`` is not installed, or there is no GPU.

    Example:
        >>> segpp.train_policy("model.pth", "images", "policy.pth", labels="labels")
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
    numbers = arguments.optional(arguments.text, "label_map", label_map)
    ignored = ignored_of(ignore)
    config = PolicyConfig(
        **common_settings(
            (),
            checkpoint=checkpoint,
            output=output,
            preset=None,
            ratio=None,
            reduce=(),
            match_interval=1,
            size=size,
            minutes=minutes,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            gate_weight=None,
            auxiliary_weight=None,
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
        weights=arguments.optional(arguments.path, "policy_weights", policy_weights),
    )
    # torch takes seconds to import: what is wrong without it is told before.
    check_config(config)
    data = labelled_data(*found, split=part, suffixes=suffixes)
    config = replace(config, pictures=tuple(str(pair.image) for pair in data.pairs))
    from segpp.train.trainings import train_policy as run  # noqa: PLC0415 - as above

    # Whether a superpatch is of one class does not depend on which classes a network knows.
    return run(config, partial(truth_for, data, numbers, ignored, any_number=True))
