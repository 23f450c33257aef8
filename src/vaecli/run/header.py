"""The JSON header of a checkpoint, validated before a model is built from it."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from ..config.config import Config
from ..system.errors import ConfigError, RunError
from ..training.epoch import Epoch

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, le=100_000)]  # pixels or channels: products fit into int64


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
            RunError: A value is missing or wrong; the message names the first.
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
