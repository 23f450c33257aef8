"""MNIST-format files: where they are looked for, and what is said of damaged ones."""

import gzip

import numpy as np
import pytest
import torch

from tests.conftest import bars, idx, write_idx
from vaecli.data.readers.idx import read_split
from vaecli.system.errors import DataError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
def test_mnist_format_files_are_read_from_the_usual_places(tmp_path, zipped, place):
    write_idx(tmp_path / place, zipped=zipped)
    for split, images in (("train", bars(96)), ("test", bars(40, seed=1))):
        pixels, labels = read_split(tmp_path, split)
        assert torch.equal(pixels, images.x.squeeze(1))
        assert torch.equal(labels, images.labels)


@pytest.mark.parametrize("zipped", [True, False])
def test_too_few_labels_are_found_before_the_images_are_read(tmp_path, zipped):
    """The images may be gigabytes: here the file ends after its header."""
    write_idx(tmp_path, zipped=zipped)
    for name, content in ((IMAGES, GOOD[:16]), (LABELS, idx(np.zeros(95)))):
        if zipped:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"has 95 labels, .* has 96 images\.$"):
        read_split(tmp_path, "train")


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
        (IMAGES, GOOD[:10], "is too short: its header has only 10 bytes"),
        (
            IMAGES,
            GOOD[:-1],
            "is too short: 6,144 bytes expected by its header, at most 6,143 found.",
        ),
        (
            IMAGES,
            GOOD[:4000],
            "is too short: 6,144 bytes expected by its header, at most 3,984 found",
        ),
        (IMAGES, GOOD + b"\0", "is too long: 6,144 bytes expected by its header, more found"),
        (IMAGES, GOOD[:8] + b"\xff" * 8 + GOOD[16:], "is too short: 1,770,887,430,"),
        (IMAGES, GOOD[:4] + b"\xff" * 12 + GOOD[16:], "has 4,294,967,295 images"),
        (IMAGES, idx(np.zeros((0, 8, 8))), "is empty: expected images or labels"),
        (LABELS, idx(np.zeros(95)), "has 95 labels, "),
    ],
)
def test_the_error_names_the_file_and_what_was_expected_and_found(tmp_path, name, content, reason):
    write_idx(tmp_path, zipped=False)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_split(tmp_path, "train")
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
def test_the_error_names_a_damaged_gzip_file(tmp_path, content, reason):
    write_idx(tmp_path)
    (tmp_path / f"{IMAGES}.gz").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_split(tmp_path, "train")
    assert f"{IMAGES}.gz" in str(caught.value)
    assert reason in str(caught.value)


def test_missing_files_are_named_with_the_fix(tmp_path):
    with pytest.raises(DataError) as caught:
        read_split(tmp_path, "train")
    assert f"{tmp_path} has no file {IMAGES} or {IMAGES}.gz" in str(caught.value)
    assert "choose no folder to use the bundled MNIST" in str(caught.value)
