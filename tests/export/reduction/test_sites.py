"""Sites are written and read back."""

import pytest

from segpp.errors import ReductionError
from segpp.export.models.segformer.sites import SITES
from segpp.export.reduction.sites import Site, parse_site, parse_sites


@pytest.mark.parametrize("site", SITES, ids=str)
def test_every_site_is_read_back(site: Site) -> None:
    assert parse_site(str(site), SITES) == site


def test_a_range_names_the_sites_of_its_stages() -> None:
    assert parse_sites("2-4.q", SITES) == (Site(2, "q"), Site(3, "q"), Site(4, "q"))
    assert parse_sites("3-3.ffn", SITES) == parse_sites("3.ffn", SITES) == (Site(3, "ffn"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3-2.q", "'3-2.q' ends before it begins"),
        ("3-9999.q", "'5.q' names stage 5, which does not exist"),
        ("1-2.z", "'1.z' names side 'z'"),
        ("0-2.q", "'0-2.q' is not a merge site"),
        ("1-2-3.q", "'1-2-3.q' is not a merge site"),
    ],
)
def test_a_range_that_is_none_or_leaves_the_network_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReductionError, match=message):
        parse_sites(text, SITES)
