"""The JSON header of a checkpoint: what it must hold before anything is built from it."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..config.config import Config
from ..system.errors import ConfigError, RunError
from ..training.epoch import Epoch

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, le=100_000)]  # pixels or channels: their products can be counted


class Position(BaseModel):
    """Where in its epoch training stopped, as `training.State.position` says it."""

    model_config = ConfigDict(extra="forbid")

    batch: Count
    seconds: Seconds
    names: tuple[str, ...]
    images: Count
    rollbacks: Annotated[int, Field(ge=0, le=10)] = 0


class Header(BaseModel):
    """What `Run.save` writes beside the tensors."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    vaecli: str
    config: dict[str, Any]
    shape: tuple[Size, Size, Size]
    classes: Annotated[int, Field(ge=0, le=100_000)] = 0
    history: list[Epoch]
    position: Position

    @classmethod
    def checked(cls, values: dict[str, Any], path: Path) -> Self:
        """The header of the checkpoint at `path`, or a `RunError` about its first flaw."""
        try:
            header = cls.model_validate(values)
            Config.from_values(header.config)
            means = [m for e in header.history for m in (e.train, e.test, e.valid or e.train)]
            if not all("loss" in m for m in means):
                raise ConfigError("an epoch of its history has no loss.")
        except ConfigError as error:
            raise RunError(f"{path} has a broken header: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(f"{path} has a broken header: {where}: {first['msg']}.") from None
        return header
