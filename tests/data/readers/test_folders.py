"""Folders of images: classes and splits, links, what is skipped, odd names, changed files."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.images import encode, picture
from vaecli.data.readers import folders
from vaecli.data.readers.folders import list_folder
from vaecli.data.readers.item import BadImageError
from vaecli.run import names
from vaecli.system.errors import DataError

PNG = encode(picture("L"), "PNG")


def fill(folder: Path, *names: str) -> Path:
    """A folder with an image of each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return folder


def places(folder: Path) -> dict[str, tuple[str | None, str | None]]:
    return {item.name: (item.label, item.split) for item in list_folder(folder).items}


LAYOUTS = {
    "flat": {"1.png": (None, None), "2.png": (None, None)},
    "classes": {"a/1.png": ("a", None), "b/1.png": ("b", None)},
    "deeper folders belong to the first": {"a/x/1.png": ("a", None), "b/y/z/1.png": ("b", None)},
    "a common folder on top": {"icons/a/1.png": ("a", None), "icons/b/1.png": ("b", None)},
    "several on top": {"x/y/a/1.png": ("a", None), "x/y/b/1.png": ("b", None)},
    "one class": {"a/1.png": (None, None), "a/2.png": (None, None)},
    "one class with folders": {"all/a/1.png": ("a", None), "all/b/1.png": ("b", None)},
    "splits": {
        "Train/a/1.png": ("a", "train"),
        "Train/b/1.png": ("b", "train"),
        "TEST/a/1.png": ("a", "test"),
        "val/b/1.png": ("b", "validation"),
    },
    "two names of one split": {
        "train/1.png": (None, "train"),
        "valid/1.png": (None, "validation"),
        "validation/1.png": (None, "validation"),
    },
    "splits in a common folder": {
        "set/train/a/1.png": ("a", "train"),
        "set/test/b/1.png": ("b", "test"),
    },
    "a common folder in splits": {
        "train/images/a/1.png": ("a", "train"),
        "test/images/b/1.png": ("b", "test"),
    },
    "splits without classes": {"train/1.png": (None, "train"), "test/1.png": (None, "test")},
    "only train": {"train/a/1.png": ("a", "train"), "train/b/1.png": ("b", "train")},
    "a class called train": {
        "car/1.png": ("car", None),
        "plane/1.png": ("plane", None),
        "train/1.png": ("train", None),
    },
    "a split inside a class": {"a/test/1.png": ("a", None), "b/1.png": ("b", None)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_are_classes_and_splits(tmp_path, layout):
    expected = LAYOUTS[layout]
    listing = list_folder(fill(tmp_path, *expected))
    assert places(tmp_path) == expected
    assert [item.name for item in listing.items] == sorted(expected)
    assert not listing.skipped
    has_notice = layout in ("a class called train", "a split inside a class")
    assert len(listing.notices) == has_notice


@pytest.mark.parametrize("top", ["", "train/"])
def test_images_beside_class_folders_take_all_labels(tmp_path, top):
    fill(tmp_path, f"{top}a/1.png", f"{top}b/1.png", f"{top}1.png", "test/a/1.png")
    if not top:
        (tmp_path / "test/a/1.png").unlink()
    listing = list_folder(tmp_path)
    assert {item.label for item in listing.items} == {None}
    assert listing.notices == [
        "Some images lie beside the folders a, b: no image gets a label. Move them into a folder "
        "to train with labels."
    ]


def test_what_lies_beside_splits_is_counted(tmp_path):
    fill(tmp_path, "train/1.png", "test/1.png", "1.png", "extra/1.png", "extra/2.png")
    assert places(tmp_path) == {"test/1.png": (None, "test"), "train/1.png": (None, "train")}
    assert list_folder(tmp_path).skipped == {"beside the split folders": 3}


def test_everything_else_is_skipped_with_a_count(tmp_path):
    fill(tmp_path, "1.png", "2.JPG", "unknown.part", "nosuffix", ".hidden.png", "._1.png")
    fill(tmp_path, ".cache/1.png", "__MACOSX/1.png", "Thumbs.db", "desktop.ini", ".DS_Store")
    fill(tmp_path, "notes.txt", "labels.csv", "icon.svg", "photo.HEIC", "more.zip", "more.tar.gz")
    (tmp_path / "readme").write_text("words")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe.png")
    listing = list_folder(tmp_path)
    assert [item.name for item in listing.items] == ["1.png", "2.JPG", "nosuffix", "unknown.part"]
    assert all(item.read().mode == "L" for item in listing.items)
    assert listing.skipped == {
        "hidden": 4,
        "written by the operating system": 3,
        "not an image": 4,
        "of an image format that is not read": 2,
        "archives inside": 2,
        folders.SPECIAL: 1,
    }


def test_runs_in_the_folder_are_skipped(tmp_path):
    assert {names.CONFIG, names.RECORD} == folders.RUN_FILES
    fill(tmp_path, "1.png", "runs/a/samples.png", "runs/a/samples/1.png", "data/2.png")
    for path in ("runs/a/config.json", "runs/a/run.json", "data/config.json"):
        (tmp_path / path).write_text("{}")
    listing = list_folder(tmp_path)
    assert [item.name for item in listing.items] == ["1.png", "data/2.png"]
    assert listing.skipped == {folders.RUN: 1, "not an image": 1}
    found = list_folder(tmp_path / "runs" / "a").items
    assert [item.name for item in found] == ["samples.png", "samples/1.png"]


def test_a_zero_byte_image_is_bad_by_name(tmp_path):
    (tmp_path / "a.png").touch()
    (item,) = list_folder(tmp_path).items
    for read in (item.read, item.outline):
        with pytest.raises(BadImageError, match=r"^a\.png is empty: 0 bytes\.$"):
            read()


def test_each_real_image_is_listed_once(tmp_path):
    outside = fill(tmp_path / "outside", "o1.png", "deep/o2.png")
    fill(tmp_path / "z/data", "a/1.png", "b/2.png")
    (outside / "deep/back").symlink_to(outside)
    data = tmp_path / "z/data"
    links = {
        "a/0-same-file.png": data / "a/1.png",
        "a/linked.png": outside / "o1.png",
        "a/again.png": outside / "o1.png",
        "b/folder": outside,
        "b/folder-again": outside,
        "b/loop": data / "b",
        "b/up": tmp_path / "z",
        "b/root": Path("/"),
        "b/self": data / "b/self",
        "b/nowhere.png": data / "missing.png",
        "b/null.png": Path("/dev/null"),
        "b/notes.txt": data / "a/1.png",
    }
    for name, target in links.items():
        (data / name).symlink_to(target)
    listing = list_folder(data)
    assert {item.name: item.label for item in listing.items} == {
        "a/1.png": "a",
        "a/again.png": "a",
        "b/2.png": "b",
        "b/folder/deep/o2.png": "b",
    }
    assert listing.skipped == {
        folders.LINKED_FILE: 3,  # 0-same-file, linked, and o1 in the linked folder
        folders.LINKED_FOLDER: 5,  # folder-again, loop, up, root, back
        folders.DANGLING: 2,
        folders.SPECIAL: 1,
        "not an image": 1,
    }


def test_a_linked_data_folder_is_read(tmp_path):
    fill(tmp_path / "real", "a/1.png", "b/1.png")
    (tmp_path / "link").symlink_to("real")
    assert len(list_folder(tmp_path / "link").items) == 2


def test_hard_links_are_separate_images(tmp_path):
    fill(tmp_path, "a/1.png")
    (tmp_path / "b").mkdir()
    os.link(tmp_path / "a/1.png", tmp_path / "b/1.png")
    assert len(list_folder(tmp_path).items) == 2


ODD = (
    b"new\nline.png",
    b"[red]x[bold].png",
    b"bytes\xff\xfe.png",
    b"back\\slash.png",
    b"\\xff.png",
    b"\xff.png",
    b"\x1b[31m.png",
    "right\u202eto left.png".encode(),
    "é ü 画像.png".encode(),
    b"$%{}.png",
    b"-n.png",
    b" .png",
    b"x" * 251 + b".png",
)


def test_odd_names_are_shown_safely_and_stay_different(tmp_path):
    for number, name in enumerate(ODD):
        image = picture("L").resize((number + 1, 1))
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(encode(image, "PNG"))
    (tmp_path / os.fsdecode(b"class\n\xff")).mkdir()
    items = list_folder(tmp_path).items
    assert len({item.name for item in items}) == len(ODD)
    for item in items:
        assert item.name.isprintable()
        item.name.encode()
        assert "\x1b" not in item.name
    widths = {item.name: item.read().width for item in items}
    assert sorted(widths.values()) == list(range(1, len(ODD) + 1))
    assert widths["[red]x[bold].png"] == 2
    assert widths["new\\u000aline.png"] == 1
    assert widths["bytes\\xff\\xfe.png"] == 3
    assert widths["\\\\xff.png"] == 5
    assert widths["\\xff.png"] == 6


def test_classes_with_odd_names_are_printable(tmp_path):
    fill(tmp_path, "a\nb/1.png", "[bold]/1.png")
    assert {label for label, _ in places(tmp_path).values()} == {"a\\u000ab", "[bold]"}


def test_changed_and_vanished_files_end_training(tmp_path):
    fill(tmp_path, "changed.png", "gone.png", "pipe.png", "folder.png", "touched.png")
    items = {item.name: item for item in list_folder(tmp_path).items}
    (tmp_path / "changed.png").write_bytes(PNG + b"more")
    os.utime(tmp_path / "touched.png", ns=(1, 1))
    for name in ("gone.png", "pipe.png", "folder.png"):
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name, words in {
        "changed.png": "changed after it was listed",
        "touched.png": "changed after it was listed",
        "pipe.png": "changed after it was listed",
        "gone.png": "vanished after it was listed",
        "folder.png": "Is a directory",
    }.items():
        for read in (items[name].read, items[name].outline):
            with pytest.raises(DataError, match=words) as caught:
                read()
            assert not isinstance(caught.value, BadImageError)
            assert str(caught.value).startswith(name)


def test_stamps_change_with_the_file(tmp_path):
    fill(tmp_path, "a.png")
    (before,) = list_folder(tmp_path).items
    os.utime(tmp_path / "a.png", ns=(5, 5))
    (after,) = list_folder(tmp_path).items
    assert before.stamp != after.stamp
    assert after.stamp == f"{len(PNG)}:5"


@pytest.fixture
def open_folder():
    """A folder that every user may enter; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_what_may_not_be_read_is_skipped_with_a_count(open_folder):
    """As another user, since root may read everything."""
    data = fill(open_folder, "a/1.png", "a/secret.png", "b/1.png", "locked/1.png")
    (data / "a/secret.png").chmod(0)
    (data / "locked").chmod(0)
    code = """
import os, sys
from pathlib import Path
from vaecli.data.readers.folders import list_folder
if not os.getuid():
    os.setuid(65534)
listing = list_folder(Path(sys.argv[1]))
print([item.name for item in listing.items], dict(listing.skipped))
"""
    command = [sys.executable, "-c", code, str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (data / "locked").chmod(0o755)
    assert done.stdout == "['a/1.png', 'b/1.png'] {'unreadable': 2}\n"


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read the folder .*: No such file"):
        list_folder(tmp_path / "missing")


def test_a_deep_tree_needs_no_recursion(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    path = tmp_path
    for _ in range(300):
        path = path / "d"
    path.mkdir(parents=True)
    (path / "1.png").write_bytes(PNG)
    os.close(here)
    (item,) = list_folder(tmp_path).items
    assert item.label is None
    assert item.read().mode == "L"
