"""What is left of weights in a file that keeps them in half precision."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from segpp.train.saving.student import Layout

__all__ = ["rounded"]


def rounded(layout: Layout, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as they are read once they lie in the teacher's layout.

    BF16 keeps eight bits: what training moved a weight by may be half of that or twice as much.

    Args:
        layout: Where they are going to lie.
        state: Under our names, FP32; all of the network.
    """
    own = layout.found.state_dict.tensors
    kept = {
        # What is added is FP32.
        name: tensor.reshape(own[name].shape).to(own[name].dtype) if name in own else tensor
        for name, tensor in layout.checkpoint.stored(state).items()
    }
    as_read = replace(layout.found.state_dict, tensors={**own, **kept})
    found = replace(layout.found, state_dict=as_read)
    return dict(found.checkpoint(layout.source, layout.choices).state)
