import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, get_type_hints

from annotated_types import Ge, Gt, Lt

from ..system.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
from ..parts.ranges import Count
from .spec import _reason, lookup

LARGEST_FILE = 1_000_000  # bytes


LONGEST = 10 * 365 * 24 * 3600  # seconds


class OptionHelp(NamedTuple):
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
    preset: Annotated[str, OptionHelp("A published model; vaecli parts lists them.", "NAME")] = (
        "vae"
    )
    posterior: Annotated[str, OptionHelp("q(z|x), as name:option=value,...", "SPEC")] = "gaussian"
    prior: Annotated[str, OptionHelp("p(z), in the same form.", "SPEC")] = "normal"
    likelihood: Annotated[str, OptionHelp("p(x|z), in the same form.", "SPEC")] = "bernoulli"
    objective: Annotated[str, OptionHelp("What is minimised, in the same form.", "SPEC")] = "elbo"
    conditional: Annotated[bool, OptionHelp("Give every part the label of its image.")] = False
    labels: Annotated[Count | None, OptionHelp("Use N labels, as many of each class.", "N")] = None
    epochs: Annotated[Count, OptionHelp("Passes over the training images, 1 or more.")] = 50
    batch_size: Annotated[Count, OptionHelp("Images in a batch, 1 or more.")] = 128
    lr: Annotated[float, Gt(0), OptionHelp("Learning rate, above 0.")] = 1e-3
    lr_schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        OptionHelp("How the learning rate falls, to 0 at the end of the last epoch."),
    ] = "constant"
    lr_warmup: Annotated[
        float,
        Ge(0),
        Lt(1),
        OptionHelp("Part of the training in which the learning rate grows.", "PART"),
    ] = 0.0
    optimizer: Annotated[
        str, OptionHelp("adam, adamw or sgd, as name:option=value,...", "SPEC")
    ] = "adam"
    latent_dim: Annotated[Count, OptionHelp("Latent dimensions, 1 or more.")] = 20
    network: Annotated[str, OptionHelp("Network, as name:option=value,...", "SPEC")] = (
        "mlp:width=400,depth=2,activation=relu,norm=none,output_bias=zero"
    )
    data: Annotated[
        str, OptionHelp("mnist (there is one inside), fashion-mnist or kmnist.", "NAME")
    ] = "mnist"
    data_dir: Annotated[str | None, OptionHelp("Folder of MNIST-format files to read.", "DIR")] = (
        None
    )
    binarize: Annotated[
        Literal["none", "dynamic", "threshold"],
        OptionHelp(
            "Make pixels black or white: at random (dynamic), or if brighter than half (threshold)."
        ),
    ] = "none"
    train_images: Annotated[
        Count | None, OptionHelp("Use the first N training images only.", "N")
    ] = None
    test_images: Annotated[Count | None, OptionHelp("Use the first N test images only.", "N")] = (
        None
    )
    validation: Annotated[Count | None, OptionHelp("Hold out the last N training images.", "N")] = (
        None
    )
    patience: Annotated[Count | None, OptionHelp("End N epochs after the best one.", "N")] = None
    max_time: Annotated[
        str | None, OptionHelp("Stop after 2h, 90m or 1h30m; resumable.", "TIME")
    ] = None
    seed: Annotated[int, Ge(0), Lt(2**64), OptionHelp("Seed of the random numbers, 0 or more.")] = 0
    device: Annotated[str, OptionHelp("auto, cpu, cuda, cuda:N or mps.", "NAME")] = "auto"
    threads: Annotated[
        Count | None, OptionHelp("Processor threads; else one for each core.", "N")
    ] = None
    compile: Annotated[bool, OptionHelp("Compile the objective: faster after half a minute.")] = (
        False
    )
    precision: Annotated[
        Literal["float32", "bf16"],
        OptionHelp("Of products; bf16 wants a processor that is made for it."),
    ] = "float32"
    save_every: Annotated[Count | None, OptionHelp("Keep a checkpoint every N epochs.", "N")] = None
    sample_every: Annotated[Count, OptionHelp("Draw samples every N epochs.", "N")] = 1
    on_nan: Annotated[
        Literal["stop", "rollback"],
        OptionHelp(
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
            parse_duration(self.max_time)
        if self.patience and not self.validation:
            raise ConfigError("--patience needs --validation N, the images to judge by.")

    def to_json(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
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


def parse_duration(duration: str) -> float:
    """`"1h30m"` to 5400.0; the units are d, h, m and s, and a plain number is of seconds."""
    units = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", duration, re.ASCII)
    if len(duration) > 20 or not units or not any(units.groups()):
        raise ConfigError(f"--max-time {duration}: write a time as 2h, 90m, 1h30m or 45s.")
    days, hours, minutes, rest = (int(n or 0) for n in units.groups())
    if not 0 < (time := ((days * 24 + hours) * 60 + minutes) * 60 + rest) < LONGEST:
        raise ConfigError(f"--max-time {duration}: a time must be above 0 and below 10 years.")
    return float(time)


def read_options_file(path: Path) -> dict[str, Any]:
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
