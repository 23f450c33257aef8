"""A paper is a row: what a preset changes against the defaults, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config import Config
from .spec import lookup


@dataclass(frozen=True)
class Preset:
    """A published model.

    Attributes:
        paper: How its URL ends; its title stands with that in the docstring of a part.
        changes: The options it sets otherwise than `Config`.
    """

    paper: str
    changes: dict[str, Any]


def preset(paper: str, **changes: Any) -> Preset:
    return Preset(paper, changes)


PLANE: dict[str, Any] = {"posterior": "dirac", "latent_dim": 2}  # of an adversarial autoencoder


PRESETS = {
    "vae": preset("1312.6114"),
    "vae-fast": preset(  # found by tests.benchmarks.recipes
        "1312.6114",
        epochs=8,
        lr=5e-3,
        lr_schedule="linear",
        lr_warmup=0.05,
        optimizer="adam:beta2=0.98",
        network="mlp:activation=silu,output_bias=data",
    ),
    "beta-vae": preset("Sy2fzU9gl", objective="elbo:beta=4"),
    "annealing": preset("1602.02282", objective="elbo:annealing_epochs=10"),
    "cyclical": preset("1903.10145", objective="elbo:cycle_epochs=5"),
    "capacity": preset(
        "1804.03599", objective="elbo:capacity=25,capacity_epochs=25,capacity_weight=10"
    ),
    "free-bits": preset("1606.04934", objective="elbo:free_bits=8"),
    "iwae": preset("1509.00519", objective="iwae:samples=8"),
    "miwae": preset("1802.04537", objective="iwae:samples=4,bounds=4"),
    "ciwae": preset("1802.04537", objective="iwae:samples=8,beta=0.05"),
    "piwae": preset("1802.04537", objective="piwae:samples=4,bounds=4"),
    "renyi": preset("1602.02311", objective="renyi"),
    "dreg": preset("1810.04152", objective="dreg:samples=8"),
    "vamp": preset("1705.07120", prior="vamp:components=100"),
    "gmm": preset("1611.02648", prior="mixture:components=10"),
    "flow-prior": preset("1611.02731", prior="flow"),
    "flow-posterior": preset("1605.08803", posterior="flow"),
    "planar-flow": preset("1505.05770", posterior="planar"),
    "iaf": preset("1606.04934", posterior="iaf"),
    "cvae": preset("5775", conditional=True, latent_dim=3),  # in more, samples miss the digits
    "cvae-prior": preset("5775", conditional=True, prior="conditional"),
    "ae": preset("science.1127647", posterior="dirac", objective="elbo:beta=0"),
    "rae-l2": preset("1903.12436", posterior="dirac", objective="rae:penalty=l2"),
    "rae-gp": preset("1903.12436", posterior="dirac", objective="rae:penalty=gp"),
    "aae": preset("1511.05644", posterior="dirac", objective="adversarial"),
    "aae-ring": preset("1511.05644", **PLANE, prior="ring", objective="adversarial:weight=100"),
    "aae-swiss-roll": preset(
        "1511.05644", **PLANE, prior="swiss-roll", objective="adversarial:weight=100"
    ),
    "aae-labels": preset(
        "1511.05644", **PLANE, prior="ring", objective="adversarial:labels=true,weight=100"
    ),
    "wae-mmd": preset(
        "1711.01558", posterior="dirac", likelihood="gaussian", objective="wae:weight=500"
    ),
    "info-vae": preset("1706.02262", objective="wae:kl_weight=0.5"),
    "swae": preset("1804.01947", posterior="dirac", objective="swae"),
    "beta-tc-vae": preset("1802.04942", objective="beta-tc"),
    "factor-vae": preset("1802.05983", objective="factor"),
    "dip-vae": preset("1711.00848", objective="dip"),
    "vq-vae": preset("1711.00937", posterior="quantized", prior="codes"),
    "residual-vq": preset("2107.03312", posterior="quantized:levels=2", prior="codes"),
    "hvae": preset("1705.07120", posterior="hierarchical", prior="hierarchical"),
    "ladder": preset("1602.02282", posterior="ladder", prior="hierarchical"),
    "sigma-vae": preset("2006.13202", likelihood="gaussian"),
    "continuous-bernoulli": preset("1907.06845", likelihood="continuous-bernoulli"),
    "logistic": preset("1606.04934", likelihood="logistic"),
    "laplace": preset("1312.6114", likelihood="laplace"),
    "svae": preset("1804.00891", posterior="vmf", prior="sphere"),
    "m2": preset(
        "1406.5298",
        conditional=True,
        objective="m2",
        network="mlp:norm=batch",  # without it, a classifier of 100 labels errs half as often again
        labels=100,
        latent_dim=5,
        batch_size=64,
        binarize="dynamic",
    ),
    "vae-gan": preset("1512.09300", objective="vae-gan"),
}


def config_from_layers(*layers: Mapping[str, Any]) -> Config:
    """One configuration from layers of options, later ones first, over the preset they name."""
    given: dict[str, Any] = {}
    for layer in layers:
        given |= layer
    preset = lookup(PRESETS, str(given.get("preset", Config.preset)), "preset")
    chosen = {**preset.changes, **given}
    return Config.from_values(with_beta(chosen, str(chosen.get("objective", Config.objective))))


def with_beta(chosen: Mapping[str, Any], objective: str) -> dict[str, Any]:
    """The chosen options with `beta`, if it is one, written into the objective's spec."""
    rest = {name: value for name, value in chosen.items() if name != "beta"}
    if chosen.get("beta") is not None:
        name, _, options = str(rest.get("objective", objective)).partition(":")
        kept = [o for o in options.split(",") if o and not o.startswith("beta=")]
        rest["objective"] = f"{name}:{','.join([*kept, 'beta=' + str(chosen['beta'])])}"
    return rest
