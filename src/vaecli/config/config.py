"""`Config`: the options of a run, their validation, and their form in JSON."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from annotated_types import Ge, Gt, Lt

from ..parts.ranges import Count
from ..system.errors import ConfigError
from . import aliases
from .data_paths import is_path
from .durations import parse_duration
from .image_sizes import format_image_size, parse_image_size
from .spec import Spec, lookup, parse_spec
from .validation import validate

PART_KINDS = (
    "posterior",
    "prior",
    "likelihood",
    "objective",
    "network",
    "optimizer",
    "fitted_prior",
)

# Incremented when older releases could no longer read a configuration correctly.
SCHEMA_VERSION: Final = 2


class OptionHelp(NamedTuple):
    """Help text of a command line option, and the placeholder of its value."""

    text: str
    placeholder: str | None = None


@aliases.accept_old_names
@dataclass(frozen=True)
class Config:
    """Every option of a training run, with default and bounds.

    The six parts are `Spec`s; text such as `objective="iwae:samples=5"` is parsed. An annotation
    has the type of an option, its bounds and its help text. `preset` is only a name: the options of
    the preset are in the other fields.

    Raises:
        ConfigError: A value has the wrong type or is out of bounds.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    preset: Annotated[
        str, OptionHelp("Published model to train; vaecli parts lists all.", "NAME")
    ] = "vae"
    posterior: Annotated[
        Spec, OptionHelp("Posterior q(z|x,c), as name:option=value,...", "SPEC")
    ] = Spec("gaussian")
    prior: Annotated[Spec, OptionHelp("Prior p(z|c), in the same form.", "SPEC")] = Spec("normal")
    fitted_prior: Annotated[
        Spec,
        OptionHelp("Prior to fit to the latents after training, which then replaces it.", "SPEC"),
    ] = Spec("none")
    likelihood: Annotated[Spec, OptionHelp("Likelihood p(x|z,c), in the same form.", "SPEC")] = (
        Spec("bernoulli")
    )
    objective: Annotated[Spec, OptionHelp("Training objective, in the same form.", "SPEC")] = Spec(
        "elbo"
    )
    conditional: Annotated[bool, OptionHelp("Condition the model on the image's label (CVAE).")] = (
        False
    )
    labels: Annotated[
        Count | None,
        OptionHelp("Use only N training labels, equally many per class; hide the rest.", "N"),
    ] = None
    epochs: Annotated[Count, OptionHelp("Passes over the training images, 1 or more.", "N")] = 50
    batch_size: Annotated[Count, OptionHelp("Images per batch, 1 or more.", "N")] = 128
    lr: Annotated[
        float,
        Gt(0),
        OptionHelp("Learning rate, above 0.", "X"),
    ] = 1e-3
    lr_schedule: Annotated[
        Literal["constant", "linear", "cosine"],
        OptionHelp("Keep the learning rate constant, or let it decay to 0."),
    ] = "constant"
    lr_warmup: Annotated[
        float,
        Ge(0),
        Lt(1),
        OptionHelp("Fraction of training in which the learning rate rises from 0.", "X"),
    ] = 0.0
    optimizer: Annotated[
        Spec, OptionHelp("Optimizer adam, adamw or sgd, as name:option=value,...", "SPEC")
    ] = Spec("adam")
    latent_dim: Annotated[
        Count | None,
        OptionHelp(
            "Latent dimensions, 1 or more. [default: 20, or 4 for each position of a map]", "N"
        ),
    ] = None
    network: Annotated[
        Spec, OptionHelp("Encoder and decoder, as name:option=value,...", "SPEC")
    ] = Spec(
        "mlp",
        {"width": 400, "depth": 2, "activation": "relu", "norm": "none", "output_bias": "zero"},
    )
    data: Annotated[
        str,
        OptionHelp(
            "Folder of images, .zip, .npy, .npz, .csv; or a data set: mnist (included), or one of "
            "vaecli data download.",
            "PATH|NAME",
        ),
    ] = "mnist"
    data_dir: Annotated[str | None, OptionHelp("Folder of MNIST-format files to read.", "DIR")] = (
        None
    )
    image_size: Annotated[
        str | None,
        OptionHelp(
            "Resize images to N x N pixels, or to WxH. [default: their own size if all have the "
            "same, at most 64; else 64]",
            "N",
        ),
    ] = None
    channels: Annotated[
        Literal["auto", "1", "3"],
        OptionHelp("Make images grey (1) or colour (3); auto: colour if one of the images has it."),
    ] = "auto"
    resize: Annotated[
        Literal["crop", "pad", "stretch"],
        OptionHelp("Crop images of another aspect, pad them with white, or stretch them."),
    ] = "crop"
    test_fraction: Annotated[
        float,
        Gt(0),
        Lt(1),
        OptionHelp("Part of each class that becomes test images, if the data have none.", "X"),
    ] = 0.1
    skip_bad: Annotated[
        bool, OptionHelp("Leave out images that cannot be read; run.json names them.")
    ] = False
    binarize: Annotated[
        Literal["none", "dynamic", "threshold"],
        OptionHelp(
            "Make pixels black or white: at random (dynamic), or by a threshold of one half."
        ),
    ] = "none"
    train_images: Annotated[
        Count | None, OptionHelp("Use only the first N training images.", "N")
    ] = None
    test_images: Annotated[Count | None, OptionHelp("Use only the first N test images.", "N")] = (
        None
    )
    validation: Annotated[
        Count | None, OptionHelp("Hold out the last N training images for validation.", "N")
    ] = None
    patience: Annotated[
        Count | None,
        OptionHelp("Stop after N epochs without a new best epoch; needs validation images.", "N"),
    ] = None
    max_time: Annotated[
        str | None,
        OptionHelp("Stop after a time such as 2h, 90m or 1h30m; the run can be resumed.", "TIME"),
    ] = None
    seed: Annotated[
        int,
        Ge(0),
        Lt(2**64),
        OptionHelp("Seed of the random numbers, 0 or more.", "N"),
    ] = 0
    device: Annotated[str, OptionHelp("Device: auto, cpu, cuda, cuda:N or mps.", "NAME")] = "auto"
    threads: Annotated[
        Count | None,
        OptionHelp("CPU threads, at most 4 per core. [default: one per physical core]", "N"),
    ] = None
    compile: Annotated[
        bool, OptionHelp("Use torch.compile: about 20 s once, then faster epochs.")
    ] = False
    precision: Annotated[
        Literal["float32", "bf16"],
        OptionHelp("Precision of matrix products; bf16 needs hardware support to be fast."),
    ] = "float32"
    save_every: Annotated[Count | None, OptionHelp("Keep a checkpoint every N epochs.", "N")] = None
    sample_every: Annotated[Count, OptionHelp("Save a picture of samples every N epochs.", "N")] = 1
    on_nan: Annotated[
        Literal["stop", "rollback"],
        OptionHelp(
            "On a NaN or infinite loss: stop, or return to the last checkpoint and halve the "
            "learning rate, at most 3 times."
        ),
    ] = "stop"

    def __post_init__(self) -> None:
        for field in fields(self):
            self._set(field.name, getattr(self, field.name))
        self._check_combinations()

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """The configuration with the values of a file, as `to_json` returns them.

        Old names are translated.

        Raises:
            ConfigError: A key is unknown, a value is wrong, or a newer vaecli wrote them.
        """
        return cls(**known_keys(file_values(values)))

    def with_values(self, **changes: Any) -> Self:
        """A copy with these values; the other fields are not validated again.

        Old names of the fields are translated, with a warning.

        Raises:
            ConfigError: A name is unknown, or a value is wrong.
        """
        known = Config.__dataclass_fields__
        current = aliases.current_names(changes, known, aliases.KEYS, "option")
        changed = copy(self)
        for name, value in known_keys(current).items():
            changed._set(name, value)
        changed._check_combinations()
        return changed

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, _validated(name, value))

    def _check_combinations(self) -> None:
        if self.max_time is not None:
            parse_duration(self.max_time)
        if not is_path(self.data):  # a path may have a folder of validation images
            self.require_validation()

    def require_validation(self) -> None:
        """Raise a `ConfigError` if `patience` is set and `validation` is not."""
        if self.patience and not self.validation:
            raise ConfigError(f"patience={self.patience} needs a validation set: add validation=N.")


def known_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values, if all their keys are fields of `Config`; else a `ConfigError`."""
    for name in values:
        lookup(Config.__dataclass_fields__, name, "configuration key")
    return dict(values)


def to_json(config: Config) -> dict[str, Any]:
    """The values of a configuration for JSON, with specs as text."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {name: str(v) if isinstance(v, Spec) else v for name, v in values.items()}


def file_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a file under their current keys, with specs parsed.

    Raises:
        ConfigError: A newer vaecli wrote them, or a spec is malformed.
    """
    version = values.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise ConfigError(
            f"schema_version={version!r}: this vaecli reads versions 1 to {SCHEMA_VERSION}. "
            "If a newer vaecli wrote the configuration, upgrade."
        )
    known = Config.__dataclass_fields__
    current = aliases.current_names(values, known, aliases.KEYS, "option", warn=False)
    if isinstance(preset := current.get("preset"), str):
        current["preset"] = aliases.PRESETS.get(preset, preset)
    if "schema_version" in current:
        current["schema_version"] = SCHEMA_VERSION
    for kind in PART_KINDS:
        if kind in current:
            current[kind] = parse_spec(kind, current[kind], from_file=True)
    return current


def check_file_values(values: Mapping[str, Any]) -> None:
    """Raise a `ConfigError` if a key is unknown, or a value is wrong by itself.

    Args:
        values: Under the names in use. `beta`, which becomes an option of the objective, is known.
    """
    fields_only = {name: value for name, value in values.items() if name != "beta"}
    for name, value in known_keys(fields_only).items():
        _validated(name, value)


def _validated(name: str, value: object) -> Any:
    """The value of a field, converted to its type."""
    if name in PART_KINDS:
        return parse_spec(name, value)
    if name in ("image_size", "channels") and type(value) is int:
        value = str(value)
    valid = validate(Config, name, value)
    is_size = name == "image_size" and valid is not None  # one text for each: runs are compared
    return format_image_size(*parse_image_size(valid)) if is_size else valid
