"""NumPy arrays: shapes, types and ranges, names of arrays, labels, damage; never pickles."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from tests.many_images import archive, npy, npz
from vaecli.data.readers import arrays, pixel_arrays
from vaecli.data.readers.arrays import list_npy, list_npz
from vaecli.data.readers.item import BadImageError
from vaecli.system import machine
from vaecli.system.errors import DataError, ResourceError

BYTES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4) * 10


@pytest.fixture
def write(tmp_path):
    """Writes a file; returns its path."""

    def write(content, name="x.npy"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def read_all(listing) -> np.ndarray:
    return np.stack([np.asarray(item.read()) for item in listing.items])


def wide(array: np.ndarray) -> np.ndarray:
    """The same images in 16 bits: 257 is 65535 / 255."""
    return array.astype(np.uint16) * 257


RGBA = np.stack([BYTES, BYTES, BYTES, np.full_like(BYTES, 255)], -1)
RGBA[0, 0, 0] = (10, 20, 30, 0)
OVER_WHITE = RGBA[..., :3].copy()
OVER_WHITE[0, 0, 0] = 255
COLOUR = np.stack([BYTES, BYTES + 1, BYTES + 2], -1)
ACCEPTED = {
    "bytes": (BYTES, BYTES),
    "booleans": (BYTES > 100, (BYTES > 100) * 255),
    "16 bits": (wide(BYTES), BYTES),
    "16 bits, big-endian": (wide(BYTES).astype(">u2"), BYTES),
    "16 bits up to 255": (BYTES.astype(np.uint16), BYTES),
    "int64": (BYTES.astype(np.int64), BYTES),
    "int16, big-endian": (BYTES.astype(">i2"), BYTES),
    "floats to 1": (np.array([[[0, 0.2, 1]]]), [[[0, 51, 255]]]),
    "half floats": (np.array([[[0, 0.2, 1]]], np.float16), [[[0, 51, 255]]]),
    "big-endian floats": (np.array([[[0, 0.2, 1]]], ">f4"), [[[0, 51, 255]]]),
    "floats to 255": (np.array([[[0, 0.4, 254.6]]]), [[[0, 0, 255]]]),
    "in Fortran's order": (np.asfortranarray(BYTES), BYTES),
    "colour in Fortran's order": (np.asfortranarray(COLOUR), COLOUR),
    "(N, H, W, 1)": (BYTES[..., None], BYTES),
    "(N, 1, H, W)": (np.tile(BYTES[:, None], 2), np.tile(BYTES, 2)),
    "(N, H, W, 3)": (COLOUR, COLOUR),
    "(N, 3, H, W)": (COLOUR[:, :2].transpose(0, 3, 1, 2)[..., :2], COLOUR[:, :2, :2]),
    "(N, H, W, 4)": (RGBA, OVER_WHITE),
    "(N, 4, H, W)": (RGBA[:, :2, :2].transpose(0, 3, 1, 2), OVER_WHITE[:, :2, :2]),
    "channels last where both are possible": (COLOUR[:, :1], COLOUR[:, :1]),
    "3 rows and 3 channels last": (COLOUR[:, :3, :3], COLOUR[:, :3, :3]),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_values_and_shapes_that_are_read(write, case):
    array, expected = ACCEPTED[case]
    for listing in (list_npy(write(npy(array))), list_npz(write(npz(images=array), "x.npz"))):
        assert np.array_equal(read_all(listing), expected)
        for item in listing.items:
            outline = item.outline()
            image = item.read()
            assert (outline.width, outline.height) == image.size
            assert outline.channels == len(image.getbands())
        assert not listing.notices


REFUSED = {
    "two dimensions": (BYTES[0], r"has shape \(3, 4\), where \(N, H, W\)"),
    "five dimensions": (BYTES[None, None], "has shape"),
    "two channels": (COLOUR[..., :2].repeat(2, 1), r"has shape \(2, 6, 4, 2\), where"),
    "no images": (BYTES[:0], "is empty: its shape is"),
    "no pixels": (BYTES[:, :, :0], "is empty: its shape is"),
    "from -1 to 1": (np.array([[[-1.0, 0, 1]]]), r"from -1 to 1, .* store \(x \+ 1\) / 2"),
    "over 255": (np.array([[[0, 256]]]), "from 0 to 256 of type int64, where 0 to 255"),
    "floats over 255": (np.array([[[0, 256.0]]]), "from 0 to 256 of type float64"),
    "negative": (np.array([[[-5, 200]]]), "from -5 to 200"),
    "NaN": (np.array([[[0, np.nan]]]), "from nan to nan"),
    "infinite": (np.array([[[0, np.inf]]]), "from 0 to inf"),
    "complex": (np.ones((1, 2, 2), complex), "values of type complex128, where numbers"),
    "text": (np.full((1, 2, 2), "a"), "values of type <U1, where numbers"),
    "dates": (np.zeros((1, 2, 2), "M8[s]"), "where numbers are expected"),
    "records": (np.zeros((1, 2, 2), [("a", "u1")]), "where numbers are expected"),
    "objects": (np.array([[[None]]]), "contains Python objects"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_and_shapes_that_are_refused(write, case):
    array, words = REFUSED[case]
    with pytest.raises(DataError, match=words) as caught:
        list_npy(write(npy(array)))
    assert "x.npy" in str(caught.value)
    with pytest.raises(DataError, match=words):
        list_npz(write(npz(images=array), "x.npz"))


def test_huge_images_are_refused(write, monkeypatch):
    monkeypatch.setattr(pixel_arrays, "MAX_PIXELS", 2_000_000)
    path = write(npy(np.zeros((1, 2001, 1000), np.uint8)))
    with pytest.raises(DataError, match="at most 2 million pixels are read"):
        list_npy(path)


def test_the_range_is_that_of_all_images(write, monkeypatch):
    monkeypatch.setattr(pixel_arrays, "CHUNK_BYTES", 8)
    for dtype, first, last in (("u2", 5, 65535), ("f4", 0.0, 255.0), ("u1", 0, 255)):
        array = np.full((2, 2, 2), first, dtype)
        array[1, 1, 1] = last
        listing = list_npy(write(npy(array)))
        assert read_all(listing)[1, 1, 1] == 255
        assert read_all(listing)[0, 0, 0] == 0
        assert not listing.notices


def test_almost_black_images_are_noticed(write):
    listing = list_npy(write(npy((BYTES > 100).astype(np.uint8))))
    (notice,) = listing.notices
    assert "is over 1 of 255: all images are almost black" in notice


class Command:
    def __reduce__(self):
        return os.mkdir, ("pickles-were-read",)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_pickles_are_never_read(write, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    array = np.array([Command()], dtype=object)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    for content in (file.getvalue(), pickle.dumps(Command())):
        if name == "x.npz":
            content = archive({"images.npy": content})
        path = write(content, name)
        with pytest.raises(DataError, match=r"contains Python objects|cannot be read"):
            (list_npy if name == "x.npy" else list_npz)(path)
    assert not os.path.exists("pickles-were-read")


GOOD = npy(BYTES)


def with_shape(shape: str) -> bytes:
    """An array whose head declares another shape, of the same length."""
    head = GOOD[:128].replace(b"(2, 3, 4)", shape.encode())
    return head[: len(head) - (len(head) - 128) - 1].rstrip().ljust(127) + b"\n" + GOOD[128:]


DAMAGED = {
    "empty": b"",
    "text": b"words",
    "only the magic": GOOD[:6],
    "cut in the head": GOOD[:50],
    "cut in the values": GOOD[:-1],
    "too long": GOOD + b"x",
    "a huge shape": with_shape("(9999999999, 3, 4)"),
    "an overflowing shape": with_shape("(99999999999, 99999999999, 99999999999)"),
    "a negative shape": with_shape("(-2, -3, 4)"),
    "no shape": with_shape("(2, 3, 'a')"),
    "an expression": with_shape("__import__('os')"),
    "nested": with_shape("(" * 40),
    "version 9": GOOD[:6] + b"\x09\0" + GOOD[8:],
}


def test_a_head_that_is_no_literal_is_refused_without_an_address(write):
    path = write(with_shape("(9**9, 8, 8)"))
    with pytest.raises(DataError, match=r"cannot be read: [^<]*$"):
        list_npy(path)


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_arrays_are_refused(write, case):
    with pytest.raises(DataError, match=r"x\.npy") as caught:
        list_npy(write(DAMAGED[case]))
    assert "\n" not in str(caught.value)
    path = write(archive({"images.npy": DAMAGED[case]}), "x.npz")
    with pytest.raises(DataError, match=r"x\.npz"):
        list_npz(path)


def test_a_damaged_npz_file_is_refused(write):
    content = bytearray(archive({"images.npy": GOOD}, zipfile.ZIP_STORED))
    content[content.index(b"\x0a\x14\x1e")] ^= 1
    for damaged in (bytes(content), content[:100], b"", b"words"):
        with pytest.raises(DataError, match=r"x\.npz cannot be read"):
            list_npz(write(damaged, "x.npz"))


def test_memory_is_asked_for_before_it_is_taken(write, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 1000)
    path = write(npz(images=np.zeros((100, 100, 100), np.uint8)), "x.npz")
    with pytest.raises(ResourceError, match=r"images in .*x\.npz needs 1 MB of memory"):
        list_npz(path)
    path = write(npy(np.zeros((2, 1000, 1000), np.uint8, "F")))
    with pytest.raises(ResourceError, match=r"x\.npy needs 2 MB of memory"):
        list_npy(path)
    path = write(npy(np.zeros((100_000, 1, 1), np.uint8)))
    with pytest.raises(ResourceError, match="a list of 100,000 images needs 60 MB"):
        list_npy(path)


def test_an_array_is_read_from_the_disk_row_by_row(write):
    path = write(npy(BYTES))
    first, second = list_npy(path).items
    assert np.array_equal(first.read(), BYTES[0])
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match=r"x\.npy changed after it was listed") as caught:
        second.read()
    assert not isinstance(caught.value, BadImageError)
    path.unlink()
    with pytest.raises(DataError, match=r"x\.npy vanished"):
        second.read()


SETS = {
    "as Keras has it": (
        {"x_train": BYTES, "y_train": [3, 10], "x_test": BYTES[:1], "y_test": [3]},
        [("x_train[0]", "3", "train"), ("x_train[1]", "10", "train"), ("x_test[0]", "3", "test")],
    ),
    "as MedMNIST has it": (
        {
            "train_images": BYTES,
            "train_labels": [[1], [0]],
            "val_images": BYTES[:1],
            "val_labels": [[1]],
            "test_images": BYTES[:1],
            "test_labels": [[0]],
        },
        [
            ("train_images[0]", "1", "train"),
            ("train_images[1]", "0", "train"),
            ("val_images[0]", "1", "validation"),
            ("test_images[0]", "0", "test"),
        ],
    ),
    "images and text": (
        {"images": BYTES, "labels": ["cat", "dog"]},
        [("images[0]", "cat", None), ("images[1]", "dog", None)],
    ),
    "bytes of text": (
        {"Data": BYTES, "Target": [b"cat", "\u00e9".encode()]},
        [("Data[0]", "cat", None), ("Data[1]", "\u00e9", None)],
    ),
    "whole floats": (
        {"x": BYTES, "y": [1.0, 2.0]},
        [("x[0]", "1", None), ("x[1]", "2", None)],
    ),
    "arrays without names": (
        {"arr_0": BYTES, "arr_1": [1, 2]},
        [("arr_0[0]", "1", None), ("arr_0[1]", "2", None)],
    ),
    "a single array": (
        {"pictures": BYTES},
        [("pictures[0]", None, None), ("pictures[1]", None, None)],
    ),
    "without labels": ({"x": BYTES}, [("x[0]", None, None), ("x[1]", None, None)]),
}


@pytest.mark.parametrize("case", SETS)
def test_arrays_are_found_by_their_names(write, case):
    content, expected = SETS[case]
    listing = list_npz(write(npz(**content), "x.npz"))
    assert [(item.name, item.label, item.split) for item in listing.items] == expected
    assert not listing.skipped


def test_other_arrays_are_counted(write):
    listing = list_npz(write(npz(x=BYTES, y=[1, 2], mean=[1.0], note="text"), "x.npz"))
    assert listing.skipped == {arrays.OTHER: 2}


WRONG = {
    "unclear": ({"first": BYTES, "second\n": BYTES}, r"Found: first, second\\u000a\.$"),
    "nothing": ({}, r"Found: none\.$"),
    "too few labels": ({"x": BYTES, "y": [1]}, r"y in .*x\.npz has shape \(1,\), where one label"),
    "one-hot labels": ({"x": BYTES, "y": np.eye(2)}, r"store the \.argmax\(1\)"),
    "broken numbers": ({"x": BYTES, "y": [0.5, 1]}, "has type float64, where whole numbers or"),
    "objects": ({"x": BYTES, "y": np.array([{}, 1])}, "contains Python objects"),
}


@pytest.mark.parametrize("case", WRONG)
def test_unclear_arrays_and_labels_are_refused(write, case):
    content, words = WRONG[case]
    with pytest.raises(DataError, match=words):
        list_npz(write(npz(**content), "x.npz"))
