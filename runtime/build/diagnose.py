"""Why a builder refused a file: its first real error, in words that lead on.

The patterns are those of TensorRT-RTX 1.7 and TensorRT 10; another version may say things
otherwise. So nothing depends on them: an error that fits none is told as the library words it.
"""

import re
from collections.abc import Sequence

from segpp.errors import GraphError
from segpp.runtime.build.log import LogRecord

__all__ = ["diagnose"]

# After a first error the library looks for a GPU to clean up and reports that there is none.
_NOISE = re.compile(r"Cuda Runtime|cudaError \d+|catchCudaError")
_FRAME = re.compile(r"ModelImporter\.cpp:\d+: (While parsing|--- (Begin|End) node)")
_NODE = re.compile(r'While parsing node number \d+ \[(\S+) -> "(.*?)"')
_NAME = re.compile(r"Node name: (\S+)")
_UNSUPPORTED = re.compile(r"In function check\w+:\n\[\d+\] (false|creator && )")

# Wrappings around the sentence that says what is wrong, from the outside in.
_WRAPPINGS = (
    re.compile(r"^ModelImporter\.cpp:\d+: ERROR: \S+ In function \w+:\n\[\d+\] "),
    re.compile(r"^Invalid Node - .*\n"),
    re.compile(r"^(\w+::)*\w+: Error Code \d+: [\w ]+ \((?=.)"),
    re.compile(r"^\[[\w.:]+\] Error Code \d+: "),
    re.compile(r"^\(\w+\): [A-Z_]+: "),
    re.compile(r"^Assertion failed: \S.*?: (?=[A-Z])"),
    re.compile(r"^(\[\w+\.cpp:\d+: \w+\] |\w+\.cpp:\d+: )"),
)
_TAIL = re.compile(r"\.? In \w+ at /.*$", re.DOTALL)

_HINTS = (
    (
        r"K exceeds the maximum value",
        "its TopK ends at 3840; export at a smaller `size` or with another `ratio` or `preset`",
    ),
    (r"dynamic or shape inputs", "fix every dimension; segpp-export writes such files"),
    (r"OutOfMemory|workspace limit", "give a larger `workspace`, or none"),
    (
        r"for Turing",
        "leave 7.5 out of `compute_capabilities`; FP32 files, merging and masks need what it lacks",
    ),
    (r"of same types|same type", "the file mixes precisions; segpp-export types it consistently"),
    (
        r"ParseFromCodedStream|at least one output",
        "the file is damaged or no ONNX; export it again",
    ),
    (r"reduction type", "a scatter that adds or averages has to be a matrix product here"),
)


def diagnose(title: str, name: str, records: Sequence[LogRecord]) -> GraphError:
    """Return the error to raise for a file that a builder refused.

    Args:
        title: What the builder's maker calls it.
        name: The ONNX file, as the user knows it.
        records: The whole log.
    """
    errors = [r.text for r in records if r.severity in {"ERROR", "INTERNAL_ERROR"}]
    causes = [text for text in errors if not _FRAME.match(text) and not _is_noise(text)]
    cause = (causes or errors or ["it gave no reason"])[0]
    operator, node = _failing_node(errors)
    if operator and any(_UNSUPPORTED.search(text) for text in errors):
        reason = f"the operator {operator} is not supported"
    else:
        reason = _plain(cause)
    facts = [f"node: {node} ({operator})"] if node else []
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, cause)), None)
    return GraphError(f"{title} cannot compile {name}", *facts, f"reason: {reason}", hint=hint)


def _is_noise(text: str) -> bool:
    return bool(_NOISE.search(text.partition("\n")[0]))


def _failing_node(errors: Sequence[str]) -> tuple[str, str]:
    """Return the operator and the name of the node that the parser stopped at, or nothing."""
    text = "\n".join(errors)
    if not (node := _NODE.search(text)):
        return "", ""
    name = _NAME.search(text)
    return node[1], name[1] if name else node[2]


def _plain(text: str) -> str:
    """Return the sentence inside an error; the whole error where that finds none."""
    plain = text
    for wrapping in _WRAPPINGS:
        plain = wrapping.sub("", plain)
    plain = _TAIL.sub("", plain)
    if plain == text or not plain.strip():
        return " ".join(text.split())
    plain = plain.split("\n")[0]
    # The bracket that the error code opened, and only that one.
    return plain.removesuffix(")") if plain.count(")") > plain.count("(") else plain
