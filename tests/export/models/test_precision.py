"""Half precision, and what stays in FP32."""

from pathlib import Path

import onnx

from segpp.export.config import ExportConfig
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.pipeline import export_onnx
from segpp.ops.grid import Size

SIZE = Size(128, 256)


def config(checkpoint: Path, out: Path, **options: object) -> ExportConfig:
    return ExportConfig(checkpoint, out, **{"size": SIZE, **options})  # type: ignore[arg-type]  # as the test says


def test_fp16_weights_and_activations_are_half_and_the_delicate_parts_are_not(
    tiny_or_b0: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b0.onnx"

    export_onnx(config(tiny_or_b0, out, precision="fp16", reduction=reduction_config(ratio=0.5)))

    graph = onnx.shape_inference.infer_shapes(onnx.load(out)).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in [*graph.value_info, *graph.input]}
    kinds |= {t.name: t.data_type for t in graph.initializer}
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    for node in graph.node:
        if node.op_type in {"Conv", "MatMul", "Gemm"}:
            assert {kinds[name] for name in node.input if name} == {half}, node.name
        if node.op_type in {"LayerNormalization", "Softmax"}:
            assert kinds[node.input[0]] == single, node.name
    assert out.stat().st_size < 9e6
