"""Inputs that are hostile by design: pipes, bombs, holes, links, names, outputs over inputs."""

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, parser
from safetensors.torch import load_file

__all__ = ["TRAPS"]

_HEAD = '<ir_version: 8, opset_import: ["": 18]> g '
_RUN = ["a.png", "--out", "OUT/o.png"]


def _pipe(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe.png")
    return ["run", "net.onnx", "pipe.png", "--out", "OUT/o.png"]


def _pipe_as_model(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe.onnx")
    return ["run", "pipe.onnx", *_RUN]


def _pipe_as_manifest(folder: Path) -> list[str]:
    os.mkfifo(folder / "foreign.onnx.json")
    return ["run", "foreign.onnx", *_RUN]


def _pipe_as_weights(folder: Path) -> list[str]:
    os.mkfifo(folder / "w.bin")
    return ["run", _external(folder, "w.bin"), *_RUN]


def _device_as_weights(folder: Path) -> list[str]:
    (folder / "w.bin").symlink_to("/dev/zero")
    return ["build-engine", _external(folder, "w.bin"), "OUT/o.engine"]


def _link_as_weights(folder: Path) -> list[str]:
    (folder / "w.bin").symlink_to("/etc/passwd")
    return ["build-engine", _external(folder, "w.bin"), "OUT/o.engine"]


def _device_as_checkpoint(folder: Path) -> list[str]:
    (folder / "zero.pth").symlink_to("/dev/zero")
    return ["inspect", "zero.pth"]


def _device_as_names(folder: Path) -> list[str]:
    (folder / "names").symlink_to("/dev/zero")
    return ["run", "net.onnx", *_RUN, "--class-names", "names"]


def _hole(folder: Path) -> list[str]:
    content = (folder / "foreign.onnx").read_bytes()
    with (folder / "hole.onnx").open("wb") as file:
        file.write(content)
        file.truncate(8 << 30)
    return ["run", "hole.onnx", *_RUN]


def _hole_for_inspect(folder: Path) -> list[str]:
    with (folder / "hole.onnx").open("wb") as file:
        file.truncate((1 << 31) - 1)
    return ["inspect", "hole.onnx"]


def _hole_as_checkpoint(folder: Path) -> list[str]:
    with (folder / "hole.pth").open("wb") as file:
        file.truncate(8 << 30)
    return ["inspect", "hole.pth"]


def _packed_checkpoint(folder: Path) -> list[str]:
    """Return a .pth of megabytes that unpacks to two gigabytes of zeros."""
    whole = zipfile.ZipFile(folder / "zip.pth")
    block = bytes(1 << 24)
    with (
        whole,
        zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb,
    ):
        for entry in whole.infolist():
            bomb.writestr(entry.filename, whole.read(entry))
        root = whole.infolist()[0].filename.partition("/")[0]
        with bomb.open(f"{root}/data/9999", "w", force_zip64=True) as file:
            for _ in range(2 << 6):
                file.write(block)
    return ["inspect", "bomb.pth"]


def _packed_reference(folder: Path) -> list[str]:
    """Return arrays of a megabyte that unpack to a gigabyte of zeros."""
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
        for name in ("x", "logits"):
            with bomb.open(f"{name}.npy", "w", force_zip64=True) as file:
                described = {"descr": "<f4", "fortran_order": False, "shape": (1, 3, 8192, 10922)}
                np.lib.format.write_array_header_1_0(file, described)
                for _ in range(64):
                    file.write(bytes(1 << 24))
    return ["export", "zip.pth", "OUT/o.onnx", "--size", "64x64", "--reference", "bomb.npz"]


def _pickled_reference(folder: Path) -> list[str]:
    np.savez(folder / "p.npz", x=np.array([folder], object), logits=np.zeros((1, 3, 16, 16)))
    return ["export", "zip.pth", "OUT/o.onnx", "--size", "64x64", "--reference", "p.npz"]


def _pipe_as_reference(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe.npz")
    return ["export", "zip.pth", "OUT/o.onnx", "--size", "64x64", "--reference", "pipe.npz"]


def _layers_beside_the_state_dict(folder: Path) -> list[str]:
    state = load_file(folder / "a.safetensors")
    torch.save({"model": state, "stem": {"weight": torch.ones(3, 3)}}, folder / "b.pth")
    return ["export", "b.pth", "OUT/o.onnx", "--size", "64x64"]


def _many_classes(folder: Path) -> list[str]:
    return ["run", _declared(folder, "float[1,100000000,1,1]"), *_RUN]


def _many_classes_scored(folder: Path) -> list[str]:
    path = _declared(folder, "float[1,20000,8,16]")
    return ["eval", path, "--images", "images", "--labels", "labels"]


def _huge_input(folder: Path) -> list[str]:
    text = """(float[1,3,200000,200000] image) => (float[1,3,50000,50000] out) {
        out = AveragePool<kernel_shape=[4,4], strides=[4,4]>(image) }"""
    return ["run", _saved(folder, parser.parse_model(_HEAD + text)), *_RUN]


def _huge_batch(folder: Path) -> list[str]:
    text = """(float[100000000,3,32,64] image) => (float[100000000,3,8,16] out) {
        out = AveragePool<kernel_shape=[4,4], strides=[4,4]>(image) }"""
    return ["run", _saved(folder, parser.parse_model(_HEAD + text)), *_RUN]


def _doubling(folder: Path) -> str:
    text = '<ir_version: 9, opset_import: ["": 18, "f": 1]>\n'
    text += "g (float[1,3,32,64] image) => (float[1,3,32,64] out) { out = f.f0(image) }\n"
    for level in range(25):
        inner = "Relu" if level == 24 else f"f.f{level + 1}"
        text += f'<opset_import: ["": 18, "f": 1], domain: "f">\nf{level} (x) => (y)'
        text += f"{{ a = {inner}(x)\n y = {inner}(a) }}\n"
    return _saved(folder, parser.parse_model(text))


def _nested_functions(folder: Path) -> list[str]:
    return ["run", _doubling(folder), *_RUN]


def _nested_functions_inspected(folder: Path) -> list[str]:
    return ["inspect", _doubling(folder)]


def _nested_functions_built(folder: Path) -> list[str]:
    return ["build-engine", _doubling(folder), "OUT/o.engine"]


def _deep_manifest(folder: Path) -> list[str]:
    (folder / "net.onnx.json").write_text("[" * 500_000)
    return ["inspect", "net.onnx.json"]


def _picture_bomb(folder: Path) -> list[str]:
    """Return a PNG that says it has 2.5 gigapixels."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    (folder / "bomb.png").write_bytes(content)
    return ["run", "net.onnx", "bomb.png", "--out", "OUT/o.png"]


def _evil_names(folder: Path) -> list[str]:
    manifest = json.loads((folder / "net.onnx.json").read_text())
    manifest["classes"]["names"] = ["\x1b]0;owned\x07", "a\nerror: no", "\u202egnp"]
    manifest["notes"] = ["\x1b[2J", "\x9b31m"]
    (folder / "net.onnx.json").write_text(json.dumps(manifest))
    return ["run", "net.onnx", *_RUN]


def _evil_names_inspected(folder: Path) -> list[str]:
    return ["inspect", _evil_names(folder)[1]]


def _evil_node(folder: Path) -> list[str]:
    model = onnx.load(folder / "foreign.onnx")
    node = model.graph.node[0]
    node.op_type, node.name = "\x1b[31mEvil\u202e", "\x07\x1b[2J"
    return ["run", _saved(folder, model), *_RUN]


def _evil_file(folder: Path) -> list[str]:
    path = folder / "\x1b[2J.png"
    path.write_bytes(b"no image")
    return ["run", "net.onnx", path.name, "--out", "OUT/o.png"]


def _evil_file_in_a_folder(folder: Path) -> list[str]:
    (folder / "images" / "\x1b[2J\u202e.png").write_bytes(b"no image")
    return ["run", "net.onnx", "images", "--out", "OUT"]


def _evil_key(folder: Path) -> list[str]:
    import torch  # noqa: PLC0415 - the one trap that needs it

    torch.save({"\x1b[2J\u202eevil": torch.zeros(3)}, folder / "evil.pth")
    return ["inspect", "evil.pth"]


def _long_name(folder: Path) -> list[str]:
    (folder / "images" / f"{'x' * 250}.png").write_bytes((folder / "a.png").read_bytes())
    return ["run", "net.onnx", "images", "--out", "OUT"]


def _over_the_model(_folder: Path) -> list[str]:
    return ["bench", "net.onnx", "--iterations", "1", "--csv", "net.onnx"]


def _over_a_label(_folder: Path) -> list[str]:
    data = ["--images", "images", "--labels", "labels"]
    return ["eval", "net.onnx", *data, "--csv", "labels/0.png", "--force"]


def _over_a_picture(_folder: Path) -> list[str]:
    return ["bench", "net.onnx", "--iterations", "1", "--plot", "a.png"]


def _over_a_foreign_picture(_folder: Path) -> list[str]:
    return ["run", "net.onnx", "a.png", "--out", "images/0.png"]


def _over_a_manifest(folder: Path) -> list[str]:
    (folder / "notes.onnx.json").write_text('{"my": "notes"}')
    return ["export", "zip.pth", "notes.onnx", "--size", "64x64"]


def _over_the_checkpoint(_folder: Path) -> list[str]:
    return ["export", "zip.pth", "zip.pth", "--force"]


def _infinite_color(folder: Path) -> list[str]:
    (folder / "palette.json").write_text("[[1e400, 0, 0], [NaN, 0, 0], [0, 0, 0]]")
    return ["run", "net.onnx", *_RUN, "--palette", "palette.json"]


def _external(folder: Path, location: str) -> str:
    """Return a network whose one weight lies in a file."""
    text = """(float[1,3,32,64] image, float[1] w) => (float[1,3,32,64] out) {
        out = Mul(image, w) }"""
    model = parser.parse_model(_HEAD + text)
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], bytes(4), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    model.graph.initializer.append(tensor)
    del model.graph.input[1]
    return _saved(folder, model)


def _declared(folder: Path, output: str) -> str:
    text = f"""(float[1,3,32,64] image) => ({output} out) {{
        small = ReduceMean<keepdims=1>(image)
        side = Constant<value_ints=[{output[6:-1]}]>()
        out = Expand(small, side) }}"""
    return _saved(folder, parser.parse_model(_HEAD + text))


def _saved(folder: Path, model: onnx.ModelProto) -> str:
    (folder / "trap.onnx").write_bytes(model.SerializeToString())
    return "trap.onnx"


_Trap = Callable[[Path], list[str]]

# Each writes its files into a folder of sound ones and returns the command line.
TRAPS: tuple[_Trap, ...] = tuple(
    trap
    for name, trap in list(globals().items())
    if name.startswith("_")
    and callable(trap)
    and getattr(trap, "__annotations__", {}).get("return") == list[str]
)
