"""From a configuration to modules: the only place where names meet classes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from .config import Config, choose, lookup, spell
from .errors import ConfigError
from .model import VAE
from .objectives import OBJECTIVES, Objective
from .optimizers import OPTIMIZERS, Optimizer
from .parts.likelihoods import LIKELIHOODS
from .parts.networks import NETWORKS
from .parts.posteriors import POSTERIORS
from .parts.priors import PRIORS
from .seeds import seeded

TABLES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "posterior": POSTERIORS,
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
    "network": NETWORKS,
}


def build(config: Config, shape: tuple[int, int, int], context: int = 0) -> tuple[VAE, Objective]:
    """Assemble the model and its objective for images of `shape` (C, H, W).

    The weights come from the seed of the configuration, whatever was drawn before.
    `context` is the length of the vector that every part is conditioned on, 0 for none.
    """
    with seeded(torch.device("cpu"), config.seed, "weights"):
        network = _make(config, "network")
        encoder = network.encoder(shape, context)
        decoder = network.decoder(config.latent_dim, shape, context)
        posterior = _make(config, "posterior", encoder=encoder, latent_dim=config.latent_dim)
        prior = _make(config, "prior", latent_dim=config.latent_dim)
        likelihood = _make(config, "likelihood", decoder=decoder)
        return VAE(posterior, prior, likelihood), _make(config, "objective")


def complete(config: Config) -> Config:
    """The configuration with every option of every part, and the data's whole path, written out."""
    spelled = {
        kind: spell(getattr(config, kind), choose(getattr(config, kind), table, kind)[1])
        for kind, table in TABLES.items()
    }
    if config.data_dir is not None:
        spelled["data_dir"] = str(Path(config.data_dir).absolute())
    return config.model_copy(update=spelled)


def optimizer(config: Config, model: VAE, objective: Objective) -> Optimizer:
    """The optimizer of all parameters of the model and the objective."""
    make = lookup(OPTIMIZERS, config.optimizer, "optimizer")
    return make([*model.parameters(), *objective.parameters()], config.lr)


def device(name: str) -> torch.device:
    """The device of this name; `auto` is cuda, then mps, then cpu, whichever there is first."""
    there = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    there += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        return torch.device(there[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise ConfigError(f"--device {name}: this machine has {', '.join(there)}.")
    return torch.device(wanted)


def _make(config: Config, kind: str, **offered: Any) -> Any:
    part, options = choose(getattr(config, kind), TABLES[kind], kind)
    return part(**offered, **options)
