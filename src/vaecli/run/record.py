"""run.json: how a run was made and how it fared."""

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..system import files
from ..system.errors import RunError
from ..system.version import __version__
from . import names


class Record(BaseModel):
    """What run.json says."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    status: Literal["running", "completed", "interrupted", "diverged", "failed"]
    reason: str | None = None  # why it stopped early
    argv: list[str]
    versions: dict[str, str]
    device: str | None = None  # this and the next are known once torch is there
    threads: int | None = None
    seed: int
    data: dict[str, str] = {}  # the SHA-256 of each split
    parameters: int | None = None
    pid: int | None = None  # of the process that trains or trained last
    host: str | None = None
    resumes: int = 0
    rollbacks: int = 0  # of trainings that diverged
    epochs_done: int = 0
    started: datetime
    ended: datetime | None = None


def begin(folder: Path, seed: int) -> None:
    """Write the record of a run that this process begins."""
    versions = {"vaecli": __version__, "python": platform.python_version()}
    now = datetime.now(UTC)
    write(
        folder, Record(status="running", argv=sys.argv, versions=versions, seed=seed, started=now)
    )


def read(folder: Path) -> Record:
    """The record in a folder.

    Raises:
        RunError: It is missing or not vaecli's.
    """
    try:
        return Record.model_validate_json((folder / names.RECORD).read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"{folder / names.RECORD} is missing or not written by vaecli.") from error


def write(folder: Path, record: Record) -> None:
    """Replace the record in a folder."""
    files.write_atomic(folder / names.RECORD, (record.model_dump_json(indent=2) + "\n").encode())
