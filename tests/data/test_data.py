import gzip
import math
import struct

import numpy as np
import pytest
import torch

from tests.conftest import bars, idx, write_idx
from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.data.splits import load, load_split
from vaecli.evaluation.embeddings import embed
from vaecli.system.errors import ConfigError, DataError
from vaecli.training.loop import fit
from vaecli.training.state import start

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def config(folder, **more):
    return Config(data_dir=str(folder), **more)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
def test_mnist_format_files_are_read_from_the_usual_places(tmp_path, zipped, place):
    write_idx(tmp_path / place, zipped=zipped)
    train, test, _ = load(config(tmp_path))
    assert (len(train), len(test)) == (96, 40)
    assert torch.equal(train.x, bars(96).x)
    assert torch.equal(train.labels, bars(96).labels)


def test_the_first_images_are_taken(digits):
    train, test, _ = load(config(digits, train_images=5, test_images=7))
    assert torch.equal(train.x, bars(96).x[:5])
    assert (len(train), len(test)) == (5, 7)
    with pytest.raises(ConfigError, match="97 images asked for, but the split has 96"):
        load(config(digits, train_images=97))


def test_pixels_are_scaled_to_the_unit_interval():
    images = Images(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3), torch.zeros(1))
    torch.testing.assert_close(images.pixels(slice(None)).flatten(), torch.tensor([0, 0.2, 1]))
    assert images.shape == (1, 1, 3)


def test_the_fingerprint_changes_with_a_pixel_a_label_and_the_shape():
    images = bars(4)
    seen = {images.fingerprint()}
    x, labels = images.x.clone(), images.labels.clone()
    x[3, 0, 7, 7] += 1
    labels[0] += 1
    for other in (
        Images(x, images.labels),
        Images(images.x, labels),
        Images(images.x.view(4, 1, 4, 16), images.labels),
    ):
        seen.add(other.fingerprint())
    assert len(seen) == 4
    assert Images(images.x.clone(), images.labels.clone()).fingerprint() in seen


HTML = b"<!DOCTYPE html><title>404</title>" + b" " * 100
GOOD = idx(bars(96).x.squeeze(1).numpy())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (IMAGES, HTML, "looks like a web page. Expected it to begin with 0x00000803, found 0x3c21"),
        (IMAGES, b"", "is empty: 0 bytes found, expected an IDX file."),
        (IMAGES, b"\x89PNG\r\n\x1a\n", "Expected it to begin with 0x00000803, found 0x89504e47"),
        (IMAGES, idx(np.zeros(96)), "Expected it to begin with 0x00000803, found 0x00000801"),
        (LABELS, GOOD, "Expected it to begin with 0x00000801, found 0x00000803"),
        (IMAGES, GOOD[:10], "is short: its header has only 10 bytes"),
        (IMAGES, GOOD[:-1], "is short: 6,144 bytes expected by its header, at most 6,143 found."),
        (IMAGES, GOOD[:4000], "is short: 6,144 bytes expected by its header, at most 3,984 found"),
        (IMAGES, GOOD + b"\0", "is too long: 6,144 bytes expected by its header, more found"),
        (IMAGES, GOOD[:4] + b"\xff" * 12 + GOOD[16:], "is short: 79,228,162,"),
        (IMAGES, idx(np.zeros((0, 8, 8))), "is empty: expected images or labels"),
        (LABELS, idx(np.zeros(95)), "has 95 labels, "),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected_and_found(tmp_path, name, content, reason):
    write_idx(tmp_path, zipped=False)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(config(tmp_path))
    assert str(tmp_path / name) in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(GOOD)[:-9], "cannot be read"),
        (gzip.compress(GOOD[:4000]), "6,144 bytes expected by its header, 3,984 found"),
        (GOOD, "cannot be read: Not a gzipped file"),
        (gzip.compress(GOOD)[:60] + b"\0" * 60, "cannot be read"),
    ],
)
def test_a_damaged_gzip_file_is_named(tmp_path, content, reason):
    write_idx(tmp_path)
    (tmp_path / f"{IMAGES}.gz").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(config(tmp_path))
    assert f"{IMAGES}.gz" in str(caught.value)
    assert reason in str(caught.value)


def test_missing_files_are_named_with_the_mend(tmp_path):
    with pytest.raises(DataError) as caught:
        load(config(tmp_path))
    assert f"{tmp_path} has no file {IMAGES} or {IMAGES}.gz" in str(caught.value)
    assert "without --data-dir" in str(caught.value)


def test_splits_of_two_sizes_are_refused(tmp_path):
    write_idx(tmp_path, zipped=False)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(bars(40, size=9).x.squeeze(1).numpy()))
    with pytest.raises(DataError, match=r"shape \(1, 8, 8\), test images \(1, 9, 9\)"):
        load(config(tmp_path))


@pytest.mark.parametrize(
    ("name", "kind"), [("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_what_torchvision_has_downloaded_is_read(tmp_path, name, kind):
    write_idx(tmp_path / kind / "raw", zipped=False)
    train, test, _ = load(config(tmp_path, data=name))
    assert torch.equal(train.x, bars(96).x)
    assert torch.equal(test.labels, bars(40, seed=1).labels)


def test_a_torchvision_set_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        load_split(config(tmp_path, data="kmnist"), "test")
    wanted = f"torchvision.datasets.KMNIST({str(tmp_path)!r}, download=True)"
    assert wanted in str(caught.value)
    with pytest.raises(ConfigError, match="needs --data-dir"):
        load_split(Config(data="kmnist"), "test")


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:100],
        lambda raw: b"",
        lambda raw: HTML,
        lambda raw: struct.pack(">4i", 0x803, 95, 8, 8) + raw[16 : 16 + 95 * 64],
    ],
)
def test_a_damaged_torchvision_file_is_a_data_error(tmp_path, damage):
    folder = write_idx(tmp_path / "KMNIST" / "raw", zipped=False)
    path = folder / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="KMNIST"):
        load_split(config(tmp_path, data="kmnist"), "train")


def test_an_unknown_data_set_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Unknown data set 'minst'. Did you mean 'mnist'"):
        load_split(Config(data="minst"), "test")


def test_images_without_labels_are_trained_on_and_evaluated():
    images = Images(bars(8).x, torch.zeros(0, dtype=torch.uint8))
    small = Config(epochs=1, latent_dim=2, network="mlp:width=4")
    *_, epoch = fit(start(small, images), images, images)
    assert math.isfinite(epoch.test["loss"])


@pytest.mark.parametrize(("train", "test"), [(3, 2), (2, 3)])
def test_a_split_may_lack_the_last_classes(tmp_path, train, test):
    for name, count, classes in (("train", 24, train), ("t10k", 12, test)):
        labels = np.arange(count) % classes
        (tmp_path / f"{name}-{IMAGES[6:]}").write_bytes(idx(bars(count).x.squeeze(1).numpy()))
        (tmp_path / f"{name}-{LABELS[6:]}").write_bytes(idx(labels))
    more = {"latent_dim": 2, "network": "mlp:width=4", "epochs": 1, "conditional": True}
    chosen = config(tmp_path, **more)
    state = start(chosen, load(chosen).train)
    *_, epoch = fit(state, *load(chosen)[:2])
    assert math.isfinite(epoch.test["loss"])
    alone = load_split(chosen, "test")
    assert embed(state.model, alone).mean.shape == (12, 2)


def test_labels_of_256_classes_can_be_hidden():
    images = Images(torch.zeros(512, 1, 2, 2, dtype=torch.uint8), torch.arange(512).byte())
    few = images.hide(256, seed=0)
    assert few.context(slice(None)).sum() == 256
    assert len(few.labelled) == 256
