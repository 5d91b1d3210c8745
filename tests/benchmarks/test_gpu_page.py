"""The page of the GPU measurements is what its script makes of the committed run."""

from pathlib import Path

import pytest

from benchmarks.common.markdown import with_blocks
from benchmarks.gpu.page.__main__ import PAGE, RESULT, blocks_of
from benchmarks.gpu.page.network_tables import Cost
from benchmarks.gpu.page.run import read_run
from segpp.errors import CheckError


def test_the_page_tells_the_committed_run() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert with_blocks(page, blocks_of(read_run(RESULT))) == page


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(CheckError, match="no place for 'machine'"):
        with_blocks("<!-- machine -->\n", {"machine": "| a |"})


def test_a_folder_without_a_date_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="does not end in a date"):
        read_run(tmp_path / "h200")


def test_matches_that_are_left_out_tell_what_one_costs() -> None:
    cost = Cost("b0", blocks=8, left_out=4, added=0.5, added_by_one=0.3)

    assert cost.match == pytest.approx(0.05)
    assert cost.matches == pytest.approx(0.4)
    assert cost.rest == pytest.approx(0.1)
