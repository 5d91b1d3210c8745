"""Trained gates go into a checkpoint under their own prefix and come out as they were."""

from pathlib import Path

import pytest
import torch

from segpp.errors import CheckpointError
from segpp.export.reduction.gates.gate import Gate
from segpp.export.reduction.gates.trained import GATES_PREFIX, gates_state, load_gates, split_gates

PATH = Path("gated.pth")


def gates(width: int | None = None) -> dict[str, Gate]:
    made = {"3.1.hidden": Gate((6,), 24, 1, 12), "3.2.hidden": Gate((6,), 24, 1, 12)}
    if width:
        for gate in made.values():
            gate.add_predictor(width)
    return made


def test_what_is_saved_is_loaded() -> None:
    torch.manual_seed(0)
    trained, fresh = gates(5), gates()
    state = gates_state(trained)

    network, own = split_gates({"conv.weight": torch.zeros(1), **state})

    assert load_gates(fresh, own, PATH) == 5
    assert list(network) == ["conv.weight"]
    assert all(name.startswith(GATES_PREFIX) for name in state)
    loaded = gates_state(fresh)
    assert loaded.keys() == state.keys()
    assert [name for name in state if not torch.equal(state[name], loaded[name])] == []


def test_gates_of_one_and_of_two_layers_are_of_one_place() -> None:
    def made() -> dict[str, Gate]:
        return {"4.1.qk": Gate((6, 6), 24, 2, 12), "4.1.v": Gate((6,), 24, 2, 12)}

    trained, fresh = made(), made()
    for gate in trained.values():
        gate.add_predictor()
    _, own = split_gates(gates_state(trained))

    assert load_gates(fresh, own, PATH) == 6


def test_a_checkpoint_without_gates_leaves_them_untrained() -> None:
    fresh = gates()

    assert load_gates(fresh, {}, PATH) == 0
    assert all(gate.predictor is None for gate in fresh.values())


def broken(name: str, change: str) -> dict[str, torch.Tensor]:
    _, own = split_gates(gates_state(gates(5)))
    if change == "missing":
        return {key: tensor for key, tensor in own.items() if not key.startswith(name)}
    if change == "one tensor":
        del own[f"{name}.predictor.2.bias"]
    elif change == "wide":
        own[f"{name}.predictor.2.weight"] = torch.zeros(24, 6)
    elif change == "not finite":
        own[f"{name}.norms.0.bias"][2] = torch.nan
    return own


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", "predictors for some of the gates"),
        ("one tensor", "does not fit its gate"),
        ("wide", "does not fit its gate"),
        ("not finite", "no finite numbers"),
    ],
)
def test_gates_that_do_not_fit_are_refused(change: str, says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        load_gates(gates(), broken("3.2.hidden", change), PATH)
