"""Images from outside of a run's data set, without a run."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from vaecli.config.config import Config
from vaecli.data import inputs
from vaecli.data.inputs import Training, load_input
from vaecli.data.load_log import LoadLog
from vaecli.data.own_images import read_items
from vaecli.system.errors import DataError

NAMED = Training((1, 4, 6), 2, ("cat", "dog"))
NUMBERED = Training((1, 4, 6), 3)


def write(path, brightness, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, brightness).save(path)
    return path


def load(paths, training=NAMED, log=None, **options):
    return load_input(paths, Config(**options), training, log or LoadLog())


def test_without_class_names_a_folder_is_a_number(tmp_path):
    for name in ("0", "2", "3"):
        write(tmp_path / name / "a.png", 10)
    log = LoadLog()
    found = load([tmp_path], NUMBERED, log).images
    assert found.labels.tolist() == [0, 2, 3]
    assert (found.classes, found.class_names) == (3, ())
    assert log.notices == [
        "The model does not know the class 3: these images have no label.",
    ]


@pytest.mark.parametrize(("training", "name"), [(NAMED, "dog"), (NUMBERED, "1")])
def test_an_image_alone_has_the_class_of_its_folder(tmp_path, monkeypatch, training, name):
    path = write(tmp_path / name / "a.png", 10)
    monkeypatch.chdir(tmp_path / name)
    for written in (path, Path("a.png"), Path("."), Path("../") / name):
        assert load([written], training).images.labels.tolist() == [1]


def test_the_class_is_the_upper_folder(tmp_path):
    write(tmp_path / "cat" / "dog" / "1.png", 1)
    write(tmp_path / "dog" / "2.png", 2)
    found = load([tmp_path]).images
    assert found.labels.tolist() == [0, 1]
    assert found.x[:, 0, 0, 0].tolist() == [1, 2]


def test_unknown_classes_are_listed_in_order_and_the_first_image_is_named(tmp_path):
    for name in ("b", "a", "cat"):
        write(tmp_path / name / "1.png", 1)
        write(tmp_path / name / "2.png", 2)
    paths = [tmp_path / "b" / "1.png", tmp_path]
    log = LoadLog()
    load(paths, log=log)
    assert log.notices == ["The model does not know the class a, b: these images have no label."]
    needy = Training((1, 4, 6), 2, ("cat", "dog"), needs_labels=True)
    with pytest.raises(DataError, match=r"a/1\.png is of the class 'a', which the model does not"):
        load([tmp_path], needy)
    without_classes = LoadLog()
    load([tmp_path], Training((1, 4, 6)), without_classes)
    assert without_classes.notices == []


def test_notices_about_a_folder_are_passed_on(tmp_path):
    write(tmp_path / "cat" / "1.png", 1)
    write(tmp_path / "2.png", 1)
    (tmp_path / "notes.txt").write_text("hello")
    log = LoadLog()
    load([tmp_path], log=log)
    beside, skipped = log.notices
    assert beside.startswith("Some images lie beside the folders cat")
    assert skipped == "Skipped: 1 not an image."


@pytest.mark.parametrize(("resize", "corner"), [("crop", 9), ("pad", 255)])
def test_images_are_resized_as_in_training(tmp_path, resize, corner):
    path = write(tmp_path / "1.png", 9, size=(30, 60))
    found = load([path], resize=resize, binarize="threshold").images
    assert found.shape == (1, 4, 6)
    assert found.x[0, 0, 0, 0] == corner
    assert found.binarize == "threshold"


@pytest.mark.parametrize(("count", "expected"), [(1, "{}"), (2, "{} and 1 more")])
def test_a_cache_says_where_the_images_come_from(tmp_path, monkeypatch, count, expected):
    sources = []

    def watched(items, preparation, source, *rest):
        sources.append(source)
        return read_items(items, preparation, source, *rest)

    monkeypatch.setattr(inputs, "read_items", watched)
    paths = [write(tmp_path / f"{number}.png", number) for number in range(count)]
    found = load(paths)
    assert sources == [expected.format(paths[0])]
    assert torch.equal(found.images.x[:, 0, 0, 0], torch.arange(count, dtype=torch.uint8))
