"""Presets: options of published models, with their papers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..system.errors import ConfigError
from . import aliases
from .config import Config, known_keys
from .papers import PAPERS, Paper
from .spec import Spec, lookup, parse_spec


@dataclass(frozen=True)
class Preset:
    """A named choice of options, of a published model in most cases.

    Attributes:
        paper: Where it was published; None if no paper introduced it.
        changes: The options in which it differs from the defaults of `Config`.
    """

    paper: Paper | None
    changes: Mapping[str, Any] = field(default_factory=dict)


# The ring and swiss-roll priors are defined in a plane only.
TWO_LATENTS = {"posterior": "dirac", "latent_dim": 2}


PRESETS = {
    "vae": Preset(PAPERS["kingma-2014"]),
    "vae-fast": Preset(
        PAPERS["kingma-2014"],
        {  # found by tests.benchmarks.recipes
            "epochs": 8,
            "lr": 5e-3,
            "lr_schedule": "linear",
            "lr_warmup": 0.05,
            "optimizer": "adam:beta2=0.98",
            "network": "mlp:activation=silu,output_bias=data",
        },
    ),
    "beta-vae": Preset(PAPERS["higgins-2017"], {"objective": "elbo:beta=4"}),
    "annealing": Preset(PAPERS["sonderby-2016"], {"objective": "elbo:annealing_epochs=10"}),
    "cyclical": Preset(PAPERS["fu-2019"], {"objective": "elbo:cycle_epochs=5"}),
    "capacity": Preset(
        PAPERS["burgess-2018"],
        {"objective": "elbo:capacity=25,capacity_epochs=25,capacity_weight=10"},
    ),
    "free-bits": Preset(PAPERS["kingma-2016"], {"objective": "elbo:free_bits=8"}),
    "iwae": Preset(PAPERS["burda-2016"], {"objective": "iwae:samples=8"}),
    "miwae": Preset(PAPERS["rainforth-2018"], {"objective": "iwae:samples=4,bounds=4"}),
    "ciwae": Preset(PAPERS["rainforth-2018"], {"objective": "iwae:samples=8,beta=0.05"}),
    "piwae": Preset(PAPERS["rainforth-2018"], {"objective": "piwae:samples=4,bounds=4"}),
    "renyi": Preset(PAPERS["li-2016"], {"objective": "renyi"}),
    "dreg": Preset(PAPERS["tucker-2019"], {"objective": "dreg:samples=8"}),
    "vamp": Preset(PAPERS["tomczak-2018"], {"prior": "vamp:components=100"}),
    "gmm": Preset(PAPERS["dilokthanakul-2016"], {"prior": "mixture:components=10"}),
    "flow-prior": Preset(PAPERS["chen-2017"], {"prior": "flow"}),
    "flow-posterior": Preset(PAPERS["dinh-2017"], {"posterior": "flow"}),
    "planar-flow": Preset(PAPERS["rezende-2015"], {"posterior": "planar"}),
    "iaf": Preset(PAPERS["kingma-2016"], {"posterior": "iaf"}),
    # With more dimensions samples miss their label.
    "cvae": Preset(PAPERS["sohn-2015"], {"conditional": True, "latent_dim": 3}),
    "cvae-prior": Preset(PAPERS["sohn-2015"], {"conditional": True, "prior": "conditional"}),
    "ae": Preset(PAPERS["hinton-2006"], {"posterior": "dirac", "objective": "elbo:beta=0"}),
    "rae-l2": Preset(PAPERS["ghosh-2020"], {"posterior": "dirac", "objective": "rae:penalty=l2"}),
    "rae-gp": Preset(PAPERS["ghosh-2020"], {"posterior": "dirac", "objective": "rae:penalty=gp"}),
    "aae": Preset(PAPERS["makhzani-2016"], {"posterior": "dirac", "objective": "adversarial"}),
    "aae-ring": Preset(
        PAPERS["makhzani-2016"],
        {**TWO_LATENTS, "prior": "ring", "objective": "adversarial:weight=100"},
    ),
    "aae-swiss-roll": Preset(
        PAPERS["makhzani-2016"],
        {**TWO_LATENTS, "prior": "swiss-roll", "objective": "adversarial:weight=100"},
    ),
    "aae-labels": Preset(
        PAPERS["makhzani-2016"],
        {**TWO_LATENTS, "prior": "ring", "objective": "adversarial:labels=true,weight=100"},
    ),
    "wae-mmd": Preset(
        PAPERS["tolstikhin-2018"],
        {"posterior": "dirac", "likelihood": "gaussian", "objective": "wae:weight=500"},
    ),
    "info-vae": Preset(PAPERS["zhao-2017"], {"objective": "wae:kl_weight=0.5"}),
    "swae": Preset(PAPERS["kolouri-2019"], {"posterior": "dirac", "objective": "swae"}),
    "beta-tc-vae": Preset(PAPERS["chen-2018"], {"objective": "beta-tc"}),
    "factor-vae": Preset(PAPERS["kim-2018"], {"objective": "factor"}),
    "dip-vae": Preset(PAPERS["kumar-2018"], {"objective": "dip"}),
    "vq-vae": Preset(PAPERS["oord-2017"], {"posterior": "quantized", "prior": "codes"}),
    "residual-vq": Preset(
        PAPERS["zeghidour-2021"], {"posterior": "quantized:levels=2", "prior": "codes"}
    ),
    "hvae": Preset(PAPERS["tomczak-2018"], {"posterior": "hierarchical", "prior": "hierarchical"}),
    "ladder": Preset(PAPERS["sonderby-2016"], {"posterior": "ladder", "prior": "hierarchical"}),
    "sigma-vae": Preset(PAPERS["rybkin-2021"], {"likelihood": "gaussian"}),
    "continuous-bernoulli": Preset(
        PAPERS["loaiza-ganem-2019"], {"likelihood": "continuous-bernoulli"}
    ),
    "logistic": Preset(PAPERS["kingma-2016"], {"likelihood": "logistic"}),
    "laplace": Preset(None, {"likelihood": "laplace"}),
    "svae": Preset(PAPERS["davidson-2018"], {"posterior": "vmf", "prior": "sphere"}),
    "m2": Preset(
        PAPERS["kingma-2014-labels"],
        {
            "conditional": True,
            "objective": "m2",
            # Without batch norm the classifier, trained on 100 labelled images, makes 1.5 times
            # as many errors.
            "network": "mlp:norm=batch",
            "labels": 100,
            "latent_dim": 5,
            "batch_size": 64,
            "binarize": "dynamic",
        },
    ),
    "vae-gan": Preset(PAPERS["larsen-2016"], {"objective": "vae-gan"}),
}


def config_from_layers(*layers: Mapping[str, Any]) -> Config:
    """One configuration from layers of options.

    A later layer overrides an earlier one, and all of them override the preset.

    Args:
        layers: Options by name, such as those of a file and those of the command line. `preset`
            names the preset below them, `beta` sets that option of the objective.

    Raises:
        ConfigError: A name is unknown or a value is wrong.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given |= typed_options(layer)
    changes = lookup(PRESETS, str(given.get("preset", Config.preset)), "preset").changes
    return Config(**known_keys(with_beta({**changes, **given}, Config.objective)))


def check_layer(values: Mapping[str, Any]) -> None:
    """Raise the errors of `config_from_layers` that are of one layer alone.

    Args:
        values: Options by name, as `option_files.read_options_file` returns them.
    """
    current = typed_options(values)
    lookup(PRESETS, str(current.get("preset", Config.preset)), "preset")


def typed_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a user gave, under the names in use; an old name warns (`RenamedWarning`).

    Raises:
        ConfigError: An option is given under its old and its new name, or beta twice.
    """
    known = Config.__dataclass_fields__
    current = aliases.current_names(values, known, aliases.KEYS, "option")
    if isinstance(preset := current.get("preset"), str):
        current["preset"] = aliases.current_name(preset, PRESETS, aliases.PRESETS, "preset")
    beta = current.get("beta")
    if beta is not None and "objective" in current:
        objective = parse_spec("objective", current["objective"])
        if "beta" in objective.options:
            raise ConfigError(
                f"Both objective='{objective}' and beta={beta} set beta: leave one out."
            )
    return current


def with_beta(chosen: Mapping[str, Any], objective: Spec) -> dict[str, Any]:
    """The chosen options, with `beta`, if it is among them, set as an option of the objective.

    Args:
        chosen: Options by name.
        objective: The objective that gets `beta` if `chosen` has no objective.
    """
    rest = {name: value for name, value in chosen.items() if name != "beta"}
    if chosen.get("beta") is not None:
        spec = parse_spec("objective", rest.get("objective", objective))
        rest["objective"] = spec.with_options(beta=chosen["beta"])
    return rest
