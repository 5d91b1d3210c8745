"""The real TensorRT 10.15 has what segpp runs engines with; without a GPU it runs none."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.trt_plugins.tensorrt.fetch import part

ROOT = Path(__file__).resolve().parents[4]

# Neither a runtime nor an engine: without a GPU both crash when they go.
ASKED = """
import json, sys
from pathlib import Path
import tensorrt_bindings as trt
from segpp.errors import InputError
from segpp.runtime.backends.engine.loading import _TYPES, load_plugins, new_log
log = new_log(trt)
trt.init_libnvinfer_plugins(log.logger, "")
try:
    load_plugins(trt, Path("none.so"))
except InputError as failure:
    refused = failure.problem
needed = {
    trt.ICudaEngine: ("num_io_tensors", "get_tensor_name", "get_tensor_shape", "get_tensor_dtype",
                      "get_tensor_location", "get_tensor_mode", "create_execution_context"),
    trt.IExecutionContext: ("set_tensor_address", "execute_async_v3"),
    trt.Runtime: ("deserialize_cuda_engine", "engine_host_code_allowed"),
    trt.TensorLocation: ("DEVICE",),
    trt.TensorIOMode: ("INPUT",),
    trt.DataType: tuple(_TYPES),
}
lacking = [f"{one.__name__}.{name}" for one, names in needed.items() for name in names
           if not hasattr(one, name)]
print(json.dumps({"lacking": lacking, "refused": refused, "errors": log.errors}))
"""


def test_it_has_every_class_and_method_and_takes_our_log() -> None:
    paths = (part("bindings"), ROOT / "src", ROOT)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(part("libraries")),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    done = subprocess.run(
        [sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True
    )

    found = json.loads(done.stdout.splitlines()[-1])
    assert found["lacking"] == []
    assert found["errors"] == []
    assert found["refused"].startswith("tensorrt_bindings 10.15.1")
