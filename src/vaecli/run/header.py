"""The JSON header of a checkpoint, checked before anything is built from it."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from ..config.config import Config
from ..system.errors import ConfigError, RunError
from ..training.epoch import Epoch

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, le=100_000)]  # pixels or channels: their products can be counted


class Position(BaseModel):
    """How far the epoch in progress was; see `training.State.position`."""

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
    """What `RunWriter` writes beside the tensors.

    Attributes:
        format: Rises when an older vaecli cannot read a checkpoint.
        readable_by: The oldest version of vaecli that reads this format.
        vaecli: The version that wrote the checkpoint.
        shape: Of the images, (C, H, W).
        classes: Number of labels; 0 for none.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[2]
    readable_by: str
    vaecli: str
    config: Annotated[Config, PlainValidator(_read_config)]
    shape: tuple[Size, Size, Size]
    classes: Annotated[int, Field(ge=0, le=100_000)] = 0
    history: list[Epoch]
    position: Position

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """The header of the checkpoint at `path`.

        Raises:
            RunError: About its first mistake.
        """
        try:
            header = cls.model_validate(values)
            for epoch in header.history:
                for means in (epoch.train, epoch.test, epoch.valid or epoch.train):
                    if "loss" not in means:
                        raise ConfigError("an epoch of its history has no loss.")
        except ConfigError as error:
            raise RunError(f"{path} has a broken header: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(f"{path} has a broken header: {where}: {first['msg']}.") from None
        return header
