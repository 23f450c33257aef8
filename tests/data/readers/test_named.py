"""Data sets by name."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from tests.conftest import bars, write_idx
from tests.downloads import COUNTS, TinySet
from vaecli.config.config import Config
from vaecli.data.readers import named, torchvision_sets
from vaecli.data.readers.public_sets import PUBLIC_SETS, default_folder
from vaecli.data.splits import load, load_split
from vaecli.system.errors import ConfigError, DataError

IMAGES = "train-images-idx3-ubyte"
WEB_PAGE = b"<!DOCTYPE html><title>404</title>" + b" " * 100


def config(folder, **more):
    return Config(data_dir=str(folder), **more)


@pytest.mark.parametrize(
    ("name", "kind"), [("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_files_that_torchvision_downloaded_are_read(tmp_path, name, kind):
    write_idx(tmp_path / kind / "raw", zipped=False)
    train, test, _ = load(config(tmp_path, data=name))
    assert torch.equal(train.x, bars(96).x)
    assert torch.equal(test.labels, bars(40, seed=1).labels)


def test_a_missing_torchvision_data_set_is_refused_with_how_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        load_split(config(tmp_path, data="kmnist"), "test")
    assert f"Get it with: vaecli data download kmnist --data-dir {tmp_path} (" in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:100],
        lambda raw: b"",
        lambda raw: WEB_PAGE,
        lambda raw: struct.pack(">4i", 0x803, 95, 8, 8) + raw[16 : 16 + 95 * 64],
    ],
)
def test_a_damaged_torchvision_file_is_a_data_error(tmp_path, damage):
    folder = write_idx(tmp_path / "KMNIST" / "raw", zipped=False)
    path = folder / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="KMNIST"):
        load_split(config(tmp_path, data="kmnist"), "train")


def test_an_unknown_data_set_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"Unknown data set 'minst'. Did you mean 'mnist'"):
        load_split(Config(data="minst"), "test")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Make a tiny data set as torchvision unpacks it: `tiny("cifar10")`."""

    def make(name):
        made = TinySet(name, monkeypatch)
        made.place(tmp_path)
        torchvision_sets.unpack(PUBLIC_SETS[name], tmp_path)
        return made

    return make


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_pixels_and_labels_are_those_in_the_files(tiny, tmp_path, name):
    made = tiny(name)
    for split, count in COUNTS.items():
        pixels, labels = named.READERS[name](tmp_path, split)
        if pixels.ndim == 3:
            pixels = pixels.unsqueeze(1)
        assert (pixels.dtype, labels.dtype) == (torch.uint8, torch.uint8)
        assert torch.equal(pixels, torch.from_numpy(made.pixels[split]))
        assert torch.equal(labels, torch.from_numpy(made.labels[split]))
        assert pixels.is_contiguous()
        assert len(labels) == count


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_images_are_those_that_torchvision_shows(tiny, tmp_path, name):
    """But for EMNIST, whose images it leaves transposed, with the letters from 1."""
    tiny(name)
    chosen = PUBLIC_SETS[name]
    images = load_split(config(tmp_path, data=name), "train")
    theirs = getattr(datasets, chosen.kind)(tmp_path, **chosen.arguments["train"])
    for index in range(COUNTS["train"]):
        picture, label = theirs[index]
        x = images.x[index].permute(1, 2, 0).squeeze(2)
        if chosen.kind == "EMNIST":
            x = x.T
            label -= name == "emnist-letters"
        assert x.tolist() == torch.from_numpy(np.array(picture)).tolist()
        assert images.labels[index] == label


@pytest.mark.parametrize("name", [name for name in PUBLIC_SETS if PUBLIC_SETS[name].class_names])
def test_class_names_are_those_of_torchvision(name):
    """The names of CIFAR stand in its files only."""
    kind = getattr(datasets, PUBLIC_SETS[name].kind)
    names = list(named.class_names(name))
    if name.startswith("emnist"):
        theirs = kind.classes_split_dict[name.removeprefix("emnist-")]
        assert names == [label for label in theirs if label != "N/A"]
    elif name.startswith("cifar"):
        assert len(names) == int(name.removeprefix("cifar"))
        assert names == sorted(names)
    else:
        assert names == kind.classes


def test_digits_and_unknown_sets_have_no_class_names():
    for name in ("mnist", "qmnist", "emnist-digits", "usps", "svhn", "none-such"):
        assert named.class_names(name) == ()


@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_the_files_are_those_that_torchvision_looks_for(monkeypatch, tmp_path, name):
    made = TinySet(name, monkeypatch)
    made.place(tmp_path)
    found = torchvision_sets.archives(PUBLIC_SETS[name])
    assert {archive.path for archive in found} == {
        path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert [archive.urls for archive in found] == [(f"{made.url}/{file}",) for file in made.files]


def test_a_file_of_pickles_is_read_only_with_its_checksum(tiny, tmp_path):
    tiny("cifar10")
    target = tmp_path / "cifar-10-batches-py" / "test_batch"
    made = tmp_path / "unpickled"
    target.write_bytes(f"cposix\nsystem\n(S'touch {made}'\ntR.".encode())
    with pytest.raises(DataError, match=r"CIFAR10 in .* is missing, incomplete or damaged"):
        load_split(config(tmp_path, data="cifar10"), "test")
    assert not made.exists()


@pytest.mark.parametrize("name", PUBLIC_SETS)
@pytest.mark.parametrize("damage", [lambda raw: raw[:-7], lambda raw: b"", None])
def test_every_damaged_or_missing_file_is_a_data_error(tiny, tmp_path, name, damage):
    tiny(name)
    archives = {archive.path for archive in torchvision_sets.archives(PUBLIC_SETS[name])}
    for path in archives:
        if path.suffix in (".gz", ".zip"):
            (tmp_path / path).unlink()
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(paths) > 1
    for path in paths:
        content = path.read_bytes()
        if damage:
            path.write_bytes(damage(content))
        else:
            path.unlink()
        with pytest.raises(DataError, match=f"vaecli data download {name} --data-dir"):
            load(config(tmp_path, data=name))
        path.write_bytes(content)
    assert len(load(config(tmp_path, data=name)).train) == COUNTS["train"]


def test_labels_out_of_range_are_refused(tiny, tmp_path):
    tiny("emnist-letters")
    path = tmp_path / "EMNIST/raw/emnist-letters-test-labels-idx1-ubyte"
    good = path.read_bytes()
    for label in (0, 27):
        path.write_bytes(good[:-1] + bytes([label]))
        with pytest.raises(DataError, match=rf"labels from .*\b{label}\b.*, not from 1 to 26\."):
            load_split(config(tmp_path, data="emnist-letters"), "test")
    tiny("qmnist")
    for path in (tmp_path / "QMNIST" / "raw").glob("*-test-labels-*"):
        path.unlink() if path.suffix else path.write_bytes(path.read_bytes()[:12] + b"\xff" * 160)
    with pytest.raises(DataError, match="has labels from -1 to -1"):
        load_split(config(tmp_path, data="qmnist"), "test")


def test_without_a_folder_the_default_one_is_read(tiny, tmp_path, monkeypatch):
    tiny("usps")
    monkeypatch.setattr(named, "default_folder", lambda: tmp_path)
    assert len(load_split(Config(data="usps"), "test")) == COUNTS["test"]
    with pytest.raises(DataError, match=r"Get it with: vaecli data download svhn \("):
        load_split(Config(data="svhn"), "test")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_DATA_HOME": "/x/y"}, "/x/y/vaecli"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/vaecli"),
        ({"XDG_DATA_HOME": "", "HOME": "/h"}, "/h/.local/share/vaecli"),
    ],
)
def test_the_default_folder_follows_the_environment(monkeypatch, environment, expected):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert default_folder() == Path(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_new_reader_is_one_function_and_one_line_in_the_table(monkeypatch, tmp_path, channels):
    """It may return images with channels: they are trained on as they are."""

    def read(directory, split):
        assert directory == tmp_path
        pixels = bars({"train": 12, "test": 8}[split]).x.expand(-1, channels, -1, -1)
        return pixels, torch.zeros(len(pixels), dtype=torch.uint8)

    monkeypatch.setitem(named.READERS, "folders", read)
    train, test, validation = load(config(tmp_path, data="folders", validation=5))
    assert (train.shape, len(train), len(test), len(validation)) == ((channels, 8, 8), 7, 8, 5)
    assert torch.equal(train.x, bars(12).x[:7].expand(-1, channels, -1, -1))
