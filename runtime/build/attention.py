"""Where attention stands in a parsed network, and what could keep a compiler from fusing it.

A compiler fuses ``softmax(q kᵀ) v`` into one kernel where it finds two matrix products with a
softmax between them, and between those only casts and the like; in FP32 it finds them and has no
kernel. TensorRT and TensorRT-RTX say in their log which layers they found.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["AttentionSite", "attention_sites", "lost_sites"]

# What may stand between a product and the softmax, as the walk sees it.
_WALKED = frozenset(
    {"ACTIVATION", "CAST", "CONCATENATION", "DEQUANTIZE", "ELEMENTWISE", "IDENTITY", "PLUGIN_V3"}
    | {"QUANTIZE", "REDUCE", "SCALE", "SELECT", "SHUFFLE", "SLICE", "SQUEEZE", "UNARY", "UNSQUEEZE"}
)
# What a compiler looks through.
_HARMLESS = frozenset({"CAST", "IDENTITY", "SHUFFLE", "SQUEEZE", "UNSQUEEZE"})
# The types that there are fused kernels for.
_HALVES = frozenset({"HALF", "BF16"})
_FARTHEST = 12


@dataclass(frozen=True)
class AttentionSite:
    """A softmax and the matrix products around it.

    Args:
        softmax: The layer's name.
        products: The names of the product before it and of the one behind it, "" where none is.
        types: What the products give: "HALF", "FLOAT", …
        between: What stands between them that a compiler does not look through: "name (KIND)".
    """

    softmax: str
    products: tuple[str, str]
    types: tuple[str, ...]
    between: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """The three layers."""
        return frozenset({self.softmax, *self.products})

    @property
    def is_whole(self) -> bool:
        """Whether there is a product on either side."""
        return all(self.products)

    @property
    def is_half(self) -> bool:
        """Whether it computes in a type that there are fused kernels for."""
        return _HALVES.issuperset(self.types)


def attention_sites(network: Any) -> Iterator[AttentionSite]:
    """Yield every softmax of a parsed network (``INetworkDefinition``) with what is around it."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    made_by = {out.name: layer for layer in layers for out in _outputs(layer)}
    used_by: dict[str, list[Any]] = {}
    for layer in layers:
        for tensor in _inputs(layer):
            used_by.setdefault(tensor.name, []).append(layer)
    for layer in layers:
        if layer.type.name == "SOFTMAX":
            before, above = _walk(layer, lambda one: _producers(one, made_by))
            behind, below = _walk(layer, lambda one: _consumers(one, used_by))
            products = [one for one in (before, behind) if one is not None]
            yield AttentionSite(
                softmax=layer.name,
                products=(before.name if before else "", behind.name if behind else ""),
                types=tuple(one.get_output(0).dtype.name for one in products),
                between=(*above, *below),
            )


def _walk(start: Any, onward: Any) -> tuple[Any | None, tuple[str, ...]]:
    """Return the nearest matrix product in one direction, and what stands in the way."""
    front, seen = [(start, ())], set()
    for _ in range(_FARTHEST):
        following = []
        for layer, passed in front:
            for near in onward(layer):
                kind = near.type.name
                if kind == "MATRIX_MULTIPLY":
                    return near, passed
                if kind in _WALKED and near.name not in seen:
                    seen.add(near.name)
                    step = () if kind in _HARMLESS else (f"{near.name} ({kind})",)
                    following.append((near, (*passed, *step)))
        front = following
    return None, ()


def _producers(layer: Any, made_by: Mapping[str, Any]) -> list[Any]:
    return [made_by[tensor.name] for tensor in _inputs(layer) if tensor.name in made_by]


def _consumers(layer: Any, used_by: Mapping[str, list[Any]]) -> list[Any]:
    return [user for tensor in _outputs(layer) for user in used_by.get(tensor.name, ())]


def _inputs(layer: Any) -> list[Any]:
    found = (layer.get_input(index) for index in range(layer.num_inputs))
    return [tensor for tensor in found if tensor is not None]


def _outputs(layer: Any) -> list[Any]:
    found = (layer.get_output(index) for index in range(layer.num_outputs))
    return [tensor for tensor in found if tensor is not None]


def lost_sites(
    sites: Iterable[AttentionSite], recognized: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    """Yield the name of each site that will not be one kernel, and why.

    Args:
        sites: Of the network.
        recognized: The layers that the compiler's log names; None before there is one.
    """
    for site in sites:
        if reason := _reason(site, recognized):
            yield site.softmax, reason


def _reason(site: AttentionSite, recognized: Collection[str] | None) -> str:
    if not site.is_whole:
        side = "before" if not site.products[0] else "behind"
        return f"no matrix product stands {side} its softmax"
    if recognized is not None and not site.names <= set(recognized):
        return _unrecognized(site)
    if not site.is_half:
        return f"it computes in {_spelled(site.types)}, which has no fused kernel"
    return ""


def _unrecognized(site: AttentionSite) -> str:
    if site.between:
        return f"not recognised: between its products stands {', '.join(site.between)}"
    return "not recognised, though nothing stands between its products"


def _spelled(types: Iterable[str]) -> str:
    words = {"FLOAT": "FP32", "HALF": "FP16"}
    return " and ".join(dict.fromkeys(words.get(one, one) for one in types if one not in _HALVES))
