"""What can be given as a data set, and what is said of all else."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image

from tests.images import encode, picture
from tests.many_images import archive, npy, npz
from vaecli.data.readers.decode import read_image
from vaecli.data.readers.formats import LISTERS, list_images, list_paths
from vaecli.data.readers.item import BadImageError, Item, Listing
from vaecli.system.errors import DataError

PNG = encode(picture("L"), "PNG")
ARRAY = npy(np.zeros((2, 3, 4), np.uint8))


@pytest.fixture
def folder(tmp_path):
    """One file of each format."""
    files = {
        "set.ZIP": archive({"a.png": PNG}),
        "x.npy": ARRAY,
        "x.npz": npz(x=np.zeros((2, 3, 4), np.uint8)),
        "t.csv": b"one.png,a\n",
        "t.tsv": b"one.png\ta\n",
        "one.png": PNG,
        "nosuffix": PNG,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_path_is_read_by_what_it_is(folder):
    counts = {path.name: len(list_images(path).items) for path in folder.iterdir()}
    assert counts == {
        **{"set.ZIP": 1, "x.npy": 2, "x.npz": 2, "t.csv": 1, "t.tsv": 1},
        **{"one.png": 1, "nosuffix": 1},
    }
    assert {path.suffix.lower() for path in folder.iterdir()} >= LISTERS.keys()
    assert [item.name for item in list_images(folder).items] == ["nosuffix", "one.png"]


def test_lists_keep_their_order(folder):
    one = folder / "one.png"
    paths = [one, folder / "set.ZIP", folder / "nosuffix", one]
    assert [item.name for item in list_paths(paths).items] == [
        f"{folder}/one.png",
        f"{folder}/set.ZIP/a.png",
        f"{folder}/nosuffix",
        f"{folder}/one.png (2)",
    ]
    assert all(item.read().mode == "L" for item in list_paths(paths).items)


def test_a_relative_path_is_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (item,) = list_images((folder / "one.png").relative_to(folder)).items
    assert item.name == "one.png"
    assert item.read().mode == "L"


CHOICES = (
    "choose a folder of images, an image file, .zip, .npy, .npz, .csv, .tsv, or a folder of "
    "MNIST's files."
)


def test_all_else_is_refused_with_what_can_be_read(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "b.part").write_text("words")
    (tmp_path / "c.svg").write_text("<svg/>")
    os.mkfifo(tmp_path / "d.png")
    (tmp_path / "e.zip").symlink_to("nowhere")
    for name, words in {
        "a.txt": "is of no format that is read",
        "b.part": "is of no format that is read",
        "c.svg": "is of no format that is read",
        "d.png": "is neither a file nor a folder",
        "e.zip": "does not exist",
        "f\n": "does not exist",
    }.items():
        with pytest.raises(DataError) as caught:
            list_images(tmp_path / name)
        shown = f"{tmp_path}/{name}".replace("\n", "\\u000a")
        assert str(caught.value) == f"{shown} {words}: {CHOICES}"


def test_a_set_without_images_is_refused_with_counts(tmp_path):
    with pytest.raises(DataError, match=r"has no image that can be read: it is empty\.$"):
        list_images(tmp_path)
    for name in ("a.txt", "b.txt", ".c.png", "d.heic"):
        (tmp_path / name).write_bytes(PNG)
    counts = "1 hidden, 2 not an image, 1 of an image format that is not read"
    with pytest.raises(DataError, match=rf"has no image that can be read: {counts}\.$"):
        list_images(tmp_path)
    (tmp_path / "x.zip").write_bytes(archive({"__MACOSX/a.png": PNG, "a.txt": b""}))
    with pytest.raises(DataError, match="1 not an image, 1 written by the operating system"):
        list_images(tmp_path / "x.zip")
    (tmp_path / "x.csv").write_text("path,label\n")
    with pytest.raises(DataError, match="it is empty"):
        list_images(tmp_path / "x.csv")


def test_only_broken_images_are_listed_and_each_is_bad(tmp_path):
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"broken")
    for item in list_images(tmp_path).items:
        with pytest.raises(BadImageError, match=f"^{item.name} is damaged, or is no image"):
            item.read()


def test_nothing_of_the_user_is_changed(folder):
    def state():
        found = sorted(folder.rglob("*"))
        return [(path, path.read_bytes(), os.stat(path).st_mtime_ns) for path in found]

    before = state()
    for path in (folder, *folder.iterdir()):
        for item in list_images(path).items:
            item.read()
    assert state() == before


def test_reading_needs_no_torch(folder):
    code = (
        "import sys; from pathlib import Path\n"
        "from vaecli.data.readers.formats import list_images\n"
        "list_images(Path(sys.argv[1])).items[0].read(); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_new_format_is_one_function_and_one_row(tmp_path, monkeypatch):
    """Sheets of images, cut into tiles."""

    def tile(path, left):
        with path.open("rb") as file:
            return read_image(file, path.name).crop((left, 0, left + 8, 8))

    def list_sheet(path):
        with path.open("rb") as file:
            width = read_image(file, path.name).width
        return Listing([Item(f"{x}", partial(tile, path, x)) for x in range(0, width, 8)])

    monkeypatch.setitem(LISTERS, ".sheet", list_sheet)
    (tmp_path / "a.sheet").write_bytes(encode(Image.new("L", (32, 8), 7), "PNG"))
    items = list_images(tmp_path / "a.sheet").items
    assert [item.read().getextrema() for item in items] == [(7, 7)] * 4
