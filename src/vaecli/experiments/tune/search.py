"""The options that a study searches, each with its range; see `ranges` for those."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ...config.build import TABLES, monitor_of, resolve
from ...config.config import PART_KINDS, Config
from ...config.spec import Spec, lookup, part_options
from ...system.errors import ConfigError
from .ranges import Choices, Numbers, Range, parse_range

# Fields of Config that can be searched. Trials with other values of the rest would differ in the
# images, the quantity or the time that they are compared by.
FIELDS = ("lr", "lr_schedule", "lr_warmup", "batch_size", "latent_dim")
# Kinds of parts that can be searched by name; the losses of two likelihoods or objectives are not
# of one quantity, and a prior that is fitted after training changes no loss.
KINDS_BY_NAME = ("network", "optimizer", "posterior", "prior")
KINDS = (*KINDS_BY_NAME, "likelihood", "objective")

Search = Mapping[str, Range]


@dataclass(frozen=True)
class Item:
    """One `--search`: the name of an option, and the text of its range."""

    name: str
    range: str


def parse_search(texts: Iterable[str], base: Config) -> dict[str, Range]:
    """The range of each option, by name: `lr`, `latent-dim`, `network.width`.

    Args:
        texts: Such as `lr=1e-4..1e-2:log` or `network.width=200..800`.
        base: The resolved configuration that each trial changes.

    Raises:
        ConfigError: An option is unknown or cannot be searched, or a value is wrong.
    """
    items = [_split(text) for text in texts]
    kinds = {item.name: item.range for item in items if item.name in PART_KINDS}
    chosen = {kind: [name.strip() for name in text.split(",")] for kind, text in kinds.items()}
    known = _known_types(base, chosen)
    found: dict[str, Range] = {}
    for item in items:
        text = f"{item.name}={item.range}"
        try:
            if item.name in found:
                raise ConfigError("it is searched twice: leave one out.")
            found[item.name] = parse_range(item.range, _type_of(item.name, known))
            for value in found[item.name].examples:
                with_options(base, {item.name: value})
        except ConfigError as error:
            raise ConfigError(f"search={text!r}: {error}") from None
    return found


def _split(text: str) -> Item:
    name, equals, range_text = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"search={text!r}: write NAME=RANGE, such as lr=1e-4..1e-2:log.")
    kind, dot, option = name.strip().removeprefix("--").partition(".")
    if kind == "beta":
        return Item("objective.beta", range_text)
    field = kind.replace("_", "-")
    return Item(f"{field}{dot}{option}", range_text.strip())


def _type_of(name: str, known: Mapping[str, Any]) -> Any:
    field = name.replace("-", "_")
    if name not in known and field in Config.__dataclass_fields__:
        raise ConfigError(f"all trials of a study have the same {name}; it cannot be searched.")
    return lookup(known, name, "option")


def _known_types(base: Config, chosen: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The type of every option that can be searched, by name.

    Args:
        base: Names the parts.
        chosen: The parts of a kind whose name is searched; only options of all of them are known.
    """
    hints = get_type_hints(Config)
    types = {field.replace("_", "-"): plain_type(hints[field]) for field in FIELDS}
    types |= dict.fromkeys(KINDS_BY_NAME, str)
    for kind in KINDS:
        names = chosen.get(kind, [getattr(base, kind).name])
        parts = [TABLES[kind][name] for name in names if name in TABLES[kind]]
        for option, parameter in part_options(parts[0]).items() if parts else ():
            if all(option in part_options(part) for part in parts):
                types[f"{kind}.{option}"] = plain_type(parameter.annotation)
    return types


def plain_type(annotation: Any) -> Any:
    """The type in an annotation, without its bounds and without None."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) > 1:
            return str
        annotation = plain_type(kinds[0])
    return annotation


def with_options(base: Config, options: Mapping[str, Any]) -> Config:
    """The resolved configuration of a trial.

    Args:
        base: A resolved configuration.
        options: Values of searched options by name.

    Raises:
        ConfigError: A value is wrong.
    """
    chosen = {name: value for name, value in options.items() if "." not in name}
    # the part of the base has the options that the base sets
    kept = {kind for kind in KINDS_BY_NAME if chosen.get(kind) == getattr(base, kind).name}
    fields = {name.replace("-", "_"): v for name, v in chosen.items() if name not in kept}
    config = base.with_values(**fields)
    for name, value in options.items():
        kind, dot, option = name.partition(".")
        if dot:
            spec: Spec = getattr(config, kind)
            config = config.with_values(**{kind: spec.with_options(**{option: value})})
    return resolve(config)


def values_of(config: Config, search: Search) -> dict[str, Any]:
    """The values that a resolved configuration has of the searched options, by name."""
    values = {}
    for name in search:
        kind, dot, option = name.partition(".")
        value = getattr(config, kind.replace("-", "_"))
        if dot:
            value = value.options[option]
        elif isinstance(value, Spec):
            value = value.name
        values[name] = value
    return values


def metric_of(search: Search, base: Config) -> str:
    """What a study compares its trials by: loss, distortion or negative_elbo.

    If options of the objective are searched, they change the loss itself: less weight would look
    like a better model. The negative ELBO, distortion + rate, is the same quantity for all.
    """
    monitor = monitor_of(base)
    if monitor == "loss" and any(name.startswith("objective.") for name in search):
        return "negative_elbo"
    return monitor


def default_search(base: Config, fits: Callable[[Config], bool]) -> dict[str, Range]:
    """Ranges around the values of a resolved configuration.

    Learning rate, batch size, number of latents, and width and depth of the network.

    Args:
        base: The configuration.
        fits: Whether a model can be built from a configuration; an option is left out if its range
            has an end from which none can.
    """
    width, depth = (base.network.options[name] for name in ("width", "depth"))
    sizes = (base.batch_size // 4, base.batch_size // 2, base.batch_size, base.batch_size * 2)
    ranges: dict[str, Range] = {
        "lr": Numbers(_short(base.lr / 5), _short(base.lr * 5), log=True),
        "batch-size": Choices(tuple(dict.fromkeys(size for size in sizes if size))),
        "network.width": _around(width, width // 8),
        "network.depth": Numbers(max(1, depth - 1), depth + 1),
    }
    if base.latent_dim is not None:
        ranges["latent-dim"] = _around(base.latent_dim, base.latent_dim // 2)
    return {
        name: found
        for name, found in ranges.items()
        if all(_accepts(base, {name: value}, fits) for value in found.examples)
    }


def _short(value: float) -> float:
    """A number of three digits: 0.3, and not 0.30000000000000004."""
    return float(f"{value:.3g}")


def _around(value: int, step: int) -> Numbers:
    """From about half of a number to about its double, in steps that meet it."""
    low = max(1, value // 2)
    if step <= 1:
        return Numbers(low, 2 * value)
    return Numbers(value - (value - low) // step * step, value + value // step * step, step)


def _accepts(base: Config, options: Mapping[str, Any], fits: Callable[[Config], bool]) -> bool:
    try:
        return fits(with_options(base, options))
    except ConfigError:
        return False
