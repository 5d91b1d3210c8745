"""How well a policy does on the pictures held back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.train.learning.judge import Judge
from segpp.train.learning.judged import Judged, JudgedPolicy
from segpp.train.learning.objectives.losses import NO_LABEL
from segpp.train.parts.superpatches import ONE_CLASS, SEVERAL, superpatch_targets
from segpp.train.pictures.labelled import LabelReader
from segpp.train.scores import Scorer

__all__ = ["PolicyJudge"]


@dataclass
class PolicyJudge(Judge):
    """Compares a policy with labels, in FP32; there is no teacher to compare it with."""

    _targets: dict[Path, Tensor] = field(default_factory=dict)

    def __call__(self, student: nn.Module) -> Judged:
        """Return how a policy does, the same in every process."""
        surer: list[tuple[Tensor, Tensor]] = []
        right = entropy = known = pure = 0.0
        for path in self.pictures[self.world.rank :: self.world.size]:
            with torch.no_grad():
                logits = student(self._images([path]))[0].flatten(1).cpu()
            targets = self._of(path)
            counts = targets != NO_LABEL
            logits, targets = logits[:, counts], targets[counts]
            right += int((logits.argmax(0) == targets).sum())
            entropy += float(F.cross_entropy(logits.T, targets, reduction="sum"))
            known, pure = known + targets.numel(), pure + int((targets == ONE_CLASS).sum())
            surer.append((logits[ONE_CLASS] - logits[SEVERAL], targets))
        right, entropy, known, pure = self.world.total([right, entropy, known, pure])
        if not known:
            return JudgedPolicy(*[float("nan")] * 4)
        share = pure / known
        return JudgedPolicy(right / known, entropy / known, share, self._chosen(surer, share))

    def class_shares(self) -> list[Tensor]:
        """Return the share of every label that there is (K,) in a few pictures."""
        few = self.pictures[:: max(1, len(self.pictures) // 8)]
        labels = [torch.from_numpy(self._scorer.truth.labels(path)).flatten() for path in few]
        known = torch.unique(torch.cat(labels))
        counts = (
            torch.bincount(torch.searchsorted(known, x), minlength=len(known)) for x in labels
        )
        return [own / own.sum() for own in counts]

    @property
    def _scorer(self) -> Scorer:
        # A policy has no teacher that it could be judged by instead.
        return cast("Scorer", self.scorer)

    def _of(self, path: Path) -> Tensor:
        """Return what the superpatches of a picture are, (W,)."""
        if path not in self._targets:
            truth = self._scorer.truth
            labels = LabelReader(truth, self.reader.spec).as_input(truth.labels(path))
            self._targets[path] = superpatch_targets(torch.from_numpy(labels)[None])[0].flatten()
        return self._targets[path]

    def _chosen(self, surer: Sequence[tuple[Tensor, Tensor]], share: float) -> float:
        """Return the share of one class among those chosen, where ``share`` of each image is."""
        good = taken = 0.0
        for scores, targets in surer:
            first = scores.argsort(descending=True, stable=True)[: round(share * len(scores))]
            good, taken = good + float((targets[first] == ONE_CLASS).sum()), taken + len(first)
        good, taken = self.world.total([good, taken])
        return good / max(taken, 1)
