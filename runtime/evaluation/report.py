"""Scores as a table, as JSON and as CSV."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from segpp import __version__
from segpp.images.palette import Color
from segpp.runtime.evaluation import Evaluation, Score
from segpp.runtime.evaluation.worst import WorstImage
from segpp.utils.table import spreadsheet_text, table

__all__ = ["EvaluationReport"]

_LISTED = 10
_NONE = "-"


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation with the names that belong to it.

    Args:
        evaluation: The scores.
        models: A name for each score.
        classes: A name for each class.
        ignored: The labels whose pixels did not count.
        notes: What a reader should know of the models, a sentence each.
        fits: How pictures filled the input of each model; nothing if that is not known.
        palette: A colour for each class.
        worst: The images that went worst, where they were asked for.
        backends: What ran each model: library, version and device; nothing if that is not known.
    """

    evaluation: Evaluation
    models: tuple[str, ...]
    classes: tuple[str, ...]
    ignored: frozenset[int]
    notes: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()
    palette: tuple[Color, ...] = ()
    worst: tuple[WorstImage, ...] = ()
    backends: tuple[str, ...] = ()

    @property
    def present(self) -> list[int]:
        """The classes that occur in labels or predictions: those with an IoU."""
        ious = [score.confusion.iou.tolist() for score in self.evaluation.scores]
        return [i for i in range(len(self.classes)) if not all(math.isnan(iou[i]) for iou in ious)]

    @property
    def miou(self) -> dict[str, float]:
        """Mean intersection over union of each model, as a share of one."""
        return {
            name: score.confusion.miou
            for name, score in zip(self.models, self.evaluation.scores, strict=True)
        }

    def text(self) -> str:
        """Return two tables: the models, and the IoU of each class."""
        return "\n".join(
            [
                f"{self.counts()}; scores in percent",
                "",
                self._model_table(),
                "",
                self._class_table(),
                *self._absent(),
                *self._unseen(),
            ]
        )

    def json(self) -> str:
        """Return everything as JSON; scores are shares of one."""
        content = {
            "segpp": __version__,
            "backends": self.backends,
            "images": self.evaluation.images,
            "labelled_pixels": self.evaluation.scores[0].confusion.pixels,
            "ignored_pixels": self.evaluation.ignored_pixels,
            "ignored_by_label": {
                str(label): count for label, count in self.evaluation.ignored_by_label.items()
            },
            "left_out": len(self.evaluation.skipped),
            "notes": self.notes,
            "skipped": self.evaluation.skipped,
            "ignored": sorted(self.ignored),
            "classes": self.classes,
            "models": self._rows(),
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    def csv(self) -> str:
        """Return a heading and one row per model, with a column for each class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        rows = self._rows()
        scores = [key for key in rows[0] if key != "iou"]
        writer.writerow([*scores, *(spreadsheet_text(f"iou {name}") for name in self.classes)])
        for row in rows:
            values = [row[key] for key in scores]
            texts = [spreadsheet_text(one) if isinstance(one, str) else one for one in values]
            writer.writerow([*texts, *row["iou"]])
        return text.getvalue()

    def counts(self) -> str:
        """Return how many images and pixels there were, and what was ignored."""
        images, noun = self.evaluation.images, "images" if self.evaluation.images != 1 else "image"
        pixels, left = self.evaluation.scores[0].confusion.pixels, self.evaluation.ignored_pixels
        share = left / max(pixels + left, 1)
        found = images + len(self.evaluation.skipped)
        used = f"{images} of {found}" if found > images else f"{images}"
        by_label = ", ".join(f"{k}: {n:,}" for k, n in self.evaluation.ignored_by_label.items())
        which = f"; by label {by_label}" if len(self.evaluation.ignored_by_label) > 1 else ""
        return f"{used} {noun}, {pixels:,} labelled pixels, {left:,} ignored ({share:.1%}{which})"

    def _model_table(self) -> str:
        heading = ["model", "mIoU", "pixel accuracy", "agreement", "images/s", "fit"]
        rows = [
            [
                name,
                _percent(score.confusion.miou),
                _percent(score.confusion.pixel_accuracy),
                _percent(score.agreement),
                f"{self._rate(score):.2f}",
                fit or _NONE,
            ]
            for name, fit, score in self.scored()
        ]
        return table([heading, *rows], "lrrrrl")

    def _class_table(self) -> str:
        counts = self.evaluation.scores[0].confusion.matrix.sum(1)
        shares = (counts / max(counts.sum(), 1)).tolist()
        ious = [score.confusion.iou.tolist() for score in self.evaluation.scores]
        rows = [
            [self.classes[i], _percent(shares[i]), *(_percent(iou[i]) for iou in ious)]
            for i in self.present
        ]
        heading = ["class", "share of pixels", *(f"IoU {name}" for name in self.models)]
        return table([heading, *rows], "lr" + "r" * len(ious))

    def scored(self) -> Iterator[tuple[str, str | None, Score]]:
        """Iterate over the models with their fits, None where it is not known."""
        return zip(
            self.models, self.fits or [None] * len(self.models), self.evaluation.scores, strict=True
        )

    def _unseen(self) -> list[str]:
        return [
            f"{name} did not see {score.unseen:,} labelled pixels outside of its crop; they did "
            "not count"
            for name, _, score in self.scored()
            if score.unseen
        ]

    def _absent(self) -> list[str]:
        absent = [name for i, name in enumerate(self.classes) if i not in self.present]
        if not absent:
            return []
        listed = ", ".join(absent) if len(absent) <= _LISTED else f"{len(absent)} classes"
        return [f"neither labelled nor predicted: {listed}"]

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "model": name,
                "miou": _null_if_nan(score.confusion.miou),
                "pixel_accuracy": _null_if_nan(score.confusion.pixel_accuracy),
                "agreement": score.agreement,
                "images_per_second": self._rate(score),
                "fit": fit,
                "unseen_pixels": score.unseen,
                "iou": [_null_if_nan(value) for value in score.confusion.iou.tolist()],
            }
            for name, fit, score in self.scored()
        ]

    def _rate(self, score: Score) -> float:
        return self.evaluation.images / max(score.seconds, 1e-9)


def _percent(value: float) -> str:
    return _NONE if math.isnan(value) else f"{100 * value:.2f}"


def _null_if_nan(value: float) -> float | None:
    # JSON has no not-a-number.
    return None if math.isnan(value) else value
