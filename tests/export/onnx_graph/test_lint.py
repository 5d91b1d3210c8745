"""Every rule of the targets: a small graph that breaks it, and one that does not."""

import onnx
import pytest

from segpp.errors import CheckError
from segpp.export.onnx_graph.lint import MAX_TOPK, Finding, check_clean, lint
from segpp.export.targets import MAX_IR_VERSION, OPSET

HEAD = '<ir_version: 8, opset_import: ["": 18, "segpp": 1]>'

UNMERGE = """
<domain: "segpp", opset_import: ["": 18]> SegppTokenUnmerge (y, slot) => (x) {
    last = Constant <value = int64[1] {-1}> ()
    index = Unsqueeze (slot, last)
    x = GatherND <batch_dims = 1> (y, index)
}"""
MATCH = """
<domain: "segpp", opset_import: ["": 18]>
SegppTokenMatch <height, width, stride_y, stride_x, merged, window> (x) => (slot) {
    first = ReduceMax <keepdims = 0> (x)
    slot = Cast <to = 6> (first)
}"""


def model(graph: str, *functions: str, head: str = HEAD) -> onnx.ModelProto:
    parsed: onnx.ModelProto = onnx.parser.parse_model(f"{head} {graph} {''.join(functions)}")
    return parsed


def found(graph: onnx.ModelProto) -> list[str]:
    return [str(finding) for finding in lint(graph)]


def unmerge(attributes: str = 'plugin_version = "1", plugin_namespace = ""') -> str:
    return (
        "g (float[1,4,2] y, int32[1,6] slot) => (float[1,6,2] x) "
        f"{{ [one] x = segpp.SegppTokenUnmerge <{attributes}> (y, slot) }}"
    )


def match(**changes: int | None) -> str:
    values = {"height": 4, "width": 4, "stride_y": 2, "stride_x": 2, "merged": 8, "window": 0}
    given = {name: value for name, value in (values | changes).items() if value is not None}
    attributes = "".join(f"{name} = {value}, " for name, value in given.items())
    tokens = (given.get("height", 1)) * given.get("width", 1)
    return (
        f"g (float[1,{tokens},2] x) => (int32[1,{tokens}] slot) {{ [one] slot = "
        f'segpp.SegppTokenMatch <{attributes}plugin_version = "1", plugin_namespace = ""> (x) }}'
    )


def test_a_graph_that_keeps_every_rule_has_no_finding() -> None:
    assert found(model(unmerge(), UNMERGE)) == []
    assert found(model(match(), MATCH)) == []
    assert check_clean(model(unmerge(), UNMERGE)) == ()


# --- shapes


@pytest.mark.parametrize(
    ("graph", "problems"),
    [
        ("g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }", []),
        ("g (float[N,3] x) => (float[2,3] y) { y = Relu(x) }", ["x[0]: the dimension is open"]),
        ("g (float[2,3] x) => (float[2,?] y) { y = Relu(x) }", ["y[1]: the dimension is open"]),
        ("g (float[2,3] x) => (float y) { y = ReduceSum<keepdims = 0>(x) }", []),
        ("g (float[2,3] x) => (float[] y) { y = Relu(x) }", ["y: the shape is unknown"]),
        (
            "g (float[2,3] x) => (float[2,3] z) <float[N,3] y> { y = Relu(x) z = Relu(y) }",
            ["y[0]: the dimension is open"],
        ),
    ],
)
def test_every_dimension_is_a_number(graph: str, problems: list[str]) -> None:
    assert found(model(graph)) == problems


# --- versions


@pytest.mark.parametrize(
    ("head", "problems"),
    [
        (f'<ir_version: {MAX_IR_VERSION}, opset_import: ["": {OPSET}]>', []),
        ('<ir_version: 8, opset_import: ["ai.onnx": 17, "segpp": 1]>', []),
        (
            f'<ir_version: {MAX_IR_VERSION + 1}, opset_import: ["": {OPSET}]>',
            ["file: IR version 10, above 9"],
        ),
        (f'<ir_version: 8, opset_import: ["": {OPSET + 1}]>', ["file: operator set ai.onnx 19"]),
        ('<ir_version: 8, opset_import: ["": 18, "segpp": 2]>', ["file: operator set segpp 2"]),
        (
            '<ir_version: 8, opset_import: ["": 18, "com.microsoft": 1]>',
            ["file: operator set com.microsoft 1"],
        ),
    ],
)
def test_versions_are_those_that_the_oldest_target_reads(head: str, problems: list[str]) -> None:
    graph = "g (float[2] x) => (float[2] y) { y = Relu(x) }"

    assert found(model(graph, head=head)) == problems


def test_a_function_may_not_be_newer_than_its_file() -> None:
    newer = UNMERGE.replace('"": 18', '"": 21')

    assert found(model(unmerge(), newer)) == ["file: operator set ai.onnx 21"]


# --- operators


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ("y = NonZero(x)", "NonZero: its shape depends on the data"),
        ("y = CumSum(x, axis)", "CumSum: TensorRT before 10.8 makes a loop of it"),
        ("y = Unique(x)", "Unique: TensorRT does not have it"),
        ("y = Compress(x, keep)", "Compress: TensorRT does not have it"),
        ("y = Loop(axis, keep, x)", "Loop: it cannot be captured in a CUDA graph"),
        ("y = If(keep)", "If: its branches have shapes of their own"),
        ("y = ai.onnx.NonZero(x)", "NonZero: its shape depends on the data"),
        ("y = Relu(x)", None),
        ("y = other.NonZero(x)", None),
    ],
)
@pytest.mark.parametrize("place", ["graph", "function"])
def test_operators_that_a_target_lacks_are_found_everywhere(
    node: str, problem: str | None, place: str
) -> None:
    if place == "graph":
        # The parser leaves an unnamed node without a name.
        graph = model(f"g (float[8] x, int64[1] axis, bool[8] keep) => (float[8] y) {{ {node} }}")
        where = ""
    else:
        function = f'<domain: "f", opset_import: ["": 18]> Ours (x, axis, keep) => (y) {{ {node} }}'
        graph = model("g (float[8] x) => (float[8] y) { y = f.Ours(x, x, x) }", function)
        where = "Ours, node 0"

    assert found(graph) == ([f"{where}: {problem}"] if problem else [])


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ("ScatterElements<axis = 0>", None),
        ('ScatterElements<axis = 0, reduction = "none">', None),
        ('ScatterElements<axis = 0, reduction = "add">', "ScatterElements with reduction='add'"),
        ("ScatterND", None),
        ('ScatterND<reduction = "none">', "ScatterND with reduction='none'"),
        ('ScatterND<reduction = "max">', "ScatterND with reduction='max'"),
        ('ReduceMax<reduction = "add">', None),
    ],
)
def test_scatters_do_not_reduce(node: str, problem: str | None) -> None:
    graph = model(
        "g (float[8] x, int32[8] i, float[8] u) => (float[8] y) "
        f"{{ [one] y = {node}(x, i, u) }}"
    )  # fmt: skip

    assert found(graph) == ([f"one: {problem}"] if problem else [])


@pytest.mark.parametrize(
    ("k", "problem"),
    [
        (f"int64[1] k = {{{MAX_TOPK}}}", None),
        (f"int64[1] k = {{{MAX_TOPK + 1}}}", "TopK with K = 3,841, above 3,840"),
        (f"int64 k = {{{MAX_TOPK + 1}}}", "TopK with K = 3,841, above 3,840"),
        ("int64[1] l = {1}", "TopK whose K is computed"),
    ],
)
def test_topk_takes_no_more_than_tensorrt_does(k: str, problem: str | None) -> None:
    computed = "k = Identity(l)" if " l " in k else ""
    graph = model(
        f"g (float[5000] x) => (float[1] v, int64[1] i) <{k}> {{ {computed} [one] v, i = TopK(x, k) }}"  # noqa: E501 - ONNX text
    )

    assert found(graph) == ([f"one: {problem}"] if problem else [])


# --- our own operators


@pytest.mark.parametrize(
    ("tokens", "merged", "selected"),
    [
        # 16x16 tokens in 2x2 cells: 192 sources
        (16, 100, None),
        # 128x128 in 2x2 cells: 12,288 sources, of which 3,839 stay; the body selects one more
        (128, 12_288 - 3_839, None),
        (128, 12_288 - 3_840, "3,841"),
        (128, 0, "12,289"),
    ],
)
def test_a_match_that_selects_too_many_is_a_warning_only(
    tokens: int, merged: int, selected: str | None
) -> None:
    """With the plugin TensorRT never sees the TopK inside."""
    graph = model(match(height=tokens, width=tokens, merged=merged), MATCH)

    findings = lint(graph)

    problem = f"selects {selected} tokens; without the plugin TensorRT takes 3,840"
    assert findings == ([Finding("one", problem, warning=True)] if selected else [])
    assert check_clean(graph) == tuple(map(str, findings))


@pytest.mark.parametrize(
    ("graph", "problems"),
    [
        (
            model(unmerge('plugin_version = "1"'), UNMERGE),
            ["one: SegppTokenUnmerge lacks the attribute plugin_namespace"],
        ),
        (
            model(unmerge('plugin_namespace = ""'), UNMERGE),
            ["one: SegppTokenUnmerge lacks the attribute plugin_version"],
        ),
        (model(unmerge()), ["one: SegppTokenUnmerge has no function in the file"]),
        (
            model(match(window=None), MATCH),
            ["one: SegppTokenMatch lacks the attribute window"],
        ),
        (
            model(match(height=None, merged=None), MATCH),
            [
                "one: SegppTokenMatch lacks the attribute height",
                "one: SegppTokenMatch lacks the attribute merged",
            ],
        ),
        (
            model(unmerge().replace("TokenUnmerge", "TokenMangle"), UNMERGE),
            ["one: unknown operator SegppTokenMangle in domain segpp"],
        ),
    ],
    ids=range(6),
)
def test_our_operators_keep_their_contract(graph: onnx.ModelProto, problems: list[str]) -> None:
    assert found(graph) == problems


@pytest.mark.parametrize(
    ("given", "declared", "before"),
    [
        (", int64[1,6] slot", "", ""),
        ("", "<int64[1,6] slot = {0, 1, 2, 3, 0, 1}>", ""),
        (", float[1,6] s", "<int64[1,6] slot>", "slot = Cast<to = 7>(s)"),
    ],
    ids=["input", "constant", "between"],
)
def test_our_operators_take_no_int64(given: str, declared: str, before: str) -> None:
    """Plugins do not exist for it."""
    node = 'segpp.SegppTokenUnmerge <plugin_version = "1", plugin_namespace = ""> (y, slot)'
    graph = (
        f"g (float[1,4,2] y{given}) => (float[1,6,2] x) {declared} {{ {before} [one] x = {node} }}"
    )

    assert found(model(graph, UNMERGE)) == ["one: SegppTokenUnmerge takes slot, which is INT64"]


def test_a_value_called_underscore_is_found_in_graph_and_function() -> None:
    problem = "a value is called '_'; TensorRT-RTX dies of two of them"
    graph = model("g (float[2] x) => (float[2] y) { [one] _ = Relu(x) y = Relu(_) }")
    function = model(
        "g (float[2] x) => (float[2] y) { y = f.Ours(x) }",
        '<domain: "f", opset_import: ["": 18]> Ours (x) => (y) { _ = Relu(x) y = Relu(_) }',
    )

    assert found(graph) == [f"one: {problem}"]
    assert found(function) == [f"Ours, node 0: {problem}"]


def test_a_function_may_not_be_called_as_an_operator_of_onnx() -> None:
    """TensorRT would take the operator."""
    graph = "g (float[2] x) => (float[2] y) { y = f.Gelu(x) }"
    function = '<domain: "f", opset_import: ["": 18]> Gelu (x) => (y) { y = Relu(x) }'

    assert found(model(graph, function)) == ["Gelu: the function has the name of an ONNX operator"]


# --- privacy


@pytest.mark.parametrize("place", ["model", "graph", "node", "input", "initializer", "in function"])
@pytest.mark.parametrize("kind", ["metadata", "doc string"])
def test_what_the_exporting_machine_left_is_found(place: str, kind: str) -> None:
    private = model(
        "g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { [n] y = Add(x, w) }",
        '<domain: "f", opset_import: ["": 18]> Ours (x) => (y) { y = Relu(x) }',
    )
    graph = private.graph
    item = {
        "model": private,
        "graph": graph,
        "node": graph.node[0],
        "input": graph.input[0],
        "initializer": graph.initializer[0],
        "in function": private.functions[0].node[0],
    }[place]
    assert found(private) == []

    if kind == "metadata":
        item.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/srv/anna/net.py")
    else:
        item.doc_string = "/srv/anna/net.py"

    [finding] = lint(private)
    assert finding.problem == "metadata of the exporting machine"
    assert not finding.warning


# --- all together


def test_a_broken_rule_is_a_failed_check_that_lists_every_finding() -> None:
    graph = model("g (float[N] x) => (float[N] y) { [one] y = Unique(x) }")

    with pytest.raises(CheckError) as failure:
        check_clean(graph)

    assert str(failure.value) == (
        "the graph breaks 3 rule(s) of its targets\n"
        "  x[0]: the dimension is open\n"
        "  y[0]: the dimension is open\n"
        "  one: Unique: TensorRT does not have it"
    )


def test_a_warning_beside_an_error_does_not_hide_it() -> None:
    graph = model(match(height=128, width=128, merged=0))

    with pytest.raises(CheckError, match="breaks 1 rule") as failure:
        check_clean(graph)

    assert "has no function" in str(failure.value)
