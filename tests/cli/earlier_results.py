"""Files of an earlier run, as far as segpp knows its own by."""

import json
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segpp.utils.files import manifest_path, sha256_of
from segpp.utils.overwrite import MARK, TABLE_HEADS

__all__ = ["write_earlier_results"]


def write_earlier_results(folder: Path) -> None:
    """Write b.onnx, b.engine, their manifests, b.png and b.csv."""
    (folder / "b.onnx").write_bytes(b"\x08\x08\x12\x05segpp, earlier")
    (folder / "b.engine").write_bytes(b"ftrt, earlier")
    for name in ("b.onnx", "b.engine"):
        about = {"sha256": sha256_of(folder / name)}
        earlier = {"kind": name[2:], "segpp": "0.1.0", "schema": 1, "file": about}
        manifest_path(folder / name).write_text(json.dumps(earlier))
    (folder / "b.csv").write_text(f"{TABLE_HEADS[0]}\nearlier\n")
    text = PngInfo()
    text.add_text("Software", MARK)
    Image.new("RGB", (4, 4)).save(folder / "b.png", pnginfo=text)
