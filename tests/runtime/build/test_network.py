"""What a real parser's network is told to hold, and that it survives the log."""

import pytest

from segpp.runtime.build.network import (
    NetworkFacts,
    describe_network,
    parse_facts,
    render_facts,
)
from segpp.runtime.onnx_reader.own_nodes import read_own_nodes

onnx = pytest.importorskip("onnx")
pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytestmark = pytest.mark.rtx

HEAD = '<ir_version: 8, opset_import: ["": 18, "segpp": 1]>'
WITH_FUNCTION = """g (float[1,6,4] x) => (float[1,6,4] y) {
    [first] a = segpp.SegppTokenUnmerge(x)
    [second] y = segpp.SegppTokenUnmerge(a)
}
<domain: "segpp", opset_import: ["": 18]> SegppTokenUnmerge (x) => (y) {
    one = Relu(x)
    y = Neg(one)
}"""
TOPK = """g (float[1,5000] x) => (float[1,K] y) <int64[1] k = {K}> {
    [top] y, indices = TopK<axis = 1>(x, k)
}"""


def facts_of(graph: str, *, head: str = HEAD) -> NetworkFacts:
    from tests.runtime.build.parsed import parsed  # noqa: PLC0415 - needs onnx

    own = read_own_nodes(onnx.parser.parse_model(head + graph).SerializeToString())
    with parsed(graph, head=head) as (trt, network):
        return describe_network(trt, network, own, typing="strong", warnings=["told before"])


def test_operators_that_no_plugin_took_are_counted_with_their_size() -> None:
    facts = facts_of(WITH_FUNCTION)

    assert facts.plugins == {}
    assert facts.functions == {"SegppTokenUnmerge": 2}
    assert facts.function_layers == 4
    assert facts.layers >= 4
    assert facts.outputs == {"y": "FLOAT"}
    assert facts.warnings == ("told before",)
    assert facts.problems == ()


@pytest.mark.parametrize(("k", "problems"), [(3840, 0), (3841, 1)])
def test_a_topk_beyond_the_limit_is_a_problem(k: int, problems: int) -> None:
    facts = facts_of(TOPK.replace("K", str(k)).replace(f"Top{k}", "TopK"))

    assert len(facts.problems) == problems
    if problems:
        assert facts.problems == ("top asks for the top 3,841, and TensorRT ends at 3,840",)


def test_an_open_dimension_is_a_problem() -> None:
    facts = facts_of("g (float[N,8] x) => (float[N,8] y) { y = Relu(x) }")

    assert facts.problems == ("input x has an open dimension: (-1, 8)",)


def test_the_facts_survive_the_log() -> None:
    facts = facts_of(
        """g (float[1,4,4] q, float[1,4,4] k) => (float[1,4,4] y) {
        s = MatMul(q, k)
        w = Softmax<axis = -1>(s)
        y = MatMul(w, k)
    }"""
    )

    assert len(facts.sites) == 1
    assert parse_facts(render_facts(facts)) == facts
