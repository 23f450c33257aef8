"""study.json: what a study searches, and its result."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...config.config import Config
from ...system import files
from ...system.errors import RunError
from ...system.version import __version__

STUDY = "study.json"
MAX_BYTES = 1_000_000
Number = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[int, Field(ge=1, lt=2**31)]


class TestResult(BaseModel):
    """Metrics of the best trial on the test set.

    Attributes:
        trial: Number of the trial.
        images: Test images.
        metrics: Their means by name, in the units of `METRIC_UNITS`.
    """

    model_config = ConfigDict(frozen=True)

    trial: Number
    images: Positive
    metrics: dict[str, float]


class StudyRecord(BaseModel):
    """The contents of study.json.

    Attributes:
        name: Name of the study in its storage.
        external: Whether the storage is a database, and not the journal in the folder.
        trials: How many trials the study shall have, over all workers and restarts.
        metric: What trials are compared by on the validation images, in nats per image.
        search: Range of each option by name, as text.
        is_default_search: Whether the user named no range.
        validation: Training images that are held out because the user held out none; else None.
        config: What the trials have in common, as the user chose it.
        finished: Whether all trials have ended and the test set has been read.
        test: Result of the best trial on the test set; None before the end.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    vaecli: str = __version__
    name: str
    external: bool = False
    trials: Positive
    metric: Literal["loss", "distortion", "negative_elbo"]
    search: Annotated[dict[str, str], Field(min_length=1)]
    is_default_search: bool
    validation: Positive | None = None
    config: dict[str, Any]
    finished: bool = False
    test: TestResult | None = None

    def base(self) -> Config:
        """The configuration that each trial changes; it is not resolved.

        Raises:
            ConfigError: A value is wrong.
        """
        config = Config.from_values(self.config)
        return with_validation(config, self.validation)


def with_validation(config: Config, held_out: int | None) -> Config:
    """The configuration with validation images that the user did not ask for; None for none."""
    if held_out is None:
        return config
    return config.with_values(validation=held_out)


def read_study(folder: Path) -> StudyRecord:
    """The record in the folder of a study.

    Raises:
        RunError: It is missing, or vaecli did not write it.
    """
    path = folder / STUDY
    try:
        return StudyRecord.model_validate(files.parse_json(files.read_file(path, MAX_BYTES)))
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its content"
        raise RunError(f"{path} is not written by vaecli: {where}: {first['msg']}.") from error
    except ValueError as error:
        raise RunError(f"{path} is not written by vaecli: {error}.") from error


def write_study(folder: Path, record: StudyRecord) -> None:
    """Replace the record in the folder of a study."""
    text = record.model_dump_json(indent=2) + "\n"
    files.write_atomic(folder / STUDY, text.encode())
