"""Reading the log; the lines are TensorRT-RTX 1.7.1's own, from builds of B0."""

from segpp.runtime.build.log import LogRecord, parse_log, read_facts, render_record

BUILT = """\
[INFO] Input filename:   b0.onnx
[VERBOSE] Original: 673 layers
[VERBOSE] After dead-layer removal: 673 layers
[VERBOSE] Found node_matmul to be part of self-attention pattern.
[VERBOSE] Found node_softmax to be part of self-attention pattern.
[VERBOSE] Found node_matmul_1 to be part of self-attention pattern.
[VERBOSE] Found node_matmul_2 to be part of self-attention pattern.
[VERBOSE] Found node_softmax_1 to be part of self-attention pattern.
[VERBOSE] Found node_matmul_3 to be part of self-attention pattern.
[VERBOSE] After Myelin optimization: 1 layers
[INFO] Total Device Persistent Memory: 0 bytes
[INFO] Max Scratch Memory: 120717312 bytes
[INFO] Total Activation Memory: 120717312 bytes
[INFO] Total Weights Memory: 8450048 bytes
[INFO] Engine generation completed in 0.836085 seconds.
"""


def test_the_log_of_a_build_gives_its_numbers() -> None:
    facts = read_facts(parse_log(BUILT))

    assert len(facts.attention) == 6
    assert {"node_matmul", "node_softmax_1"} <= facts.attention
    assert facts.activation_bytes == 120_717_312
    assert facts.weight_bytes == 8_450_048


def test_a_pass_that_runs_twice_counts_once() -> None:
    assert read_facts(parse_log(BUILT + BUILT)) == read_facts(parse_log(BUILT))


def test_what_a_log_does_not_tell_is_none_and_not_a_zero() -> None:
    log = BUILT.replace("Total Activation Memory", "Activations")

    assert read_facts(parse_log(log)).activation_bytes is None


def test_records_of_several_lines_survive_the_log() -> None:
    text = "--- Begin node ---\nNode name: adder\n[6] Invalid Node - adder\n\nend"

    log = render_record("ERROR", text) + render_record("INFO", "next")

    assert parse_log(log) == (LogRecord("ERROR", text), LogRecord("INFO", "next"))


def test_what_other_code_prints_is_no_record() -> None:
    log = "terminate called\n[INFO] one\nfree(): invalid pointer\n[x.cpp:1] hm\n[INFO] two\n"

    assert parse_log(log) == (LogRecord("INFO", "one"), LogRecord("INFO", "two"))
