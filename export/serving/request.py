"""Whether the servers that a caller names could run the file that he asks for."""

from segpp.export.config import OUTPUTS, ExportConfig
from segpp.export.onnx_graph.io_wrapper import file_input
from segpp.export.serving.base import SERVERS, RequestedFile
from segpp.manifest import InputSpec

__all__ = ["check_servers"]


def check_servers(config: ExportConfig, spec: InputSpec, *, classes: int) -> None:
    """Raise InputError for a server that could not; nothing has been traced by then.

    Args:
        config: What the caller chose.
        spec: How pictures become the network's input.
        classes: How many a pixel can be of.
    """
    asked = RequestedFile(
        input=file_input(spec, config.input_dtype),
        outputs=OUTPUTS[config.outputs],
        classes=classes,
        precision=config.precision,
        target=config.target,
    )
    for server in config.serve_for:
        SERVERS[server].check(asked)
