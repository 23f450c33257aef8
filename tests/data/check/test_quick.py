"""`quick_check`: short notices about images in memory."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from vaecli.data.check import quick
from vaecli.data.check.quick import quick_check
from vaecli.data.images import Images


def images(count, seed=0, classes=2, shape=(3, 20, 20)):
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.integers(0, 256, (count, *shape), np.uint8))
    return Images(x, torch.arange(count) % classes, classes)


def test_nothing_is_said_of_good_images():
    splits = {"train": images(100), "test": images(50, 1), "validation": images(50, 2)}
    assert quick_check(splits) == []
    assert quick_check({}) == []
    assert quick_check({"train": images(0), "test": images(0)}) == []


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 20), (3, 64, 48)])
def test_leaks_are_counted_by_split(shape):
    train, test, valid = (images(60, seed, shape=shape) for seed in range(3))
    test.x[:3] = train.x[10]
    valid.x[7] = train.x[59]
    valid.x[8] = test.x[20]  # both are held out: no leak of training images
    assert quick_check({"train": train, "test": test, "validation": valid}) == [
        "3 of 60 test images are also training images, so that the test loss looks better than it "
        "is: remove them from one of the splits; `vaecli data check` names them.",
        "1 of 60 validation images are also training images, so that the validation loss looks "
        "better than it is: remove them from one of the splits; `vaecli data check` names them.",
    ]


def test_images_that_differ_in_any_pixel_are_no_leak():
    train, test = images(30), images(30, 1)
    for n in range(30):
        test.x[n] = train.x[n]
        test.x[n].view(-1)[n * 40] ^= 1
    assert quick_check({"train": train, "test": test}) == []


def test_many_copies_are_a_notice_and_few_are_none():
    train = images(200)
    train.x[:3] = train.x[199]
    text = "3 of 200 training images are copies of others; `vaecli data check` names them."
    assert quick_check({"train": train}) == [text]
    train.x[0] = images(1, 5).x
    assert quick_check({"train": train}) == []


def test_images_of_one_colour_are_counted():
    train = images(300)
    train.x[5] = 0
    train.x[6] = 200
    train.x[7] = 9
    train.x[7, 0, 0, 0] = 10
    assert quick_check({"train": train}) == [
        "2 images are of one colour: remove them; `vaecli data check` names them."
    ]


@pytest.mark.parametrize(
    ("scale", "offset", "text"),
    [(0.1, 0, "nearly black: 99 % of the pixels are at most 25"), (0.1, 225, "nearly white")],
)
def test_a_dark_or_bright_set_is_a_notice(scale, offset, text):
    train = images(100)
    train = replace(train, x=(train.x * scale + offset).byte())
    (notice,) = quick_check({"train": train})
    assert text in notice


def test_tiny_classes_are_named():
    labels = torch.tensor([0] * 60 + [1] * 60 + [2] * 3)
    train = Images(images(123).x, labels, 3, class_names=("cat", "dog", "owl"))
    assert quick_check({"train": train}) == [
        "1 class has fewer than 10 training images and far fewer than the others (owl): add images "
        "or merge classes."
    ]
    hidden = torch.where(labels == 2, 3, labels)  # not a class of three images
    assert quick_check({"train": replace(train, labels=hidden)}) == []
    assert quick_check({"train": replace(train, labels=torch.full((123,), 3))}) == []


def test_at_most_three_notices():
    train, test, valid = images(60), images(60, 1), images(60, 2)
    test.x[0] = valid.x[0] = train.x[0]
    train.x[1] = 0
    train.x[2:9] = train.x[10]
    assert len(quick_check({"train": train, "test": test, "validation": valid})) == 3


def test_of_a_large_set_a_part_is_read(monkeypatch):
    """Every second image here; equal images at other places are not seen."""
    train, test = images(100), images(100, 1)
    test.x[::2] = train.x[::2]
    test.x[[4, 5]] = 7
    monkeypatch.setattr(quick, "MAX_READ", 50 * train.x[0].numel())
    leaks, constant = quick_check({"train": train, "test": test})
    assert leaks.startswith("49 of 50 test images")
    assert constant.startswith("1 image is of one colour")


def test_it_takes_a_small_part_of_the_time_of_decoding():
    """A PNG of 64 x 64 pixels takes 150 microseconds or more."""
    splits = {"train": images(3000, shape=(3, 64, 64))}
    best = min(_seconds(splits) for _ in range(5))
    assert best / 3000 < 20e-6


def _seconds(splits):
    began = time.perf_counter()
    quick_check(splits)
    return time.perf_counter() - began
