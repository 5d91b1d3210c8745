"""Counts of matching, from a manifest that says what it says or was edited."""

import pytest

from segpp.errors import ManifestError
from segpp.export.models.macs import site_match_macs
from segpp.manifest import ReductionSite


def site(**settings: float | str) -> ReductionSite:
    return ReductionSite(1, "kv", "bsm", settings, (8, 8), 64, 32)


def test_a_match_compares_every_source_with_every_destination() -> None:
    assert site_match_macs(site(ratio=0.5, sy=2, sx=2, window=0), 32) == 48 * 16 * 32


@pytest.mark.parametrize("settings", [{"sy": "x"}, {"sy": 2.5}, {"speed": 1}, {"ratio": "half"}])
def test_settings_of_other_types_are_an_error_that_names_them(
    settings: dict[str, int | float | str],
) -> None:
    with pytest.raises(ManifestError, match="the settings of stage 1, kv"):
        site_match_macs(site(**settings), 32)
