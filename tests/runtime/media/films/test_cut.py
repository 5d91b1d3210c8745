"""The part of a film that is wanted."""

import pytest

from segpp.runtime.media.films.cut import WHOLE, Cut

# A third of a second has no exact binary form, nor have its sums.
TIMES = [number / 3 for number in range(10)]


@pytest.mark.parametrize(
    ("cut", "numbers"),
    [
        (WHOLE, range(10)),
        (Cut(every=3), (0, 3, 6, 9)),
        (Cut(start=1.0), range(3, 10)),
        (Cut(duration=1.0), range(3)),
        (Cut(start=1 / 3, duration=2 / 3), (1, 2)),
        (Cut(start=1.1, every=2), (4, 6, 8)),
        (Cut(frames=2), (0, 1)),
        (Cut(start=2.0, every=2, frames=1), (6,)),
        (Cut(duration=0.0), ()),
        (Cut(start=99.0), ()),
    ],
    ids=str,
)
def test_frames_are_chosen_by_time_and_number(cut: Cut, numbers: range) -> None:
    assert list(cut.pick(range(10), lambda number: TIMES[number])) == list(numbers)


def test_times_count_from_the_films_beginning() -> None:
    later = [time + 1000.0 for time in TIMES]

    found = Cut(start=1.0, duration=1.0).pick(range(10), lambda number: later[number], 1000.0)

    assert list(found) == [3, 4, 5]


def test_a_damaged_frame_counts_once_the_part_has_begun() -> None:
    times = [None, 0.0, None, 2.0, None, 4.0]

    found = list(Cut(start=1.0).pick(range(6), lambda number: times[number]))

    assert found == [3, 4, 5]


def test_nothing_is_read_that_is_not_wanted() -> None:
    seen = []

    def entries() -> object:
        for number in range(10):
            seen.append(number)
            yield number

    list(Cut(frames=3).pick(entries(), float))  # type: ignore[arg-type]  # an iterator

    assert seen == [0, 1, 2]
