"""How well a student does on the pictures held back: by its teacher, and by labels if there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from segpp.export.custom_ops.torch_ops import resize_argmax
from segpp.export.models.network import Network
from segpp.train.learning.judged import Judged, JudgedByLabels
from segpp.train.learning.objectives.losses import mask_divergence
from segpp.train.learning.world import World
from segpp.train.pictures.reading import Reader
from segpp.train.scores import Scorer

__all__ = ["Judge"]

# What the teacher says is kept for the next check as long as it takes no more.
_MOST_KEPT_BYTES = 512 << 20


@dataclass
class Judge:
    """Compares students with one teacher on pictures that nothing is learned from.

    Always in FP32, whatever is trained in: so it will be exported.

    Args:
        teacher: Images to logits.
        pictures: Held back; every process takes its share.
        reader: Reads them.
        world: The processes.
        batch: Pictures at once.
        align_corners: How logits are resized.
        scorer: Counts masks against labels, which then decide; None without.
    """

    teacher: Network
    pictures: Sequence[Path]
    reader: Reader
    world: World
    batch: int
    align_corners: bool
    scorer: Scorer | None = None
    _kept: dict[int, Tensor] = field(default_factory=dict)
    _bytes: int = 0

    def __call__(self, student: nn.Module) -> Judged:
        """Return how a student does, the same in every process."""
        agreed, diverged, count = 0.0, 0.0, 0
        scorer = self.scorer
        counts = [] if scorer is None else [scorer.nothing]
        own = self.pictures[self.world.rank :: self.world.size]
        with torch.no_grad():
            for start in range(0, len(own), self.batch):
                paths = own[start : start + self.batch]
                images = self._images(paths)
                ours, theirs = student(images), self._teachers(start, images)
                agreed += self._agreed(ours, theirs) * len(images)
                diverged += float(self._divergence(ours, theirs)) * len(images)
                count += len(images)
                if scorer is not None:
                    counts.append(scorer.count_batch(ours, paths))
        agreed, diverged, total = self.world.total([agreed, diverged, count])
        if scorer is None:
            return Judged(agreed / total, diverged / total)
        return JudgedByLabels(agreed / total, diverged / total, scorer.miou(np.sum(counts, 0)))

    def class_shares(self) -> list[Tensor]:
        """Return the share of every class (K,) in the teacher's masks of a few pictures."""
        found = []
        with torch.no_grad():
            for path in self.pictures[:: max(1, len(self.pictures) // 8)]:
                logits = self.teacher(self._images([path]))
                labels = logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
                counts = torch.bincount(labels.flatten(), minlength=max(2, logits.shape[1]))
                found.append(counts / counts.sum())
        return found

    def _images(self, paths: Sequence[Path]) -> Tensor:
        arrays = [self.reader.whole(path) for path in paths]
        return torch.from_numpy(np.concatenate(arrays)).to(self.world.device)

    def _teachers(self, start: int, images: Tensor) -> Tensor:
        if start not in self._kept:
            logits: Tensor = self.teacher(images)
            if self._bytes + logits.nbytes > _MOST_KEPT_BYTES:
                return logits
            self._kept[start] = logits.cpu()
            self._bytes += logits.nbytes
        return self._kept[start].to(images.device)

    def _divergence(self, ours: Tensor, theirs: Tensor) -> Tensor:
        ours, theirs = map(self.teacher.learned_logits, (ours, theirs))
        return mask_divergence(ours, theirs, align_corners=self.align_corners)

    def _agreed(self, ours: Tensor, theirs: Tensor) -> float:
        spec = self.reader.spec
        labels = [
            resize_argmax(logits, spec.height, spec.width, align_corners=self.align_corners)
            for logits in (ours, theirs)
        ]
        return float((labels[0] == labels[1]).float().mean())
