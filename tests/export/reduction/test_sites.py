"""Sites are written and read back."""

import pytest

from segpp.export.models.segformer.sites import SITES
from segpp.export.reduction.sites import Site, parse_site


@pytest.mark.parametrize("site", SITES, ids=str)
def test_every_site_is_read_back(site: Site) -> None:
    assert parse_site(str(site), SITES) == site
