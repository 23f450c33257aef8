"""The JSON header of a checkpoint, validated before a model is built from it."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from ..config.config import Config
from ..data.class_names import MAX_CHARACTERS, check_class_names
from ..system.errors import ConfigError, DataError, RunError
from ..training.epoch import Epoch
from .history import MAX_MEAN

MAX_SECONDS = 1e10  # 300 years
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Size = Annotated[int, Field(ge=1, le=100_000)]  # pixels or channels: products fit into int64

ClassName = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]


class Position(BaseModel):
    """The progress of the epoch when it was saved; see `training.State.position`."""

    model_config = ConfigDict(extra="forbid")

    batch: Count
    seconds: Seconds
    names: tuple[str, ...]
    images: Count
    rollbacks: Annotated[int, Field(ge=0, le=10)] = 0


def _read_config(values: object) -> Config:
    if not isinstance(values, dict):
        raise ValueError("should be an object of options")
    return Config.from_values(values)


class Header(BaseModel):
    """The header that `RunWriter` writes with the tensors.

    Attributes:
        format: Version of the format, `checkpoint.FORMAT`.
        readable_by: The oldest version of vaecli that reads this format.
        vaecli: The version that wrote the checkpoint.
        shape: Shape of an image, (C, H, W).
        classes: Number of labels; 0 for none.
        class_names: Names of the classes; absent if they have none but their numbers.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[2]
    readable_by: str
    vaecli: str
    config: Annotated[Config, PlainValidator(_read_config)]
    shape: tuple[Size, Size, Size]
    classes: Annotated[int, Field(ge=0, le=100_000)] = 0
    class_names: tuple[ClassName, ...] = ()
    history: list[Epoch]
    position: Position

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """The header of the checkpoint at `path`.

        Raises:
            RunError: A value is missing or wrong; the message names the first.
        """
        try:
            header = cls.model_validate(values)
            check_class_names(header.class_names, header.classes)
            _check_position(header.position)
            for number, epoch in enumerate(header.history, 1):
                _check_epoch(epoch, number)
        except (ConfigError, DataError) as error:
            raise RunError(f"{path} has a broken header: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(f"{path} has a broken header: {where}: {first['msg']}.") from None
        return header


def _check_position(position: Position) -> None:
    """Raise `ConfigError` unless the parts of a position agree."""
    if not bool(position.batch) == bool(position.images) == bool(position.names):
        raise ConfigError("its position has some of batch, images and names, but not all.")
    if position.names:
        _require_terms(position.names, "its position")


def _check_epoch(epoch: Epoch, number: int) -> None:
    """Raise `ConfigError` unless an epoch of the history can be the one with this number."""
    if epoch.number != number:
        raise ConfigError(f"epoch {number} of its history has the number {epoch.number}.")
    if max(epoch.train_seconds, epoch.test_seconds) > MAX_SECONDS:
        raise ConfigError(f"epoch {number} of its history took more than 300 years.")
    for means in (epoch.train, epoch.test, epoch.valid or epoch.train):
        _require_terms(means, f"epoch {number} of its history")
        for name, mean in means.items():
            if abs(mean) > MAX_MEAN:
                raise ConfigError(f"epoch {number} of its history has a {name} of {mean}.")


def _require_terms(names: Collection[str], where: str) -> None:
    for term in ("loss", "distortion"):
        if term not in names:
            raise ConfigError(f"{where} has no {term}.")
