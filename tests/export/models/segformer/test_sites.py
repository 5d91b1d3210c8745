"""The grids of a SegFormer's stages are those of the network."""

import pytest

from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.sites import SITES, site_grids, stage_grids
from segpp.ops.grid import Grid, Size

torch = pytest.importorskip("torch")


NUMERICS = Numerics(1e-5, 1e-6, 1e-5, 1e-6)


@pytest.mark.parametrize("size", [Size(32, 32), Size(224, 480), Size(100, 333)], ids=str)
def test_stage_grids_are_those_of_the_network(size: Size) -> None:
    with torch.device("meta"):
        stages = SegFormer(segformer("b0", classes=2), NUMERICS).stages
        features, grids = torch.empty(1, 3, *size), []

    for stage in stages:
        features = stage(features)
        grids.append(Grid(*features.shape[2:]))

    assert stage_grids(size) == tuple(grids)


@pytest.mark.parametrize("size", [Size(32, 32), Size(33, 47), Size(143, 189)], ids=str)
def test_tokens_at_each_site_are_those_of_the_network(size: Size) -> None:
    with torch.device("meta"):
        stages = SegFormer(segformer("b0", classes=2), NUMERICS).stages
        features, grids = torch.empty(1, 3, *size), []
    for stage in stages:
        tokens, grid = stage.patch_embed(features)
        keys = stage.blocks[0].attention.context(tokens, grid)[1]
        grids += [grid, grid, keys, grid]
        features = stage(features)

    # The last site is the head's, which works on the first stage's grid.
    assert site_grids(size) == dict(zip(SITES, [*grids, grids[0]], strict=True))


def test_tokens_of_each_stage_at_a_known_size() -> None:
    assert stage_grids(Size(512, 1024)) == (
        Grid(128, 256), Grid(64, 128), Grid(32, 64), Grid(16, 32),
    )  # fmt: skip
