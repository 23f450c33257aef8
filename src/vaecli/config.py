"""What a run is: a flat, frozen record of strings and numbers, and the grammar of its parts.

A part is written `name` or `name:option=value,option=value`. The signature of its constructor is
its schema: what has a default is the user's to set.
"""

import difflib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from . import defaults
from .errors import ConfigError

T = TypeVar("T")
Count = Annotated[int, Field(ge=1, lt=2**31)]  # what torch can index
Units = Annotated[int, Field(ge=1, le=1_000_000)]  # in a hidden layer
Layers = Annotated[int, Field(ge=1, le=1000)]
Components = Annotated[int, Field(ge=1, le=100_000)]  # of a mixture
Weight = Annotated[float, Field(ge=0)]  # of a term in a loss

LARGEST_FILE = 1_000_000  # bytes


def seconds(duration: str) -> float:
    """`"1h30m"` to 5400.0; the units are d, h, m and s, and a plain number is of seconds."""
    units = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", duration, re.ASCII)
    if not units or not any(units.groups()):
        raise ValueError("write a time as 2h, 90m, 1h30m or 45s")
    days, hours, minutes, rest = (int(n or 0) for n in units.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


def _duration(text: str) -> str:
    if not 0 < seconds(text) < LONGEST:
        raise ValueError("a time must be above 0 and below 10 years")
    return text


LONGEST = 10 * 365 * 24 * 3600  # seconds
Duration = Annotated[str, Field(max_length=20), AfterValidator(_duration)]


class Config(BaseModel):
    """Every option that decides what is trained, on what, and how.

    `preset` is a name only: what it stands for is spelled out in the other fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    schema_version: Literal[1] = 1  # counts up when a key changes its meaning
    preset: str = defaults.PRESET
    posterior: str = defaults.POSTERIOR
    prior: str = defaults.PRIOR
    likelihood: str = defaults.LIKELIHOOD
    objective: str = defaults.OBJECTIVE
    network: str = defaults.NETWORK
    latent_dim: Count = defaults.LATENT_DIM
    conditional: bool = False  # every part is given the label
    labels: Count | None = None  # so many training images keep theirs
    data: str = defaults.DATA
    data_dir: str | None = None
    train_images: Count | None = None  # the first so many; None for all
    test_images: Count | None = None
    binarize: Literal["none", "dynamic", "threshold"] = "none"
    validation: Count | None = None  # the last so many training images are held out
    epochs: Count = defaults.EPOCHS
    batch_size: Count = defaults.BATCH_SIZE  # images
    lr: Annotated[float, Field(gt=0)] = defaults.LR
    optimizer: str = defaults.OPTIMIZER
    seed: Annotated[int, Field(ge=0, lt=2**64)] = defaults.SEED
    device: str = defaults.DEVICE
    patience: Count | None = None  # epochs without a lower validation loss
    max_time: Duration | None = None
    save_every: Count | None = None  # epochs
    sample_every: Count = defaults.SAMPLE_EVERY  # epochs
    on_nan: Literal["stop", "rollback"] = "stop"

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """The configuration with these values, or a `ConfigError` about the first wrong one."""
        for name in values:
            lookup(cls.model_fields, name, "configuration key")
        try:
            json.dumps(values, ensure_ascii=False).encode()
            config = cls(**values)
        except UnicodeEncodeError:
            raise ConfigError("An option holds bytes that are not UTF-8 text.") from None
        except ValidationError as error:
            first = error.errors()[0]
            option = "--" + str(first["loc"][0]).replace("_", "-")
            reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
            raise ConfigError(f"{option} {first['input']}: {reason}.") from None
        if config.patience and not config.validation:
            raise ConfigError("--patience needs --validation N, the images to judge by.")
        return config


def read(path: Path) -> dict[str, Any]:
    """The values in a JSON file such as a run's config.json."""
    try:
        if not path.is_file():
            raise ConfigError(f"Cannot read the configuration {path}: there is no such file.")
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{path} is no configuration: it has over {LARGEST_FILE:,} bytes.")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration {path}: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path} is not JSON: {error.msg} at {at}.") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or a number of 5,000 digits
        raise ConfigError(f"{path} is not JSON text.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold one JSON object of options, as a run's config.json.")
    return values


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry called `name`, or a `ConfigError` that offers the nearest names."""
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"Unknown {kind} {name!r}.{hint} Choose from: {', '.join(table)}.")


def schema(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The options of a part by name: the parameters of its constructor that have a default."""
    parameters = inspect.signature(part, eval_str=True).parameters
    return {name: p for name, p in parameters.items() if p.default is not p.empty}


def choose(
    spec: str, table: Mapping[str, Callable[..., T]], kind: str
) -> tuple[Callable[..., T], dict[str, Any]]:
    """`"mlp:width=64"` to `(MLP, {"width": 64, "depth": 2})`, with every option filled in."""
    name, _, rest = spec.partition(":")
    part = lookup(table, name, kind)
    known = schema(part)
    options = {name: parameter.default for name, parameter in known.items()}
    for item in rest.split(",") if rest else []:
        option, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"{kind} {spec!r}: write {item!r} as option=value.")
        if not known:
            raise ConfigError(f"{kind} {spec!r}: {name} takes no options.")
        parameter = lookup(known, option, f"option of {name}")
        options[option] = _convert(text, parameter, f"{kind} {spec!r}")
    return part, options


def spell(spec: str, options: Mapping[str, Any]) -> str:
    """The spec with all its options written out: `"mlp"` to `"mlp:width=400,depth=2"`."""
    name = spec.partition(":")[0]
    written = ",".join(f"{option}={value}" for option, value in options.items())
    return f"{name}:{written}" if written else name


def _convert(text: str, parameter: inspect.Parameter, where: str) -> Any:
    try:
        adapter = TypeAdapter(parameter.annotation, config=ConfigDict(allow_inf_nan=False))
        return adapter.validate_python(text)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Input ")
        raise ConfigError(f"{where}: {parameter.name}={text}: {reason}.") from None
