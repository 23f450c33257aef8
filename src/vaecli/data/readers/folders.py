"""A folder of images, nested or flat."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...system.errors import DataError
from . import files
from .entries import Layout, ignored, printable
from .item import Listing

SPECIAL = "devices, pipes or sockets"
UNREADABLE = "unreadable"
DANGLING = "links that lead nowhere"
LINKED_FILE = "links to images that are listed already"
RUN = "runs of vaecli"
RUN_FILES = {"config.json", "run.json"}  # of every run directory
LINKED_FOLDER = "links to folders that are read already"


def list_folder(folder: Path) -> Listing:
    """The images in a folder and in those below; `entries.Layout` finds classes and splits.

    Every image is listed once, even if symbolic links lead to it again. A link to a folder is
    followed once, and not if that folder contains the data set.

    Args:
        folder: The folder.

    Raises:
        DataError: It cannot be read.
    """
    walk = _Walk(folder)
    found = sorted(walk.images())
    layout = Layout(name for name, _ in found)
    items = []
    for name, stamp in found:
        place = layout.place(name)
        if place.skipped:
            walk.skipped[place.skipped] += 1
        else:
            file = files.ImageFile(walk.root, name, printable(name), stamp)
            items.append(file.item(place.label, place.split))
    return Listing(items, walk.skipped, layout.notices)


class _Walk:
    """The image files of a folder tree.

    Args:
        folder: The top of the tree.

    Attributes:
        root: The same.
        skipped: How many entries are no images, by the reason.
    """

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self.skipped: Counter[str] = Counter()
        self._folders: set[int] = set()  # identities of those read
        self._files: set[int] = set()  # of those listed
        self._links: list[str] = []  # not followed yet
        try:
            os.scandir(folder).close()
            real = folder.resolve()
        except OSError as error:
            shown = printable(self.root)
            raise DataError(f"Cannot read the folder {shown}: {error.strerror}.") from error
        self._above: set[int] = set()
        for path in real.parents:
            with suppress(OSError):  # one that may not be looked at
                self._above.add(_identity(os.stat(path)))

    def images(self) -> Iterator[tuple[str, str]]:
        """The relative path and the stamp of each image.

        Links come last, so that an image in the folder itself keeps its own name.
        """
        for name, info in self._tree(""):
            self._files.add(_identity(info))
            yield name, files.stamp(info)
        while self._links:
            links = sorted(self._links)
            self._links = []
            for link in links:
                for name, info in self._target(link):
                    if _identity(info) in self._files:
                        self.skipped[LINKED_FILE] += 1
                    else:
                        self._files.add(_identity(info))
                        yield name, files.stamp(info)

    def _tree(self, top: str) -> Iterator[tuple[str, os.stat_result]]:
        """The image files in a folder and below, but for links; `top` is empty or ends with /."""
        waiting = [top]
        while waiting:
            prefix = waiting.pop()
            for entry in self._scan(prefix):
                name = prefix + entry.name
                if reason := ignored(entry.name):
                    self.skipped[reason] += 1
                elif entry.is_symlink():
                    self._links.append(name)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif not entry.is_file(follow_symlinks=False):
                    self.skipped[SPECIAL] += 1
                elif info := self._image(name, entry):
                    yield name, info

    def _scan(self, prefix: str) -> list[os.DirEntry[str]]:
        """The entries of a folder; none if it was read before, is unreadable, or is a run."""
        path = f"{self.root}/{prefix}"
        try:
            identity = _identity(os.stat(path))
            if identity in self._folders:
                self.skipped[LINKED_FOLDER] += 1
                return []
            with os.scandir(path) as entries:
                found = list(entries)
        except OSError:
            self.skipped[UNREADABLE] += 1
            return []
        self._folders.add(identity)
        if prefix and {entry.name for entry in found} >= RUN_FILES:
            # trained in the folder of the images, it would add its own pictures to them
            self.skipped[RUN] += 1
            return []
        return found

    def _image(self, name: str, entry: os.DirEntry[str]) -> os.stat_result | None:
        """The state of a file that is an image; None if it is skipped."""
        path = f"{self.root}/{name}"
        try:
            if reason := files.why_skipped(path, entry.name):
                self.skipped[reason] += 1
                return None
            info = entry.stat(follow_symlinks=False)
            if not info.st_ino:  # Windows
                info = os.stat(path)
        except OSError:
            self.skipped[UNREADABLE] += 1
            return None
        if not os.access(path, os.R_OK):
            self.skipped[UNREADABLE] += 1
            return None
        return info

    def _target(self, name: str) -> Iterator[tuple[str, os.stat_result]]:
        """The images that a symbolic link leads to."""
        path = f"{self.root}/{name}"
        try:
            info = os.stat(path)
            if stat.S_ISREG(info.st_mode):
                reason = files.why_skipped(path, name)
                if not reason and not os.access(path, os.R_OK):
                    reason = UNREADABLE
                if reason:
                    self.skipped[reason] += 1
                else:
                    yield name, info
                return
        except OSError:  # also a loop of links
            self.skipped[DANGLING] += 1
            return
        if not stat.S_ISDIR(info.st_mode):
            self.skipped[SPECIAL] += 1
        elif _identity(info) in self._above:
            self.skipped[LINKED_FOLDER] += 1
        else:
            yield from self._tree(f"{name}/")


def _identity(info: os.stat_result) -> int:
    """One number for device and inode."""
    return info.st_dev << 64 | info.st_ino
