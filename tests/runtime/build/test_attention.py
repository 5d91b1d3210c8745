"""Attention is found by its shape in a real parser's network; a lost site has its cause told."""

import pytest

from segpp.runtime.build.attention import AttentionSite, attention_sites, lost_sites

pytest.importorskip("onnx")
pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytestmark = pytest.mark.rtx

INPUTS = "float16[1,1,64,32] q, float16[1,1,32,64] k, float16[1,1,64,32] v"
PLAIN = f"""g ({INPUTS}) => (float16[1,1,64,32] y) {{
    [before] scores = MatMul(q, k)
    [soft] weights = Softmax<axis = -1>(scores)
    [behind] y = MatMul(weights, v)
}}"""
IN_FP32_BETWEEN = f"""g ({INPUTS}) => (float16[1,1,64,32] y) {{
    [before] scores = MatMul(q, k)
    wide = Cast<to = 1>(scores)
    [soft] weights = Softmax<axis = -1>(wide)
    narrow = Cast<to = 10>(weights)
    [behind] y = MatMul(narrow, v)
}}"""
SCALED_BETWEEN = f"""g ({INPUTS}) => (float16[1,1,64,32] y)
<float16[1,1,64,64] bias = {{{",".join(["1"] * 4096)}}}> {{
    [before] scores = MatMul(q, k)
    [added] shifted = Add(scores, bias)
    [soft] weights = Softmax<axis = -1>(shifted)
    [behind] y = MatMul(weights, v)
}}"""
NOTHING_BEHIND = f"""g ({INPUTS}) => (float16[1,1,64,64] y) {{
    [before] scores = MatMul(q, k)
    [soft] y = Softmax<axis = -1>(scores)
}}"""


def sites_of(graph: str) -> list[AttentionSite]:
    from tests.runtime.build.parsed import parsed  # noqa: PLC0415 - needs onnx

    with parsed(graph) as (_, network):
        return list(attention_sites(network))


@pytest.mark.parametrize("graph", [PLAIN, IN_FP32_BETWEEN], ids=["plain", "casts between"])
def test_a_softmax_between_two_products_is_a_site_and_casts_do_not_count(graph: str) -> None:
    [site] = sites_of(graph)

    assert site == AttentionSite("soft", ("before", "behind"), ("HALF", "HALF"), ())
    assert site.is_whole
    assert site.is_half


def test_what_else_stands_between_is_named() -> None:
    [site] = sites_of(SCALED_BETWEEN)

    assert site.products == ("before", "behind")
    assert site.between == ("added (ELEMENTWISE)",)


def test_the_types_are_those_of_the_products() -> None:
    [site] = sites_of(PLAIN.replace("float16", "float"))

    assert site.types == ("FLOAT", "FLOAT")
    assert not site.is_half


def test_a_softmax_without_a_product_behind_is_no_whole_site() -> None:
    [site] = sites_of(NOTHING_BEHIND)

    assert site.products == ("before", "")
    assert not site.is_whole


WHOLE = AttentionSite("soft", ("before", "behind"), ("HALF", "HALF"), ())
NAMES = {"before", "soft", "behind"}


@pytest.mark.parametrize(
    ("site", "recognized", "cause"),
    [
        (
            AttentionSite("soft", ("before", ""), ("HALF",), ()),
            NAMES,
            "no matrix product stands behind its softmax",
        ),
        (
            AttentionSite("soft", ("before", "behind"), ("HALF", "HALF"), ("added (ELEMENTWISE)",)),
            {"before", "soft"},
            "not recognised: between its products stands added (ELEMENTWISE)",
        ),
        (WHOLE, set(), "not recognised, though nothing stands between its products"),
        (
            AttentionSite("soft", ("before", "behind"), ("FLOAT", "HALF"), ()),
            NAMES,
            "it computes in FP32, which has no fused kernel",
        ),
    ],
)
def test_a_lost_site_has_its_cause(site: AttentionSite, recognized: set[str], cause: str) -> None:
    assert list(lost_sites([site], recognized)) == [("soft", cause)]


def test_a_site_that_is_one_kernel_is_not_lost_nor_one_that_nobody_compiled() -> None:
    assert list(lost_sites([WHOLE], NAMES)) == []
    assert list(lost_sites([WHOLE], None)) == []
