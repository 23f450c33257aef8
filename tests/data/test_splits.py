"""Which images belong to which split."""

import math

import numpy as np
import pytest
import torch

from tests.conftest import bars, idx, write_idx
from vaecli.config.config import Config
from vaecli.data.readers.named import READERS
from vaecli.data.splits import load, load_split, split_range
from vaecli.evaluation.embeddings import embed
from vaecli.system.errors import ConfigError, DataError
from vaecli.training.loop import fit
from vaecli.training.state import start

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def config(folder, **more):
    return Config(data_dir=str(folder), **more)


def test_the_first_images_are_used(digits):
    train, test, _ = load(config(digits, train_images=5, test_images=7))
    assert torch.equal(train.x, bars(96).x[:5])
    assert (len(train), len(test)) == (5, 7)
    assert len(load(config(digits, train_images=96)).train) == 96
    with pytest.raises(ConfigError, match="train_images=97: there are only 96 images"):
        load(config(digits, train_images=97))


def test_splits_of_different_image_sizes_are_refused(tmp_path):
    write_idx(tmp_path, zipped=False)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(bars(40, size=9).x.squeeze(1).numpy()))
    with pytest.raises(DataError, match=r"shape \(1, 8, 8\), test images \(1, 9, 9\)"):
        load(config(tmp_path))


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


@pytest.mark.parametrize("limit", [None, 50])
@pytest.mark.parametrize("held_out", [None, 1, 49])
def test_training_and_validation_images_are_the_first_images_parted_in_two(limit, held_out):
    chosen = Config(train_images=limit, validation=held_out)
    everything = list(range(96))
    train = everything[split_range(chosen, "train", 96)]
    validation = everything[split_range(chosen, "validation", 96)]
    assert train + validation == everything[: limit or 96]
    assert len(validation) == (held_out or 0)
    assert everything[split_range(chosen, "test", 96)] == everything


def test_a_split_holds_the_same_images_loaded_alone_or_with_the_others(digits):
    chosen = config(digits, train_images=90, test_images=30, validation=20, binarize="threshold")
    for split, images in load(chosen)._asdict().items():
        assert load_split(chosen, split).fingerprint() == images.fingerprint()
        assert load_split(chosen, split).binarize == images.binarize == "threshold"


def test_only_the_training_labels_are_hidden(digits):
    chosen = config(digits, labels=10, validation=20)
    train, test, validation = load(chosen)
    assert len(train.labelled_indices) == 10
    assert torch.equal(validation.labels, bars(96).labels[76:])
    assert len(test.labelled_indices) == 40
    assert len(load_split(chosen, "train").labelled_indices) == 76


def test_the_seed_decides_which_labels_are_kept(digits):
    kept = {}
    for seed in (0, 1):
        train = load(config(digits, labels=10, seed=seed)).train
        kept[seed] = train.labelled_indices
        assert torch.equal(kept[seed], bars(96).hide_labels(10, seed).labelled_indices)
    assert not torch.equal(kept[0], kept[1])


def test_holding_out_too_many_or_asking_for_none_held_out_is_refused(digits):
    with pytest.raises(ConfigError, match="validation=50: none of the 50 training images"):
        load(config(digits, train_images=50, validation=50))
    with pytest.raises(ConfigError, match="No images were held out"):
        load_split(config(digits), "validation")


def test_classes_of_images_that_are_not_used_do_not_count(tmp_path):
    for name, count in (("train", 96), ("t10k", 40)):
        labels = np.where(np.arange(count) < 20, 1, 2)
        (tmp_path / f"{name}-{IMAGES[6:]}").write_bytes(idx(bars(count).x.squeeze(1).numpy()))
        (tmp_path / f"{name}-{LABELS[6:]}").write_bytes(idx(labels))
    assert load(config(tmp_path)).train.classes == 3
    assert load(config(tmp_path, train_images=20)).train.classes == 3  # of a test image
    assert load(config(tmp_path, train_images=20, test_images=20)).train.classes == 2


@pytest.mark.parametrize("seed", [0, 3])
def test_labels_are_hidden_after_the_validation_images_are_held_out(digits, seed):
    """Hidden before, some of the labels that are kept would lie among the validation images."""
    chosen = config(digits, labels=40, validation=40, seed=seed)
    train, _, validation = load(chosen)
    assert len(train) == 56
    assert len(train.labelled_indices) == 40
    assert torch.bincount(train.labels.long()).tolist() == [20, 20, 16]
    wanted = bars(96).subset(slice(56)).hide_labels(40, seed)
    assert torch.equal(train.labels, wanted.labels)
    assert len(validation.labelled_indices) == 40


def test_every_split_has_its_own_images_and_labels(digits):
    chosen = config(digits, train_images=70, validation=15, test_images=25)
    train, test, validation = load(chosen)
    whole, others = bars(96), bars(40, seed=1)
    for split, wanted in (
        (train, whole.subset(slice(0, 55))),
        (validation, whole.subset(slice(55, 70))),
        (test, others.subset(slice(0, 25))),
    ):
        assert torch.equal(split.x, wanted.x)
        assert torch.equal(split.labels, wanted.labels)
        assert split.classes == 2


def test_a_damaged_test_file_is_found_before_the_training_images_are_read(digits, monkeypatch):
    """Reading the training images may take minutes."""
    read = []

    def reader(directory, split):
        read.append(split)
        raise DataError("damaged")

    monkeypatch.setitem(READERS, "mnist", reader)
    with pytest.raises(DataError, match="damaged"):
        load(config(digits))
    assert read == ["test"]
