"""The class names of a run, read quickly, for completion.

Importing this module imports no torch.
"""

import json
from pathlib import Path

from ..data.class_names import check_class_names
from ..system.errors import VaecliError
from . import names
from .find import find_latest_run

MAX_HEAD_BYTES = 20_000_000  # of the JSON at the head of a safetensors file


def read_class_names(run_dir: Path | None) -> tuple[str, ...]:
    """The class names in a checkpoint, of which only the head is read and no checksum checked.

    Args:
        run_dir: A run directory or a checkpoint file; None for the newest run.

    Returns:
        The names; empty if there are none, or no checkpoint that can be read.
    """
    try:
        path = _checkpoint(run_dir)
        if path is None or not path.is_file():
            return ()
        header = json.loads(_head(path)["__metadata__"]["vaecli"])
        found = tuple(header.get("class_names", ()))
        if not all(isinstance(name, str) for name in found):
            return ()
        check_class_names(found, header["classes"])
    except (VaecliError, OSError, KeyError, TypeError, ValueError, RecursionError):
        return ()
    return found


def _checkpoint(run_dir: Path | None) -> Path | None:
    if run_dir is None:
        newest = find_latest_run()
        if newest is None:
            return None
        return newest.checkpoint
    if run_dir.is_dir():
        return run_dir / names.CHECKPOINT
    return run_dir


def _head(path: Path) -> dict[str, dict[str, str]]:
    """The JSON object at the head of a safetensors file; empty if it is too long."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEAD_BYTES:
            return {}
        found: dict[str, dict[str, str]] = json.loads(file.read(size))
    return found
