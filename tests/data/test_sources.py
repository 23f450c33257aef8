"""What `--data` names, and what is known of it before it is read."""

import pytest
import torch
from PIL import Image

from vaecli.config.config import Config
from vaecli.data.load_log import LoadLog
from vaecli.data.readers.named import READERS
from vaecli.data.readers.public_sets import PUBLIC_SETS
from vaecli.data.sources import open_source
from vaecli.data.splits import load, load_split


@pytest.fixture
def clothes(monkeypatch):
    """Fashion-MNIST with images of its first four classes alone."""

    def read(directory, file):
        labels = torch.arange(12 if file == "train" else 8) % 4
        return torch.zeros(len(labels), 6, 6, dtype=torch.uint8), labels

    monkeypatch.setitem(READERS, "fashion-mnist", read)
    return Config(data="fashion-mnist")


def test_every_class_of_a_named_set_counts_whatever_images_are_used(clothes):
    train, test, _ = load(clothes)
    for images in (train, test, load_split(clothes, "test")):
        assert images.classes == 10
        assert images.class_names == PUBLIC_SETS["fashion-mnist"].class_names
        assert images.shape == (1, 6, 6)


def test_a_named_set_says_nothing_that_follows_from_its_images(clothes):
    source = open_source(clothes, LoadLog())
    source.read("train")
    assert source.findings() == {}
    assert not source.has_validation


def test_what_follows_from_the_images_does_not_depend_on_the_order_of_reading(tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 6)):
        (tmp_path / split).mkdir()
        for number in range(count):
            Image.new("L", (5, 7), number).save(tmp_path / split / f"{number}.png")
    for files in (("train", "test"), ("test", "train")):
        source = open_source(Config(data=str(tmp_path)), LoadLog())
        assert source.has_validation
        assert [len(source.read(file)) for file in files] == [
            {"train": 5, "test": 6}[file] for file in files
        ]
        assert source.findings() == {"image_size": "5x7", "channels": "1", "validation": 2}
