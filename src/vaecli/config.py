"""What a run is: a flat, frozen record of strings and numbers, and the grammar of its parts.

A part is written `name` or `name:option=value,option=value`. The signature of its constructor is
its schema: what has a default is the user's to set.
"""

import difflib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, TypeVar, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from .errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
Count = Annotated[int, Ge(1), Lt(2**31)]  # what torch can index
Units = Annotated[int, Ge(1), Le(1_000_000)]  # in a hidden layer
Layers = Annotated[int, Ge(1), Le(1000)]
Components = Annotated[int, Ge(1), Le(100_000)]  # of a mixture
Weight = Annotated[float, Ge(0)]  # of a term in a loss

LARGEST_FILE = 1_000_000  # bytes
LONGEST = 10 * 365 * 24 * 3600  # seconds


class Doc(NamedTuple):
    """What the command line says of an option, and what stands for its value."""

    text: str
    placeholder: str | None = None


@dataclass(frozen=True)
class Config:
    """Every option that decides what is trained, on what, and how: the recipe of the seed report.

    An annotation holds the type of an option, its bounds, and what `vaecli train --help` says.
    `preset` is a name only: what it stands for is spelled out in the other fields.

    Raises:
        ConfigError: A value is not of its type, or out of bounds.
    """

    schema_version: Literal[1] = 1  # counts up when a key changes its meaning
    preset: Annotated[str, Doc("A published model; vaecli parts lists them.", "NAME")] = "vae"
    posterior: Annotated[str, Doc("q(z|x), as name:option=value,...", "SPEC")] = "gaussian"
    prior: Annotated[str, Doc("p(z), in the same form.", "SPEC")] = "normal"
    likelihood: Annotated[str, Doc("p(x|z), in the same form.", "SPEC")] = "bernoulli"
    objective: Annotated[str, Doc("What is minimised, in the same form.", "SPEC")] = "elbo"
    conditional: Annotated[bool, Doc("Give every part the label of its image.")] = False
    labels: Annotated[Count | None, Doc("Use N labels, as many of each class.", "N")] = None
    epochs: Annotated[Count, Doc("Passes over the training images, 1 or more.")] = 50
    batch_size: Annotated[Count, Doc("Images in a batch, 1 or more.")] = 128
    lr: Annotated[float, Gt(0), Doc("Learning rate, above 0.")] = 1e-3
    lr_schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        Doc("How the learning rate falls, to 0 at the end of the last epoch."),
    ] = "constant"
    warmup: Annotated[
        float, Ge(0), Lt(1), Doc("Part of the training in which the learning rate grows.", "PART")
    ] = 0.0
    optimizer: Annotated[str, Doc("adam, adamw or sgd, as name:option=value,...", "SPEC")] = "adam"
    latent_dim: Annotated[Count, Doc("Latent dimensions, 1 or more.")] = 20
    network: Annotated[str, Doc("Network, as name:option=value,...", "SPEC")] = (
        "mlp:width=400,depth=2,activation=relu,norm=none,output_bias=zero"
    )
    data: Annotated[str, Doc("mnist (there is one inside), fashion-mnist or kmnist.", "NAME")] = (
        "mnist"
    )
    data_dir: Annotated[str | None, Doc("Folder of MNIST-format files to read.", "DIR")] = None
    binarize: Annotated[
        Literal["none", "dynamic", "threshold"],
        Doc(
            "Make pixels black or white: at random (dynamic), or if brighter than half (threshold)."
        ),
    ] = "none"
    train_images: Annotated[Count | None, Doc("Use the first N training images only.", "N")] = None
    test_images: Annotated[Count | None, Doc("Use the first N test images only.", "N")] = None
    validation: Annotated[Count | None, Doc("Hold out the last N training images.", "N")] = None
    patience: Annotated[Count | None, Doc("End N epochs after the best one.", "N")] = None
    max_time: Annotated[str | None, Doc("Stop after 2h, 90m or 1h30m; resumable.", "TIME")] = None
    seed: Annotated[int, Ge(0), Lt(2**64), Doc("Seed of the random numbers, 0 or more.")] = 0
    device: Annotated[str, Doc("auto, cpu, cuda, cuda:N or mps.", "NAME")] = "auto"
    threads: Annotated[Count | None, Doc("Processor threads; else one for each core.", "N")] = None
    compile: Annotated[bool, Doc("Compile the objective: faster after half a minute.")] = False
    precision: Annotated[
        Literal["float32", "bf16"], Doc("Of products; bf16 wants a processor that is made for it.")
    ] = "float32"
    save_every: Annotated[Count | None, Doc("Keep a checkpoint every N epochs.", "N")] = None
    sample_every: Annotated[Count, Doc("Draw samples every N epochs.", "N")] = 1
    on_nan: Annotated[
        Literal["stop", "rollback"],
        Doc(
            "If the loss is no number: stop, or go back and halve the learning rate, up to 3 times."
        ),
    ] = "stop"

    def __post_init__(self) -> None:
        from pydantic import ValidationError

        for name, adapter in _adapters().items():
            value = getattr(self, name)
            try:
                if isinstance(value, str):
                    value.encode()
                object.__setattr__(self, name, adapter.validate_python(value))
            except UnicodeEncodeError:
                raise ConfigError("An option holds bytes that are not UTF-8 text.") from None
            except ValidationError as error:
                option = "--" + name.replace("_", "-")
                raise ConfigError(f"{option} {value}: {_reason(error)}.") from None
        if self.max_time is not None:
            seconds(self.max_time)
        if self.patience and not self.validation:
            raise ConfigError("--patience needs --validation N, the images to judge by.")

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """The configuration with these values, or a `ConfigError` about the first wrong one."""
        for name in values:
            lookup(cls.__dataclass_fields__, name, "configuration key")
        return cls(**values)


@cache
def _adapters() -> dict[str, "TypeAdapter[Any]"]:
    """What checks the value of each field."""
    from pydantic import ConfigDict, TypeAdapter

    strict = ConfigDict(strict=True, allow_inf_nan=False)
    hints = get_type_hints(Config, include_extras=True)
    return {name: TypeAdapter(hint, config=strict) for name, hint in hints.items()}


def seconds(duration: str) -> float:
    """`"1h30m"` to 5400.0; the units are d, h, m and s, and a plain number is of seconds."""
    units = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", duration, re.ASCII)
    if len(duration) > 20 or not units or not any(units.groups()):
        raise ConfigError(f"--max-time {duration}: write a time as 2h, 90m, 1h30m or 45s.")
    days, hours, minutes, rest = (int(n or 0) for n in units.groups())
    if not 0 < (time := ((days * 24 + hours) * 60 + minutes) * 60 + rest) < LONGEST:
        raise ConfigError(f"--max-time {duration}: a time must be above 0 and below 10 years.")
    return float(time)


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
    except (ValueError, RecursionError) as error:  # also not UTF-8, or a number of 5,000 digits
        raise ConfigError(f"{path} is not JSON: {error}.") from error
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
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(parameter.annotation, config=ConfigDict(allow_inf_nan=False))
        return adapter.validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"{where}: {parameter.name}={text}: {_reason(error)}.") from None


def _reason(error: "ValidationError") -> str:
    return error.errors()[0]["msg"].removeprefix("Input ")
