"""The network and its checkpoints."""

from collections.abc import Sequence

from segpp.export.models.patchnet import KV, PATCH, Q
from torch import Tensor, nn

from segpp.export.checkpoints.state_dict import StateDict
from segpp.export.checkpoints.weights import WeightsFile
from segpp.export.models.base import Checkpoint
from segpp.export.models.layers import LayerNorm, MergingAttention, PatchEmbed, tokens_to_nchw
from segpp.export.models.network import Network
from segpp.manifest import Architecture


class PatchNet(Network):
    sites = (Q, KV)

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        [dim], [heads] = architecture.dims, architecture.heads
        self.embed = PatchEmbed(
            architecture.channels, dim, kernel=PATCH, stride=PATCH, padding=0, eps=1e-5
        )
        self.norm = LayerNorm(dim, eps=1e-5)
        self.attention = MergingAttention(dim, heads)
        self.head = nn.Conv2d(dim, architecture.classes, 1)

    def attentions(self, stage: int) -> Sequence[MergingAttention]:  # noqa: ARG002 - there is one
        return [self.attention]

    def forward(self, image: Tensor) -> Tensor:
        x, grid = self.embed(image)
        x = x + self.attention(self.norm(x), grid)
        logits: Tensor = self.head(tokens_to_nchw(x, grid))
        return logits


class PatchNetCheckpoint(Checkpoint):
    def build(self) -> PatchNet:
        model = PatchNet(self.architecture)
        model.load_state_dict(self.state)
        return model.eval().requires_grad_(requires_grad=False)


def load(weights: WeightsFile, state_dict: StateDict) -> PatchNetCheckpoint:
    state = {name.removeprefix("patchnet/"): t for name, t in state_dict.tensors.items()}
    dim, channels = state["embed.conv.weight"].shape[:2]
    classes = state["head.weight"].shape[0]
    architecture = Architecture("patchnet-tiny", (dim,), (1,), (2,), "linear", 0, classes, channels)
    return PatchNetCheckpoint(
        state=state, architecture=architecture, format="patchnet", sha256=weights.sha256
    )
