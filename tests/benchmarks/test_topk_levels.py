"""Selecting in two levels, for benchmarks.kernels.topk_levels: the same tokens, and its table."""

import json

import numpy as np
import onnxruntime
import pytest

from benchmarks.kernels.topk_levels import BLOCK, GROUPS, PAGE, RESULT, block, model


@pytest.mark.parametrize("groups", GROUPS)
def test_every_number_of_groups_selects_what_a_stable_sort_does(groups: int) -> None:
    scores = np.random.default_rng(1).integers(0, 9, (1, 96)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model(96, 20, groups), providers=["CPUExecutionProvider"]
    )

    [chosen] = session.run(None, {"scores": scores})

    assert np.array_equal(chosen[0], np.argsort(scores[0], kind="stable")[:20])


def test_the_pages_table_is_that_of_the_committed_result() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))

    page = PAGE.read_text(encoding="utf-8")
    assert f"<!-- {BLOCK} -->\n{block(result)}\n<!-- end of {BLOCK} -->" in page
