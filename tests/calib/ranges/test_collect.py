"""Ranges over pictures: those of all of them, whatever the batch, kept, gone on with, refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from segpp.calib.graph.sites import sites_of
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.runs import batch_of, logits_of
from segpp.calib.pipeline import observed
from segpp.calib.ranges import collect
from segpp.calib.ranges.collect import ROWS, collect_ranges
from segpp.calib.ranges.file import Ranges, read_ranges
from segpp.errors import CheckError, ImageError, InputError
from segpp.manifest import FileInfo, InputSpec, Manifest, read_manifest
from tests.calib.conftest import SIZE, MakePictures, TinyFile
from tests.helpers.tiny_networks import manifest_of

HEIGHT, WIDTH = SIZE


def network(batch: int, *, factor: float = 1.0) -> onnx.ModelProto:
    """Return one convolution of random weights."""
    draw = np.random.default_rng(0)
    weight = (factor * draw.standard_normal((6, 3, 4, 4))).astype(np.float32)
    x = helper.make_tensor_value_info("image", TensorProto.FLOAT, (batch, 3, *SIZE))
    y = helper.make_tensor_value_info("out", TensorProto.FLOAT, (batch, 6, HEIGHT // 4, WIDTH // 4))
    nodes = [helper.make_node("Conv", ["image", "w"], ["out"], "conv", strides=[4, 4])]
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def manifest_for(tmp_path: Path, model: onnx.ModelProto, batch: int) -> Manifest:
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    spec = InputSpec(
        "image", (batch, 3, *SIZE), "float32", "NCHW", "RGB", (120.0,) * 3, (60.0,) * 3
    )
    return replace(manifest_of(path, "logits", batch), input=spec)


AXES = {"image": 1, "out": 1}


def collected(
    tmp_path: Path,
    pictures: tuple[Picture, ...],
    *,
    batch: int = 1,
    factor: float = 1.0,
    **how: object,
) -> Ranges:
    model = network(batch, factor=factor)
    manifest = manifest_for(tmp_path, model, batch)
    return collect_ranges(model, manifest, AXES, pictures, **how)  # type: ignore[arg-type]  # forwarded


def assert_same(one: Ranges, other: Ranges) -> None:
    assert one.of == other.of
    assert one.done == other.done
    assert one.tensors.keys() == other.tensors.keys()
    for name, known in one.tensors.items():
        found = other.tensors[name]
        for what in ("low", "high", "mean"):
            assert getattr(known, what).tobytes() == getattr(found, what).tobytes()
        assert known.histogram.limit == found.histogram.limit
        assert np.array_equal(known.histogram.counts, found.histogram.counts)
        assert known.pictures == found.pictures


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_ranges_are_those_of_all_pictures_once(
    tmp_path: Path, make_pictures: MakePictures, batch: int
) -> None:
    """Seven pictures: in batches of two and four the last one is filled up."""
    pictures = make_pictures(7)
    spec = manifest_for(tmp_path, network(1), 1).input
    batches = [batch_of([picture], spec) for picture in pictures]
    tensors = {
        "image": np.concatenate(batches),
        "out": np.concatenate(logits_of(network(1), batches)),
    }

    ranges = collected(tmp_path, pictures, batch=batch)

    assert ranges.complete
    for name, tensor in tensors.items():
        known = ranges.tensors[name]
        # ONNX Runtime adds the products of a batch in another order.
        bound = 1e-5 * np.abs(tensor).max()
        assert np.abs(known.low - tensor.min((0, 2, 3))).max() <= bound
        assert np.abs(known.high - tensor.max((0, 2, 3))).max() <= bound
        assert np.abs(known.mean - tensor.mean((0, 2, 3), np.float64)).max() <= bound
        assert known.pictures == len(pictures)
        assert known.histogram.total == len(pictures) * ROWS * tensor.shape[1]


def test_progress_counts_pictures(tmp_path: Path, make_pictures: MakePictures) -> None:
    told: list[tuple[int, int]] = []

    collected(
        tmp_path, make_pictures(5), batch=2, after_each=lambda done, of: told.append((done, of))
    )

    assert told == [(0, 5), (2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("stop_at", [1, 2, 4])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path,
    make_pictures: MakePictures,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    stop_at: int,
) -> None:
    pictures = make_pictures(7)
    whole = collected(tmp_path, pictures, batch=batch)
    file = tmp_path / "ranges.json"
    monkeypatch.setattr(collect, "_SAVE_SECONDS", 0.0)
    seen: list[int] = []

    def stop(done: int, _total: int) -> None:
        if done >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collected(tmp_path, pictures, batch=batch, file=file, after_each=stop)
    kept = read_ranges(file).done if file.exists() else 0
    again = collected(
        tmp_path, pictures, batch=batch, file=file, after_each=lambda done, _: seen.append(done)
    )

    assert seen[0] == kept
    assert kept == max(stop_at, batch) - batch
    assert_same(again, whole)
    assert_same(read_ranges(file), whole)


def test_ranges_that_are_complete_are_used_as_they_are(
    tmp_path: Path, make_pictures: MakePictures
) -> None:
    pictures, file = make_pictures(3), tmp_path / "ranges.json"
    first = collected(tmp_path, pictures, file=file)
    before = file.stat()
    for picture in pictures:
        # Nothing is read any more.
        picture.path.unlink()

    second = collected(tmp_path, pictures, file=file)

    assert_same(first, second)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def other_network(manifest: Manifest, pictures: tuple[Picture, ...]) -> tuple[Manifest, tuple]:
    return replace(manifest, file=FileInfo("b.onnx", "f" * 64, 1)), pictures


def other_pictures(manifest: Manifest, pictures: tuple[Picture, ...]) -> tuple[Manifest, tuple]:
    return manifest, pictures[1:]


def other_order(manifest: Manifest, pictures: tuple[Picture, ...]) -> tuple[Manifest, tuple]:
    return manifest, pictures[::-1]


def other_preparation(manifest: Manifest, pictures: tuple[Picture, ...]) -> tuple[Manifest, tuple]:
    return replace(manifest, input=replace(manifest.input, mean=(0.0, 0.0, 0.0))), pictures


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_network, r"they are of another network, .{16}… instead of f{16}…"),
        (other_pictures, "they are of other pictures: 0 are new, 1 are gone"),
        (other_order, "they are of other pictures: 0 are new, 0 are gone"),
        (other_preparation, "pictures were prepared in another way"),
    ],
)
def test_ranges_of_something_else_are_refused_with_the_reason(
    tmp_path: Path,
    make_pictures: MakePictures,
    change: Callable[[Manifest, tuple[Picture, ...]], tuple[Manifest, tuple[Picture, ...]]],
    why: str,
) -> None:
    pictures, file = make_pictures(3), tmp_path / "ranges.json"
    collected(tmp_path, pictures, file=file)
    manifest, others = change(manifest_for(tmp_path, network(1), 1), pictures)
    before = file.read_bytes()

    with pytest.raises(InputError, match=rf"ranges of something else\n  {why}") as refusal:
        collect_ranges(network(1), manifest, AXES, others, file=file)

    assert "--ranges" in str(refusal.value)
    assert file.read_bytes() == before


def test_ranges_of_other_tensors_are_refused(tmp_path: Path, make_pictures: MakePictures) -> None:
    pictures, file = make_pictures(2), tmp_path / "ranges.json"
    collected(tmp_path, pictures, file=file)
    manifest = manifest_for(tmp_path, network(1), 1)

    with pytest.raises(InputError, match="of other tensors of the network"):
        collect_ranges(network(1), manifest, {"out": 1}, pictures, file=file)


def test_ranges_of_other_channels_are_refused(tmp_path: Path, make_pictures: MakePictures) -> None:
    pictures, file = make_pictures(2), tmp_path / "ranges.json"
    collected(tmp_path, pictures, file=file)
    value = json.loads(file.read_text())
    for tensor in value["tensors"].values():
        for what in ("low", "high", "mean"):
            tensor[what] = [*tensor[what], 0.0]
    file.write_text(json.dumps(value))

    with pytest.raises(InputError, match="of other tensors of the network"):
        collected(tmp_path, pictures, file=file)


def test_a_network_that_computes_no_numbers_is_refused(
    tmp_path: Path, make_pictures: MakePictures
) -> None:
    with pytest.raises(CheckError, match="has infinities or not-a-numbers in 'out'"):
        collected(tmp_path, make_pictures(1), factor=3e37)


def test_a_picture_of_one_color_is_refused(tmp_path: Path, make_pictures: MakePictures) -> None:
    from PIL import Image  # noqa: PLC0415

    pictures = make_pictures(2)
    Image.new("RGB", (WIDTH, HEIGHT), (7, 8, 9)).save(pictures[1].path)

    with pytest.raises(ImageError, match=r"has one colour, \[7, 8, 9\]"):
        collected(tmp_path, pictures)


def test_memory_does_not_grow_with_pictures(tmp_path: Path, make_pictures: MakePictures) -> None:
    import tracemalloc  # noqa: PLC0415

    pictures = make_pictures(12)

    def peak(some: tuple[Picture, ...]) -> int:
        collected(tmp_path, pictures[:1])
        tracemalloc.start()
        collected(tmp_path, some)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = peak(pictures[:2]), peak(pictures)

    # Two batches are in memory at once in both; one more would show.
    assert many - few < np.prod((3, *SIZE)) * 4


@pytest.mark.parametrize(
    "form",
    [
        ("conv-bn", 3, "--preset", "hq", "--precision", "fp16"),
        ("conv-bn", 1, "--preset", "hq", "--batch", "2", "--input-dtype", "uint8",
         "--outputs", "both"),
        ("linear", 4, "--preset", "hq"),
    ],
    ids=lambda form: "-".join(map(str, form)),
)  # fmt: skip
def test_networks_of_every_form_are_collected(
    tiny_file: TinyFile, make_pictures: MakePictures, form: tuple[str, int, str]
) -> None:
    path = tiny_file(*form)
    model, manifest = onnx.load(path), read_manifest(path)
    axes = observed(sites_of(model))

    ranges = collect_ranges(model, manifest, axes, make_pictures(3, channels=form[1]))

    assert ranges.tensors.keys() == axes.keys()
    for known in ranges.tensors.values():
        assert (known.low <= known.mean).all()
        assert (known.mean <= known.high).all()
