import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..model import VAE
from ..objectives import OBJECTIVES, Objective
from ..parts.likelihoods import LIKELIHOODS
from ..parts.networks import NETWORKS
from ..parts.optimizers import OPTIMIZERS, Optimizer
from ..parts.posteriors import POSTERIORS
from ..parts.priors import PRIORS
from ..system.errors import ConfigError
from ..system.seeds import random_stream
from .config import Config
from .spec import choose, lookup, spell

TABLES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "posterior": POSTERIORS,
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
    "network": NETWORKS,
    "optimizer": OPTIMIZERS,
}


def build(
    config: Config,
    shape: tuple[int, int, int],
    classes: int = 0,
    mean: Callable[[], Tensor] | None = None,
    images: int = 0,
) -> tuple[VAE, Objective]:
    """Assemble the model and its objective.

    The weights come from the seed of the configuration, whatever was drawn before.

    Args:
        config: Names the parts and their options.
        shape: Of the images, (C, H, W).
        classes: Of the labels; 0 if there are none.
        mean: Gives the mean training image, shape `shape`, to networks that start from it.
        images: To train on; 0 if there is no knowing.

    Raises:
        ConfigError: A part is unknown, or two of them do not go together.
    """
    if config.conditional and not classes:
        raise ConfigError("--conditional needs images with labels, and these have none.")
    context = classes if config.conditional else 0
    size = {"latent_dim": config.latent_dim, "shape": shape, "context": context}
    with random_stream(torch.device("cpu"), config.seed, "weights"):
        network = _make(config, "network")
        encoder = network.encoder(shape, context)
        likelihood = _make(
            config,
            "likelihood",
            decoder=lambda maps: network.decoder(
                config.latent_dim, (maps * shape[0], *shape[1:]), context
            ),
        )
        posterior = _make(config, "posterior", encoder=encoder, **size)
        prior = _make(config, "prior", posterior=posterior, classes=classes, **size)
        if network.bias == "data" and mean is not None:
            likelihood.start_at(mean())
        model = VAE(posterior, prior, likelihood, context)
        parts = {"posterior": posterior, "prior": prior, "likelihood": likelihood}
        known = {"network": network, "classes": classes, "images": images}
        objective = _make(config, "objective", **known, **parts, **size)
    _refuse_misfits(config, model, objective)
    return model, objective


def _refuse_misfits(config: Config, model: VAE, objective: Objective) -> None:
    """Raise unless prior and objective can do with the posterior."""
    posterior, prior = model.posterior, model.prior
    name = config.posterior.partition(":")[0]
    if posterior.space != prior.space:
        priors = [n for n, part in PRIORS.items() if part.space == posterior.space]
        posteriors = [n for n, part in POSTERIORS.items() if part.space == prior.space]
        option, fitting = min(("prior", priors), ("posterior", posteriors), key=lambda o: len(o[1]))
        raise ConfigError(
            f"The {config.prior.partition(':')[0]} prior does not lie where the {name} posterior "
            f"does: use --{option} {' or '.join(fitting)}."
        )
    if objective.needs_density and not posterior.has_density:
        raise ConfigError(
            f"The objective {config.objective} needs a posterior with a density, which {name} has "
            "not: use --posterior gaussian, or --objective elbo:beta=0, an autoencoder."
        )
    if config.labels and not objective.reads_labels:
        raise ConfigError(
            "--labels needs an objective for few labels: --objective m2 --conditional."
        )


def complete(config: Config) -> Config:
    """The configuration with every option of every part, and the data's whole path, written out."""
    spelled: dict[str, Any] = {
        kind: spell(getattr(config, kind), choose(getattr(config, kind), table, kind)[1])
        for kind, table in TABLES.items()
    }
    if config.data_dir is not None:
        spelled["data_dir"] = str(Path(config.data_dir).absolute())
    return replace(config, **spelled)


def has_critic(config: Config) -> bool:
    """Whether the loss is that of a game."""
    return lookup(OBJECTIVES, config.objective.partition(":")[0], "objective").has_critic


def optimizer(config: Config, model: VAE, objective: Objective) -> Optimizer:
    """The optimizer of all parameters of the model and the objective."""
    parameters = [*model.parameters(), *objective.parameters()]
    made: Optimizer = _make(config, "optimizer", parameters=parameters, lr=config.lr)
    return made


def _make(config: Config, kind: str, **offered: Any) -> Any:
    """The part that the configuration names, made from those of `offered` that it takes."""
    part, options = choose(getattr(config, kind), TABLES[kind], kind)
    taken = inspect.signature(part).parameters
    return part(**{name: value for name, value in offered.items() if name in taken}, **options)
