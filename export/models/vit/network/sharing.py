"""Patches that share a token: the exact form of it without cutting pixels patch by patch.

Source: Lu et al., Content-aware Token Sharing, 2023 (arXiv:2306.02095), section 3.3. There the
pixels of every patch and every halved superpatch are gathered and embedded; here all of them are
embedded, and tokens are gathered. The embedding sees each patch alone, so it is the same.
"""

from torch import Tensor
from torch.nn import functional as F

from segpp.export.models.layers import nchw_to_tokens
from segpp.export.models.vit.network.embedding import Embedding
from segpp.export.reduction.assignments.window_means import WindowMeans, windows_of
from segpp.export.reduction.matching.policy_network import PolicyNetwork
from segpp.export.reduction.sharing import SUPERPATCH, SharingReduction
from segpp.ops.grid import Grid

__all__ = ["embed_shared"]


def embed_shared(
    embedding: Embedding, image: Tensor, sharing: SharingReduction, policy: PolicyNetwork | None
) -> tuple[Tensor, Grid, WindowMeans]:
    """Return the tokens of an image of which some superpatches share one each.

    Args:
        embedding: Of patches, with their positions and the prefix.
        image: Normalised pixels (B, Cin, H, W).
        sharing: Which superpatches do.
        policy: What gives the scores, where weights do.

    Returns:
        Tokens (B, P + M, C), the grid of all N patches, and which of them each of the M is.
    """
    # 1. Every patch, (B, N, C), and every superpatch at half its size, (B, W, C).
    image = embedding.padded(image)
    patches = embedding.conv(image)
    grid = Grid(patches.shape[2], patches.shape[3])
    x = nchw_to_tokens(patches)
    shared = nchw_to_tokens(embedding.conv(_halved(image)))
    # 2. Which superpatches share: (B, W) scores.
    superpatches = Grid(grid.height // SUPERPATCH, grid.width // SUPERPATCH)
    if sharing.is_trained and policy is not None:
        scores = policy.scores(image, superpatches)
    else:
        scores = sharing.scores(image, grid)
    assignment = sharing.assign(scores, grid)
    # 3. Positions, of superpatches the mean of their four, and of both what each image has.
    positions = embedding.positions_on(grid)
    if positions is not None:
        x = x + positions
        shared = shared + windows_of(positions, assignment.settings).mean(2)
    return embedding.behind_prefix(assignment.select(shared, x)), grid, assignment


def _halved(image: Tensor) -> Tensor:
    """Return the means of 2x2 pixels, (B, Cin, H / 2, W / 2)."""
    height, width = (side // SUPERPATCH for side in image.shape[2:])
    # Odd sides are those of an odd number of odd patches, of which the last is in no superpatch.
    if any(side % SUPERPATCH for side in image.shape[2:]):
        image = image[:, :, : height * SUPERPATCH, : width * SUPERPATCH]
    # Bilinear at a half is just that. ONNX Runtime takes the zeros beside the image into an average
    # pooling behind them, and then refuses it.
    return F.interpolate(image, (height, width), mode="bilinear", align_corners=False)
