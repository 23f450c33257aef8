"""Images of the user that are large: decoded into the cache once, and the same as in memory."""

import os
from dataclasses import replace

import pytest
import torch
from PIL import Image

from vaecli.config.config import Config
from vaecli.data import cache, pixels
from vaecli.data.assignment import assign
from vaecli.data.load_log import LoadLog
from vaecli.data.readers.formats import list_images
from vaecli.data.splits import load_all, load_split
from vaecli.system import machine
from vaecli.system.errors import DataError, ResourceError


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of 30 small images of two classes."""
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    for number in range(30):
        path = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 5), (number, 2 * number, 200)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def large(monkeypatch):
    """All images count as larger than memory."""
    monkeypatch.setattr(cache, "MIN_SIZE", 0)


def read(photos, **more):
    log = LoadLog()
    return load_all(Config(data=str(photos), **more), log).splits, log


def refuse(*_):
    raise AssertionError("they were decoded before")
    yield


def test_images_in_the_cache_are_those_in_memory(photos, monkeypatch):
    in_memory, _ = read(photos, validation=4)
    monkeypatch.setattr(cache, "MIN_SIZE", 0)
    for _ in range(2):
        cached, log = read(photos, validation=4)
        assert all("vaecli data cache" in notice for notice in log.notices)
        for found, wanted in zip(cached, in_memory, strict=True):
            assert wanted.mapped is None
            assert found.mapped is not None
            assert torch.equal(found.x, wanted.x)
            assert torch.equal(found.labels, wanted.labels)
            assert found.class_names == wanted.class_names == ("cat", "dog")
            assert found.classes == wanted.classes
        monkeypatch.setattr("vaecli.data.pixels.decode", refuse)
    assert load_split(Config(data=str(photos)), "test").mapped is not None


def test_another_way_to_resize_is_another_cache(photos, large):
    crop, pad = (read(photos, resize=name, image_size=8)[0].train for name in ("crop", "pad"))
    assert crop.shape == pad.shape
    assert not torch.equal(crop.x, pad.x)


def test_images_that_do_not_fit_in_memory_are_not_decoded(photos, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 26 * 3 * 5 * 6 - 1)
    with pytest.raises(ResourceError, match=r"26 images of \(3, 5, 6\) needs"):
        read(photos)
    monkeypatch.setattr(machine, "available_memory", lambda: 26 * 3 * 5 * 6)
    assert len(read(photos)[0].train) == 26


def test_the_progress_is_shown_while_the_cache_is_filled(photos, large):
    calls = []
    load_all(Config(data=str(photos)), LoadLog(lambda *call: calls.append(call)))
    assert ("decoding", 26, 26) in calls


def test_caches_and_their_notices_are_passed_on(photos, large, monkeypatch):
    real = pixels.make_cached

    def make_cached(**given):
        given["on_wait"]()
        return replace(real(**given), notices=("It was damaged.",))

    monkeypatch.setattr(pixels, "make_cached", make_cached)
    calls = []
    log = LoadLog(lambda *call: calls.append(call))
    load_all(Config(data=str(photos)), log)
    assert log.notices[0] == log.notices[2] == "It was damaged."
    assert len(set(log.caches)) == 2
    assert calls.count(("waiting for a process that decodes", 0, 26)) == 1


def test_images_that_changed_are_decoded_again(photos, large):
    def fingerprints():
        return [images.fingerprint() for images in read(photos)[0][:2]]

    before = fingerprints()
    assert fingerprints() == before
    path = photos / "cat" / "2.png"
    Image.new("RGB", (6, 5)).save(path)
    os.utime(path, (1, 1))
    assert fingerprints() != before
    assert read(photos, resize="pad", image_size=8)[0].train.shape == (3, 8, 8)


def test_images_that_are_left_out_are_named_whenever_the_cache_is_read(photos, large):
    (photos / "cat" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(DataError, match=r"2\.png"):
        read(photos)
    splits, log = read(photos, skip_bad=True)
    again, second = read(photos, skip_bad=True)
    assert len(log.bad) == 1
    assert second.bad == log.bad
    assert len(splits.train) + len(splits.test) == 29
    for found, wanted in zip(again[:2], splits[:2], strict=True):
        assert torch.equal(found.x, wanted.x)
        assert torch.equal(found.labels, wanted.labels)
    chosen = {"image_size": 8, "channels": "3"}  # so that nothing is read before the cache
    read(photos, skip_bad=True, **chosen)
    with pytest.raises(DataError, match=r"2\.png"):
        read(photos, **chosen)


def test_if_no_image_can_be_read_one_of_them_is_named(photos, large):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    log = LoadLog()
    with pytest.raises(DataError, match=r"None of \d+ test images can be read\. .*\.png") as caught:
        load_all(Config(data=str(photos), skip_bad=True, image_size=8, channels="3"), log)
    first = assign(list_images(photos).items, 0.1).test[0]
    assert first.name in str(caught.value)
