"""A run as a page: what was seen, picture by picture."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from segpp import __version__
from segpp.images.drawing.differences import mark_differences, share_different
from segpp.images.drawing.legend import percent
from segpp.runtime.html_report.markup import Html, join, tag
from segpp.runtime.html_report.page import (
    data_table,
    figure,
    grid,
    page,
    section,
    swatch,
    thumbnail,
    write_page,
)
from segpp.runtime.inference.predict import Prediction
from segpp.runtime.inference.summary import RunSummary
from segpp.runtime.media.looks.base import RenderConfig, Segmented, painted

__all__ = ["Album", "write_run_page"]

# A page of some megabytes opens at once everywhere; the table has the rest.
_MOST_PICTURES, _MOST_ROWS = 24, 1000
_MOST_CLASSES = 3


@dataclass
class Album:
    """The pictures of a run that are worth a place on its page, made small when they come.

    With a second network those that differ most, else the first ones.
    """

    render: RenderConfig
    pictures: dict[str, tuple[float, tuple[tuple[str, str], ...]]] = field(default_factory=dict)

    def add(self, name: str, shown: Segmented) -> None:
        """Keep one image if it belongs to those."""
        rank = self._different(shown)
        if len(self.pictures) >= _MOST_PICTURES:
            least = min(self.pictures, key=lambda one: self.pictures[one][0])
            if rank <= self.pictures[least][0]:
                return
            del self.pictures[least]
        self.pictures[name] = (rank, tuple(self._drawn(shown)))

    def _drawn(self, shown: Segmented) -> list[tuple[str, str]]:
        first, second = self.render.models
        drawn = [(first, thumbnail(painted(shown, shown.labels, self.render)))]
        if shown.others is not None:
            marked = mark_differences(shown.image, shown.labels, shown.others)
            said = f"{self._different(shown):.2%} of the pixels differ"
            drawn.insert(0, ("input", thumbnail(shown.image)))
            drawn.append((second, thumbnail(painted(shown, shown.others, self.render))))
            drawn.append((said, thumbnail(marked)))
        return drawn

    def _different(self, shown: Segmented) -> float:
        if shown.others is None:
            return 0.0
        return share_different(shown.labels, shown.others, unseen=self.render.unseen)


def write_run_page(path: Path, summary: RunSummary, album: Album) -> None:
    """Write the page of a run.

    Raises:
        OutputError: It cannot be written.
    """
    title = f"{' and '.join(_models(summary, album))}: {_count(summary.count)}"
    content = [_facts(summary, album), _classes(summary, album.render), *_pictures(summary, album)]
    write_page(path, page(title, *content, _table(summary), *_failed(summary)))


def _models(summary: RunSummary, album: Album) -> tuple[str, ...]:
    first, second = album.render.models
    is_compared = any(one.different is not None for one in summary.done)
    return (first, second) if is_compared else (first,)


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"


def _facts(summary: RunSummary, album: Album) -> Html:
    height, width = summary.input_size
    facts = [f"segpp {__version__}, {summary.backend}, input {height}x{width}, {summary.fit}"]
    differing = [one.different for one in summary.done if one.different is not None]
    if summary.done:
        middle = median(one.timing.total_ms for one in summary.done)
        whose = f" with {album.render.models[0]}" if differing else ""
        facts.append(f"median {middle:.0f} ms an image{whose}")
    if differing:
        facts.append(f"{sum(differing) / len(differing):.2%} of the pixels differ")
    return join(tag("p", "; ".join(facts)), *(tag("p", note) for note in summary.notes))


def _classes(summary: RunSummary, render: RenderConfig) -> Html:
    columns = zip(*(one.shares for one in summary.done), strict=True)
    shares = [sum(column) / len(summary.done) for column in columns]
    order = sorted(range(len(shares)), key=lambda number: -shares[number])
    entries = [
        tag("li", swatch(render.palette[i]), f"{_name(summary.names, i)} {percent(shares[i])}")
        for i in order
        if shares[i]
    ]
    if render.unseen is not None and summary.done:
        entries.append(tag("li", f"not seen {percent(max(0.0, 1 - sum(shares)))}"))
    return tag("ul", *entries, class_="legend")


def _pictures(summary: RunSummary, album: Album) -> list[Html]:
    order = sorted(album.pictures, key=lambda name: -album.pictures[name][0])
    drawn = {name: album.pictures[name][1] for name in order}
    left_out = summary.count - len(order)
    more = [tag("p", f"{left_out} more are in the table", class_="faint")] if left_out else []
    return [section("Pictures", *_grids(drawn), *more)] if drawn else []


def _grids(drawn: dict[str, tuple[tuple[str, str], ...]]) -> list[Html]:
    """Return one grid of all images, or one for each where each has several pictures."""
    if all(len(pictures) == 1 for pictures in drawn.values()):
        return [grid([figure(pictures[0][1], name) for name, pictures in drawn.items()])]
    return [
        join(tag("h3", name), grid([figure(address, caption) for caption, address in pictures]))
        for name, pictures in drawn.items()
    ]


def _table(summary: RunSummary) -> Html:
    compared = any(one.different is not None for one in summary.done)
    heading = ["image", "size", "ms", *(["differ"] if compared else []), "largest classes"]
    rows = [_row(one, summary.names, compared=compared) for one in summary.done[:_MOST_ROWS]]
    left_out = summary.count - len(rows)
    more = [tag("p", f"{left_out} more were done", class_="faint")] if left_out else []
    return section("Images", data_table(heading, rows, class_="list"), *more)


def _row(one: Prediction, names: tuple[str, ...], *, compared: bool) -> list[object]:
    largest = sorted(range(len(one.shares)), key=lambda number: -one.shares[number])
    seen = ", ".join(
        f"{_name(names, i)} {percent(one.shares[i])}"
        for i in largest[:_MOST_CLASSES]
        if one.shares[i]
    )
    size, time = f"{one.size[0]}x{one.size[1]}", f"{one.timing.total_ms:.0f}"
    return [one.item.name, size, time, *([f"{one.different:.2%}"] if compared else []), seen]


def _failed(summary: RunSummary) -> list[Html]:
    rows = [(failed.item.file, str(failed.error)) for failed in summary.failed[:_MOST_ROWS]]
    return [section("Skipped", data_table(("file", "why"), rows, class_="list"))] if rows else []


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else str(number)
