"""The trained network that comes along: small, whole, and as good as its page says."""

import json
from pathlib import Path

from segpp.export.models.loading import load_checkpoint

ROOT = Path(__file__).resolve().parents[4]
SCENES = ROOT / "examples" / "street_scenes"
CHECKPOINT = SCENES / "segformer_b0_scenes.pth"


def test_the_checkpoint_is_small_and_names_its_classes() -> None:
    checkpoint = load_checkpoint(CHECKPOINT)

    assert CHECKPOINT.stat().st_size <= 8e6
    assert checkpoint.format == "mmsegmentation"
    assert checkpoint.architecture.name == "segformer-b0"
    assert checkpoint.classes is not None
    assert checkpoint.classes.names[0] == "sky"


def test_the_page_tells_the_measured_miou_and_it_is_at_least_75() -> None:
    result = json.loads((ROOT / "docs" / "results" / "scenes.json").read_text())
    none, half = (model["miou"] for model in result["models"])
    page = (SCENES / "README.md").read_text(encoding="utf-8")

    assert none >= 0.75
    assert f"{none * 100:.2f} % mIoU, and {half * 100:.2f} % with" in page
