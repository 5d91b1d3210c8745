"""Settings and networks by which no token could leave are refused in a sentence."""

import pytest

from segpp.errors import ReductionError
from segpp.export.models.vit.architecture import vit
from segpp.export.models.vit.family import FAMILY
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.methods.token_pass import TokenPass
from segpp.ops.grid import Grid


def test_where_queries_join_late_no_token_leaves() -> None:
    masks = vit(
        dim=128, depth=12, heads=2, patch=16, prefix=1, hidden=512, ffn="gelu", decoder=128,
        head="mask-classification", head_blocks=0, classes=5, channels=3, queries=4,
        query_blocks=3, upscalings=1,
    )  # fmt: skip

    with pytest.raises(ReductionError, match=r"no tokens can leave at 3\.tokens\n.*4 queries join"):
        FAMILY.reduction_config(ReductionChoice(preset="dovit"), masks)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ratio=1", "a share of 1 of the tokens"),
        ("count=-1", "cannot let -1 tokens leave"),
        ("by=luck", "unknown by of pass 'luck'"),
    ],
)
def test_settings_out_of_range_are_refused(text: str, words: str) -> None:
    with pytest.raises(ReductionError, match=words):
        TokenPass.parse(text)


def test_one_token_stays() -> None:
    with pytest.raises(ReductionError, match="cannot let 24 of 24 tokens leave"):
        TokenPass(count=24).check_fits(Grid(4, 6))
