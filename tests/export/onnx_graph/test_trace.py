"""A trace: one pass over the network where ONNX has its operators, and right where it has not."""

from collections.abc import Callable

import numpy as np
import onnx_ir
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from segpp.export.models.rewriting import apply_rewrites
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.onnx_graph.trace import trace
from segpp.export.reduction.config import ReductionChoice
from tests.export.reduction.every_setting import SETTINGS
from tests.helpers.checkpoints import MINIATURE

Call = Callable[[Tensor], Tensor]


class _Call(nn.Module):
    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


def _run(model: onnx_ir.Model, x: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        onnx_ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [out] = session.run(None, {"x": x.numpy()})
    return np.asarray(out)


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        pytest.param(lambda x: x.std(1), torch.float32, id="an operator that ONNX lacks"),
        pytest.param(lambda x: x.to(torch.float32) * 0.5, torch.uint8, id="a cast"),
        pytest.param(lambda x: x.to(torch.float32), torch.float32, id="a cast to itself, outside"),
        pytest.param(
            lambda x: (x.to(torch.float32) * 2).to(torch.float32) + 1,
            torch.float32,
            id="casts to itself, inside",
        ),
        pytest.param(
            lambda x: x.neg().to(torch.float16), torch.float32, id="a cast to half, outside"
        ),
        pytest.param(
            lambda x: x.to(torch.float32).std(1), torch.uint8, id="a cast and one that ONNX lacks"
        ),
        pytest.param(lambda x: 1 - x, torch.float32, id="from a number"),
        pytest.param(lambda x: ((x > 2) & (x < 6) | (x > 8)).float(), torch.float32, id="and, or"),
    ],
)
def test_a_trace_computes_what_torch_does(call: Call, dtype: torch.dtype) -> None:
    """Whichever way an operator becomes ONNX."""
    x = (torch.rand(1, 3, 8, 8) * 9).to(dtype)
    model = trace(_Call(call).eval(), x, names=("x", "out"))
    expected = call(x).numpy()
    # Three channels up to 9: their sums and roots may each be rounded once more.
    tolerance = 4 * float(np.finfo(np.float32).eps) * 9
    assert np.abs(_run(model, x) - expected).max() <= tolerance


@pytest.mark.parametrize("reduce", [SETTINGS["together"], SETTINGS["options"]])
def test_a_network_is_traced_once(monkeypatch: pytest.MonkeyPatch, reduce: tuple[str, ...]) -> None:
    """The decomposition, which is a second trace, takes as long as the first for nothing."""
    seen: list[ExportedProgram] = []
    original: Callable[..., ExportedProgram] = ExportedProgram.run_decompositions

    def counted(program: ExportedProgram, *args: object, **kwargs: object) -> ExportedProgram:
        seen.append(program)
        return original(program, *args, **kwargs)

    monkeypatch.setattr(ExportedProgram, "run_decompositions", counted)
    x = torch.rand(1, 3, 128, 160)
    model = SegFormer(MINIATURE, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    model.apply_reductions(FAMILY.reduction_config(ReductionChoice(reduce=reduce)))
    trace(apply_rewrites(model, REWRITES.values()), x, names=("x", "out"))
    assert not seen
    trace(_Call(lambda x: x.std(1)).eval(), x, names=("x", "out"))
    assert len(seen) == 1
