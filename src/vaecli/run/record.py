"""run.json: how a run was made and how it ended."""

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..system import files
from ..system.errors import RunError
from ..system.text import without_passwords
from ..system.version import __version__
from . import names

Status = Literal["running", "completed", "interrupted", "diverged", "failed"]
Number = Annotated[int, Field(ge=0, lt=2**64)]
MAX_BYTES = 1_000_000


class Stage(BaseModel):
    """A stage of training.

    Attributes:
        name: training, or fit: that of a prior to the latents of the trained model.
        prior: Spec of the prior that is trained or fitted in it.
        seconds: How long it took, that of all checkpoints in a fit; None if none of it has ended.
    """

    model_config = ConfigDict(frozen=True)

    name: Literal["training", "fit"]
    prior: str
    seconds: Annotated[float, Field(ge=0, le=1e10)] | None = None


class Origin(BaseModel):
    """The weights with which a run began.

    Attributes:
        run: Absolute path of the run directory or checkpoint file that they are from.
        checkpoint: Name of the file.
        sha256: That of the tensors taken; None before they are read, as for the next two.
        taken: How many tensors were taken.
        anew: Names of the tensors that began anew.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    checkpoint: str
    sha256: str | None = None
    taken: Number = 0
    anew: list[str] = []


class Record(BaseModel):
    """The contents of run.json.

    Attributes:
        reason: Why training ended before all epochs were done; None if it did not.
        device: Name of the device; None before training starts, as are `threads` and `parameters`.
        processes: How many trained together.
        devices: The device of each of them; empty before training starts.
        data: SHA-256 of each split.
        images: Number of images of each split; empty in runs of older versions.
        derived: Options in config.json that the user did not choose: they follow from the images.
        bad_images: Why images were left out that could not be read, the first 1000.
        caches: Folders of decoded images that are in the cache; empty if all are in memory.
        pid: Id of the last process that trained this run, on the machine `host`.
        rollbacks: How often training went back to a checkpoint after it diverged.
        stages: The stages of a run whose prior is fitted after training; empty for others.
        initialized_from: The run that gave it its first weights; None for random ones.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    status: Status
    reason: str | None = None
    argv: list[str]
    versions: dict[str, str]
    device: str | None = None
    threads: Number | None = None
    processes: Annotated[int, Field(ge=1)] = 1
    devices: list[str] = []
    seed: Number
    data: dict[str, str] = {}
    images: dict[str, Number] = {}
    derived: list[str] = []
    bad_images: list[str] = []
    caches: list[str] = []
    parameters: Number | None = None
    pid: Number | None = None
    host: str | None = None
    resumes: Number = 0
    rollbacks: Number = 0
    epochs_done: Number = 0
    stages: list[Stage] = []
    initialized_from: Origin | None = None
    started: AwareDatetime
    ended: AwareDatetime | None = None


def new_record(seed: int, origin: Origin | None = None) -> Record:
    """The record of a run that starts now, with random weights or those of its origin."""
    return Record(
        status="running",
        argv=list(map(without_passwords, sys.argv)),
        versions={"vaecli": __version__, "python": platform.python_version()},
        seed=seed,
        initialized_from=origin,
        started=datetime.now(UTC),
    )


def read_record(folder: Path) -> Record:
    """The record in a run directory.

    Raises:
        RunError: It is missing, or vaecli did not write it.
    """
    path = folder / names.RECORD
    try:
        return Record.model_validate(files.parse_json(files.read_file(path, MAX_BYTES)))
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    except ValidationError as error:
        if _has_other_schema(error):
            raise RunError(
                f"{path} is not written by vaecli, or by a newer one: its schema_version is not 1. "
                "If a newer vaecli wrote it, upgrade."
            ) from error
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its content"
        reason = f"{where}: {first['msg']}"
    except ValueError as error:
        reason = str(error)
    raise RunError(f"{path} is not written by vaecli: {reason}.")


def _has_other_schema(error: ValidationError) -> bool:
    return any(mistake["loc"] == ("schema_version",) for mistake in error.errors())


def write_record(folder: Path, record: Record) -> None:
    """Replace the record in a run directory."""
    text = record.model_dump_json(indent=2) + "\n"
    files.write_atomic(folder / names.RECORD, text.encode())
