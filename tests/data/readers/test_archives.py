"""Zip archives: the rules of folders, damage, bombs, encryption, several threads."""

import io
import os
import struct
import time
import tracemalloc
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.images import encode, picture
from tests.many_images import archive
from vaecli.data.readers import archives
from vaecli.data.readers.archives import list_archive
from vaecli.data.readers.item import BadImageError
from vaecli.system.errors import DataError

PNG = encode(picture("L"), "PNG")


@pytest.fixture
def write(tmp_path):
    """Writes an archive; returns its path."""

    def write(content):
        path = tmp_path / "set.zip"
        path.write_bytes(archive(content) if isinstance(content, dict) else content)
        return path

    return write


def raw(name: str, packed: bytes, size: int, crc: int, method: int = 8, flags: int = 0) -> bytes:
    """An archive of one entry whose head says anything; written independently of Python."""
    head = (20, flags, method, 0, 33, crc, len(packed), size, len(name), 0)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", *head) + name.encode() + packed
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, *head, 0, 0, 0, 0, 0) + name.encode()
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def test_classes_and_splits_are_those_of_a_folder(write):
    names = ["top/train/b/1.png", "top/train/a/2.png", "top/test/a/3.png"]
    listing = list_archive(write(dict.fromkeys(names, PNG)))
    assert [(item.name, item.label, item.split) for item in listing.items] == [
        ("top/test/a/3.png", "a", "test"),
        ("top/train/a/2.png", "a", "train"),
        ("top/train/b/1.png", "b", "train"),
    ]
    expected = np.asarray(picture("L"))
    for item in listing.items:
        assert np.array_equal(item.read(), expected)
        assert item.outline()[:3] == (*picture("L").size, 1)


def test_everything_else_is_skipped_with_a_count(write):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    path = write({"a.png": PNG, "b": PNG, "c": b"words", "empty": b"", "n.txt": b"x"})
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(link, "a.png")
        opened.writestr("__MACOSX/._a.png", b"x")
        opened.writestr("x/.hidden/a.png", PNG)
        opened.writestr("inner.zip", b"x")
        opened.writestr("folder/", b"")
    listing = list_archive(path)
    assert [item.name for item in listing.items] == ["a.png", "b"]
    assert listing.skipped == {
        "not an image": 3,
        "links": 1,
        "written by the operating system": 1,
        "hidden": 1,
        "archives inside": 1,
    }


def test_names_that_lead_outside_are_harmless(write, tmp_path):
    names = ["../../evil.png", "/abs.png", "C:\\w.png", "a/./b.png", "x\n[red].png"]
    path = write(dict.fromkeys(names, PNG))
    before = set(tmp_path.rglob("*"))
    items = list_archive(path).items
    assert [item.name for item in items] == [
        *("C:\\\\w.png", "a/b.png", "abs.png", "evil.png", "x\\u000a[red].png")
    ]
    assert all(item.read().mode == "L" for item in items)
    assert set(tmp_path.rglob("*")) == before


def test_of_two_entries_of_one_name_the_last_counts(write):
    path = write({"a.png": PNG})
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("./a.png", encode(Image.new("L", (2, 2)), "PNG"))
    listing = list_archive(path)
    (item,) = listing.items
    assert item.read().size == (2, 2)
    assert listing.skipped == {archives.OVERWRITTEN: 1}


def test_an_encrypted_archive_is_refused(write):
    path = write(raw("a.png", b"x" * 20, 8, 0, flags=1))
    with pytest.raises(DataError, match=r"set\.zip is encrypted \(a\.png\): unpack it with its"):
        list_archive(path)


GOOD = (deflate(PNG), len(PNG), zlib.crc32(PNG))
ZEROS = deflate(bytes(90_000_000))
DAMAGED = {
    "wrong sum": (raw("a.png", GOOD[0], GOOD[1], 1), "Bad CRC-32"),
    "too short": (raw("a.png", GOOD[0][:50], *GOOD[1:]), "damaged"),
    "not deflated": (raw("a.png", b"\xff" * 99, 99, 0), "damaged"),
    "declared too large": (raw("a.png", GOOD[0], 4_000_000_000, 0), "too large: 4,000,000,000"),
    "declared impossible": (raw("a.png", GOOD[0], 300_000_000, 0), "cannot hold 300,000,000"),
    "declared too small": (raw("a.png", ZEROS, 100, 0), "Bad CRC-32"),
    "zeros": (raw("a.png", ZEROS, 90_000_000, zlib.crc32(bytes(90_000_000))), "no image"),
    "compressed by bzip2": (raw("a.png", b"x", 1, 0, method=12), "by method 12"),
    "no image": (archive({"a.png": b"words"}), "no image of a format"),
    "empty": (archive({"a.png": b""}), "is empty: 0 bytes"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_entries_are_bad_by_name(write, case):
    content, words = DAMAGED[case]
    (item,) = list_archive(write(content)).items
    started = time.perf_counter()
    for read in (item.read, item.outline):
        with pytest.raises(BadImageError, match=words) as caught:
            read()
        assert str(caught.value).startswith("a.png ")
    assert time.perf_counter() - started < 1


def test_no_more_is_unpacked_than_is_declared(write):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    content = encode(Image.fromarray(noise), "PNG")
    packed = deflate(content + bytes(90_000_000))
    (item,) = list_archive(write(raw("a.png", packed, len(content), zlib.crc32(content)))).items
    tracemalloc.start()
    try:
        assert np.array_equal(item.read(), noise)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_one_damaged_entry_leaves_the_others(write):
    content = bytearray(archive({"a.png": PNG, "b.png": PNG}, zipfile.ZIP_STORED))
    content[content.index(b"IDAT") + 9] ^= 1
    first, second = list_archive(write(bytes(content))).items
    with pytest.raises(BadImageError, match=r"^a\.png is damaged"):
        first.read()
    assert second.read().mode == "L"


@pytest.mark.parametrize(
    "content", [b"", b"words", archive({"a.png": PNG})[:-30], b"PK\5\6" + b"\xff" * 18]
)
def test_a_damaged_archive_is_refused(write, content):
    with pytest.raises(DataError, match=r"set\.zip is no zip archive, or damaged: "):
        list_archive(write(content))


def test_a_missing_archive_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file or directory"):
        list_archive(tmp_path / "a.zip")


def test_many_threads_read_the_right_images(write):
    images = {f"{i:03}.png": encode(Image.new("L", (i + 1, 1), i), "PNG") for i in range(200)}
    items = list_archive(write(images)).items * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: item.read(), items))
    for item, image in zip(items, found, strict=True):
        value = int(item.name[:3])
        assert image.size == (value + 1, 1)
        assert image.getextrema() == (value, value)


@pytest.mark.parametrize("change", ["written", "replaced", "removed"])
def test_a_changed_archive_ends_training(write, tmp_path, change):
    path = write({"a.png": PNG})
    (item,) = list_archive(path).items
    if change == "written":
        path.write_bytes(archive({"a.png": PNG, "b.png": PNG}))
    else:
        path.unlink()
    if change == "replaced":
        path.write_bytes(archive({"a.png": PNG}))
        os.utime(path, ns=(1, 1))
    for read in (item.read, item.outline):
        with pytest.raises(DataError, match=r"set\.zip (changed|vanished) after") as caught:
            read()
        assert not isinstance(caught.value, BadImageError)


def test_the_file_is_closed_with_the_last_item(write):
    before = len(os.listdir("/proc/self/fd"))
    listing = list_archive(write({"a.png": PNG}))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del listing
    assert len(os.listdir("/proc/self/fd")) == before
    assert not caught


def test_stamps_change_with_the_content(write):
    stamps = [list_archive(write({"a.png": content})).items[0].stamp for content in (PNG, b"x")]
    assert stamps[0] != stamps[1]


def test_a_list_of_bytes_is_an_archive():
    assert zipfile.is_zipfile(io.BytesIO(raw("a.png", *GOOD)))
    assert zipfile.ZipFile(io.BytesIO(raw("a.png", *GOOD))).read("a.png") == PNG
