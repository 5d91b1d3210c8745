"""What is to be scored, by whatever is said of it."""

from pathlib import Path

import numpy as np
import pytest

from segpp.datasets.find import DataConfig, DataSet, find_dataset
from segpp.errors import ImageError, InputError
from tests.core.datasets.layouts.folders import made
from tests.helpers.datasets import dataset, save


def blank(*paths: Path) -> None:
    for path in paths:
        save(path, np.zeros((1, 1), np.uint8))


def known(folder: Path, **settings: str) -> DataSet:
    return find_dataset(DataConfig(dataset=(folder,), **settings))  # type: ignore[arg-type]


def test_ids_of_cityscapes_are_mapped_where_there_are_no_train_ids(tmp_path: Path) -> None:
    made("cityscapes", tmp_path)
    labels = tmp_path / "gtFine" / "val" / "ulm"
    blank(labels / "ulm_0_gtFine_labelIds.png", labels / "ulm_0_gtFine_color.png")
    assert known(tmp_path).label_map is None

    (labels / "ulm_0_gtFine_labelTrainIds.png").unlink()

    data = known(tmp_path)
    assert data.label_map == "cityscapes"
    assert [pair.labels.name for pair in data.pairs] == ["ulm_0_gtFine_labelIds.png"]
    assert any("mapped to classes" in note for note in data.notes)


def test_a_list_of_voc_names_the_pictures_of_a_part(tmp_path: Path) -> None:
    home = made("voc", tmp_path / "VOCdevkit" / "VOC2012")
    for name in ("2", "3"):
        save(home / "JPEGImages" / f"{name}.jpg", np.zeros((1, 1, 3), np.uint8))
    blank(home / "SegmentationClass" / "2.png")
    lists = home / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("1\n")
    (lists / "val.txt").write_text("2\n")

    assert [pair.image.stem for pair in known(tmp_path).pairs] == ["2"]
    assert [pair.image.stem for pair in known(tmp_path, split="train").pairs] == ["1"]
    with pytest.raises(InputError, match=r"unknown part of .* 'test'"):
        known(tmp_path, split="test")


def test_a_folder_without_parts_has_none_to_name(tmp_path: Path) -> None:
    blank(tmp_path / "images" / "a.png")
    blank(tmp_path / "labels" / "a.png")

    with pytest.raises(InputError, match=r"has no parts, and 'val' is asked for") as refused:
        known(tmp_path, split="val")

    assert refused.value.hint == "leave out `split`"


@pytest.mark.parametrize(("kind", "none"), [("v1.2", 65), ("v2.0", 123)])
def test_what_is_unlabelled_in_mapillary_depends_on_the_release(
    tmp_path: Path, kind: str, none: int
) -> None:
    blank(tmp_path / "validation" / "images" / "a.png")
    blank(tmp_path / "validation" / kind / "labels" / "a.png")

    assert known(tmp_path).ignored == {none}


def test_folders_named_as_ade20k_names_them_are_not_ade20k(tmp_path: Path) -> None:
    blank(tmp_path / "images" / "validation" / "a.png")
    blank(tmp_path / "annotations" / "validation" / "a.png")

    data = known(tmp_path)

    assert not data.reduce_zero_label
    assert data.notes[0].startswith("images and labels: validation of ")


def test_several_folders_are_one_data_set_if_their_numbers_mean_the_same(tmp_path: Path) -> None:
    camvid, plain = made("camvid", tmp_path / "a"), made("plain", tmp_path / "b")
    loveda = made("loveda", tmp_path / "c")

    data = find_dataset(DataConfig(dataset=(camvid, plain)))

    assert len(data.pairs) == 2
    assert data.ignored == {11}
    with pytest.raises(InputError, match="mean different things"):
        find_dataset(DataConfig(dataset=(camvid, loveda)))


def test_a_folder_of_no_known_layout_is_told_with_those_that_are(tmp_path: Path) -> None:
    blank(tmp_path / "a.png")

    with pytest.raises(ImageError, match=r"no known data set\n.*Cityscapes(.|\n)*`images`"):
        known(tmp_path)
    with pytest.raises(ImageError, match="does not exist"):
        known(tmp_path / "none")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (DataConfig(), "nothing is given"),
        (DataConfig(images=Path("a")), "`labels` is missing"),
        (DataConfig(labels=Path("a")), "`images` is missing"),
        (DataConfig(dataset=(Path("a"),), images=Path("a")), "stands for both"),
        (DataConfig(images=Path("a"), labels=Path("b"), split="val"), "`split` names a part"),
    ],
)
def test_what_says_two_things_or_none_is_refused(config: DataConfig, told: str) -> None:
    with pytest.raises(InputError, match=told):
        find_dataset(config)


def test_a_list_alone_names_pictures_and_labels(tmp_path: Path) -> None:
    blank(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "x.txt").write_text("a.png b.png\n")

    data = find_dataset(DataConfig(listed=tmp_path / "x.txt"))

    assert [pair.labels.name for pair in data.pairs] == ["b.png"]
    assert data.notes == ("1 picture of the list x.txt",)


def test_pictures_that_are_named_twice_are_told(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [np.zeros((2, 2), np.uint8)])
    (tmp_path / "list.txt").write_text("0\n0.png\n")

    found = find_dataset(DataConfig(images=images, labels=labels, listed=tmp_path / "list.txt"))

    assert "named more than once, and counted so, are 1 pictures" in found.notes[-1]


def test_of_several_years_of_voc_one_is_to_be_named(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        made("voc", tmp_path / "VOCdevkit" / year)

    with pytest.raises(InputError, match="holds several years"):
        known(tmp_path)
    assert len(known(tmp_path / "VOCdevkit" / "VOC2007").pairs) == 1


def test_parts_in_capitals_are_no_sequences_of_uavid(tmp_path: Path) -> None:
    for part in ("val", "train"):
        blank(tmp_path / part / "Images" / "0.png", tmp_path / part / "Labels" / "0.png")

    # Both of them would be one score.
    with pytest.raises(ImageError, match="no known data set"):
        known(tmp_path)


def test_a_map_to_other_classes_than_the_models_is_refused(tmp_path: Path) -> None:
    blank(tmp_path / "images" / "val2017" / "0.png", tmp_path / "annotations/val2017/0.png")
    data = known(tmp_path)

    assert data.meant_for(171) == data
    with pytest.raises(InputError, match="mapped to 171 classes, the model has 19"):
        data.meant_for(19)


def test_what_a_layout_ignores_counts_if_it_is_a_class_of_the_model(tmp_path: Path) -> None:
    data = known(made("camvid", tmp_path))

    # With a class for nothing, and without it.
    assert data.meant_for(12) == data.meant_for(11) == data
    assert data.meant_for(19).ignored == frozenset()
    assert "of 19 classes 11 is one" in data.meant_for(19).notes[-1]


def test_a_place_whose_labels_are_missing_is_not_passed_over(tmp_path: Path) -> None:
    loveda, uavid = made("loveda", tmp_path / "l"), made("uavid", tmp_path / "u")
    (loveda / "Val" / "Urban" / "masks_png").rename(loveda / "elsewhere")
    (uavid / "uavid_val" / "seq2" / "Labels").rename(uavid / "elsewhere")

    for folder in (loveda, uavid):
        with pytest.raises(ImageError, match=r"the folder of labels .* does not exist"):
            known(folder)


def test_of_several_parts_without_a_usual_name_one_is_to_be_named(tmp_path: Path) -> None:
    for part in ("berlin", "ulm"):
        blank(tmp_path / part / "images" / "0.png", tmp_path / part / "labels" / "0.png")

    with pytest.raises(InputError, match=r"several parts(.|\n)*berlin, ulm"):
        known(tmp_path)
    assert len(known(tmp_path, split="ulm").pairs) == 1
