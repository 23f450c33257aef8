"""Names inside folders and archives: which are images, and which belong to a class or split."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ...system.text import JOINERS
from .item import SplitName

IMAGE_SUFFIXES = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".ico", ".tga", ".qoi"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".avif", ".avifs"),
}
OTHER_SUFFIXES = {  # not opened to see what they are
    *(".txt", ".md", ".rst", ".html", ".htm", ".css", ".js", ".json", ".jsonl", ".xml", ".yaml"),
    *(".yml", ".toml", ".ini", ".cfg", ".csv", ".tsv", ".xls", ".xlsx", ".doc", ".docx", ".log"),
    *(".py", ".ipynb", ".sh", ".m", ".c", ".cpp", ".h", ".npy", ".npz", ".mat", ".h5", ".hdf5"),
    *(".pkl", ".pickle", ".pt", ".pth", ".safetensors", ".parquet", ".tfrecord", ".lmdb", ".db"),
    *(".mp3", ".wav", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".bak", ".tmp", ".lock", ".md5"),
}
ARCHIVE_SUFFIXES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"}
FOREIGN_SUFFIXES = {  # pictures, in formats that are not read
    *(".svg", ".svgz", ".eps", ".ps", ".pdf", ".ai", ".psd", ".xcf", ".heic", ".heif", ".raw"),
    *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".exr", ".hdr", ".jxl", ".dcm"),
    *(".nii", ".fits", ".pcx", ".sgi", ".wmf", ".emf", ".xpm", ".xbm", ".dds", ".icns", ".cur"),
}
SIGNATURES = (  # of the formats that are read
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"\0\0\1\0", b"qoif"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
)
PORTABLE_MAP = re.compile(rb"P[1-6f]\s+[\d#]")
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
SYSTEM_NAMES = {"__MACOSX", "Thumbs.db", "desktop.ini", "Desktop.ini", "$RECYCLE.BIN", "@eaDir"}

HIDDEN = "hidden"
SYSTEM = "written by the operating system"
NOT_AN_IMAGE = "not an image"
FOREIGN = "of an image format that is not read"
ARCHIVE = "archives inside"
BESIDE_SPLITS = "beside the split folders"
SPLITS: dict[str, SplitName] = {
    "train": "train",
    "valid": "validation",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}


class Place(NamedTuple):
    """What the folders of an image say about it; `skipped` is why it does not count, or empty."""

    label: str | None
    split: SplitName | None
    skipped: str = ""


def ignored(name: str) -> str:
    """Why a file or folder of this name is skipped unseen; empty if it is not."""
    if name.startswith("."):
        return HIDDEN
    return SYSTEM if name in SYSTEM_NAMES else ""


def not_an_image(name: str) -> str | None:
    """Why a file of this name is skipped, empty if it is an image; None if its bytes must tell."""
    _, dot, end = name.rpartition(".")
    suffix = f"{dot}{end}".lower()
    if suffix in IMAGE_SUFFIXES:
        return ""
    if suffix in ARCHIVE_SUFFIXES:
        return ARCHIVE
    if suffix in FOREIGN_SUFFIXES:
        return FOREIGN
    return NOT_AN_IMAGE if suffix in OTHER_SUFFIXES else None


def not_an_image_by_head(head: bytes) -> str:
    """Why a file that begins with these `HEAD_BYTES` bytes is skipped; empty if it is an image."""
    is_image = (
        head.startswith(SIGNATURES)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in AVIF_BRANDS)
        or PORTABLE_MAP.match(head)
    )
    return "" if is_image else NOT_AN_IMAGE


def printable(name: str) -> str:
    r"""A file name as messages show it; different names stay different.

    Bytes that are no text are written as `\xff`, control characters as `\u000a`, and a backslash
    as two.
    """
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(_printable(character) for character in name)


def _printable(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    is_unsafe = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return f"\\u{ord(character):04x}" if is_unsafe and character not in JOINERS else character


class Layout:
    """Which class and split each image has, by the folders that it is in.

    A folder that contains all others, alone, says nothing and is left out. Folders named `train`,
    `test`, `val`, `valid` or `validation` are splits if there are no others beside them, or if at
    least two of them are. The folders below are classes, and deeper ones belong to theirs. Without
    classes there is no label: a single one is none, and neither are several if there are images
    beside them.

    Args:
        names: Relative paths of all images, with `/`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        self.start = _common_folders(names)
        tops = _top_folders(names, self.start)
        found = {top for top in tops if top.lower() in SPLITS}
        self.splits = found if len(found) >= 2 or tops == found else set()
        self.notices: list[str] = []
        if len(found) == 1 and not self.splits and "" not in tops:
            self.notices.append(
                f"The folder {printable(found.pop())} is read as a class: no other split folder is "
                "beside it."
            )
        if self.splits:
            names = [
                name[self.start + len(top) + 1 :]
                for name in names
                if (top := name[self.start :].partition("/")[0]) in self.splits
            ]
            self.below = _common_folders(names)
            tops = _top_folders(names, self.below)
        else:
            self.below = self.start
            if any(_is_split_in_class(name, self.start) for name in names):
                self.notices.append(
                    "Folders named train or test inside the classes are not read as splits: put "
                    "them above the classes, as in train/cats."
                )
        self.classes = {top: printable(top) for top in tops} if "" not in tops else {}
        if "" in tops and len(tops) > 1:
            self.notices.append(
                f"Some images lie beside the folders {_some(tops - {''})}: no image gets a label. "
                "Move them into a folder to train with labels."
            )

    def place(self, name: str) -> Place:
        """The class and split of an image, given its relative path."""
        split = None
        start = self.below
        if self.splits:
            top = name[self.start :].partition("/")[0]
            if top not in self.splits:
                return Place(None, None, BESIDE_SPLITS)
            split = SPLITS[top.lower()]
            start += self.start + len(top) + 1
        folder = name[start:].partition("/")[0]
        return Place(self.classes.get(folder), split)


def _common_folders(names: list[str]) -> int:
    """Length of the leading folders that all names share, up to splits."""
    start = 0
    while names:
        first = names[0][start:].partition("/")
        prefix = names[0][:start] + first[0] + "/"
        if not first[1] or first[0].lower() in SPLITS:
            break
        if not all(name.startswith(prefix) for name in names):
            break
        start = len(prefix)
    return start


def _top_folders(names: list[str], start: int) -> set[str]:
    """The first folder after `start` in each name; an empty one for an image beside them."""
    found = set()
    for name in names:
        end = name.find("/", start)
        found.add(name[start:end] if end >= 0 else "")
    return found


def _is_split_in_class(name: str, start: int) -> bool:
    """Whether the folder below the class is named as a split."""
    folders = name[start:].split("/", 2)
    return len(folders) == 3 and folders[1].lower() in SPLITS


def _some(names: Iterable[str]) -> str:
    """The first three names."""
    shown = sorted(map(printable, names))
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


def describe(skipped: Counter[str]) -> str:
    """Counts by reason, such as "3 hidden, 1 not an image"."""
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(skipped.items()))
