"""The share of a build from nested phases, as TensorRT-RTX reports them."""

from segpp.runtime.build.progress import Phases, parse_progress, render_progress


def test_a_step_of_the_whole_counts_as_its_part() -> None:
    phases = Phases()

    phases.start("Building engine", None, 4)

    assert phases.step("Building engine", 0) == 0.25
    assert phases.step("Building engine", 2) == 0.75
    assert phases.finish("Building engine") == 1.0


def test_a_phase_inside_fills_the_step_that_it_is() -> None:
    phases = Phases()
    phases.start("Building engine", None, 2)
    phases.start("Optimizing graph", "Building engine", 5)
    phases.start("Timing tactics", "Optimizing graph", 2)

    assert phases.step("Timing tactics", 0) == 0.05
    assert phases.finish("Timing tactics") is None
    assert phases.step("Optimizing graph", 3) == 0.4
    assert phases.finish("Optimizing graph") is None
    assert phases.step("Building engine", 0) == 0.5


def test_less_than_a_hundredth_is_not_worth_telling() -> None:
    phases = Phases()
    phases.start("Building engine", None, 1)
    phases.start("Cloning", "Building engine", 1000)

    told = [share for index in range(1000) if (share := phases.step("Cloning", index)) is not None]

    assert 90 <= len(told) <= 100
    assert told == sorted(told)
    assert told[-1] == 1


def test_it_never_goes_back() -> None:
    phases = Phases()
    phases.start("Building engine", None, 2)
    phases.start("Timing", "Building engine", 2)
    assert phases.step("Timing", 1) == 0.5

    assert phases.start("Timing", "Building engine", 10) is None
    assert phases.step("Timing", 4) is None


def test_phases_that_are_each_others_parents_end() -> None:
    phases = Phases()
    phases.start("a", None, 2)
    phases.start("b", "a", 2)
    phases.start("b", "b", 2)
    phases.start("a", "b", 2)

    assert phases.step("a", 0) is None
    assert phases.step("unknown", 3) is None


def test_a_share_survives_the_log() -> None:
    assert parse_progress(render_progress(0.5, "Timing tactics")) == (0.5, "Timing tactics")
