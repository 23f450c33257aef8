"""Data sets by name."""

import struct

import pytest
import torch

from tests.conftest import bars, write_idx
from vaecli.config.config import Config
from vaecli.data.readers import named
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
