"""The custom ONNX operators: their contracts, each once; their oracles are in reference.py."""

from dataclasses import dataclass

from segpp.ops.reference import (
    GROUP,
    MAX_INT8_CLASSES,
    decode_head_reference,
    match_reference,
    merge_reference,
    resize_argmax_reference,
    unmerge_add_reference,
    unmerge_reference,
)

__all__ = [
    "CONTRACTS",
    "DOMAIN",
    "GROUP",
    "MAX_INT8_CLASSES",
    "VERSION",
    "Contract",
    "decode_head_reference",
    "match_reference",
    "merge_reference",
    "resize_argmax_reference",
    "unmerge_add_reference",
    "unmerge_reference",
]

DOMAIN = "segpp"
VERSION = 1


@dataclass(frozen=True)
class Contract:
    """What a node of one operator looks like.

    Attributes:
        attributes: The integer attributes that carry meaning. Every node also has the strings
            ``plugin_version`` and ``plugin_namespace``, by which TensorRT finds a plugin.
        meaning: One sentence; the oracle of the same name is the exact text.
        optional: Attributes that a node may lack, which is the same as 0.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    meaning: str
    optional: tuple[str, ...] = ()


CONTRACTS = {
    contract.name: contract
    for contract in (
        Contract(
            "SegppTokenMatch",
            ("x",),
            ("slot",),
            ("height", "width", "stride_y", "stride_x", "merged", "window"),
            "x (B,N,C) to slot (B,N) int32: bipartite soft matching on a grid",
        ),
        Contract(
            "SegppTokenMerge",
            ("x", "slot"),
            ("y",),
            ("slots", "singles"),
            "x (B,N,C) to y (B,M,C): the mean of the rows that share a slot; each of the first"
            " ``singles`` slots has one row",
        ),
        Contract(
            "SegppTokenUnmerge",
            ("y", "slot"),
            ("x",),
            (),
            "y (B,M,C) to x (B,N,C): every token takes the row of its slot",
        ),
        Contract(
            "SegppTokenUnmergeAdd",
            ("y", "slot", "residual"),
            ("x",),
            (),
            "y (B,M,C) and residual (B,N,C) to x (B,N,C): the row of its slot added to every token",
        ),
        Contract(
            "SegppResizeArgmax",
            ("logits",),
            ("labels",),
            # TensorRT asks for the type of the labels before it tells a shape.
            ("height", "width", "classes", "align_corners"),
            "logits (B,K,h,w) to labels (B,H,W): bilinear resize, then argmax over K, or for K = 1"
            " whether the logit is above 0",
            ("align_corners",),
        ),
        Contract(
            "SegppDecodeHead",
            # What each level adds to the fused map, the first with the biases of all; then the
            # classifier, as a 1x1 convolution has it.
            ("first", "second", "third", "fourth", "weight", "bias"),
            ("logits",),
            ("align_corners",),
            "first (B,D,h,w), second to fourth (B,D,h_i,w_i), weight (K,D,1,1) and bias (K) to"
            " logits (B,K,h,w): the deeper levels resized bilinearly to the first and added to it,"
            " ReLU, and the classifier",
            ("align_corners",),
        ),
    )
}
