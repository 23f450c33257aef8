"""`Config.data` is the name of a data set, or the path of the user's own images."""

import os
import re
from pathlib import Path

LONGEST_NAME = 40


def is_path(data: str) -> bool:
    """Whether this is a path, and not the name of a data set: names have no separator."""
    return any(separator in data for separator in (os.sep, os.altsep) if separator)


def absolute(data: str) -> str:
    """A path as an absolute one, with the home folder for `~`; a name as it is."""
    return os.path.abspath(os.path.expanduser(data)) if is_path(data) else data


def existing_path(data: str) -> str:
    """The absolute path of what exists under this name, else the name as it is.

    Users meet it on the command line only: a folder there comes before a data set of its name. A
    stored name stays a name, whatever lies in the folder of the day.
    """
    return os.path.abspath(data) if not is_path(data) and os.path.exists(data) else data


def short_name(data: str) -> str:
    """A name for titles and run directories: that of a data set, or of the file or folder."""
    path = Path(data)
    name = path.name if os.path.isdir(path) else path.stem  # Path.is_dir raises for long names
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:LONGEST_NAME].strip(".-_") or "images"
