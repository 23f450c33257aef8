"""Builds the model, the objective and the optimizer that a configuration names.

`TABLES` combines the tables of all kinds of parts.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..model import VAE
from ..objectives import OBJECTIVES, Objective
from ..parts.likelihoods import LIKELIHOODS
from ..parts.networks import DEFAULT_LATENT_DIM, NETWORKS, Network
from ..parts.optimizers import OPTIMIZERS, Optimizer
from ..parts.posteriors import POSTERIORS, GaussianPosterior, Posterior
from ..parts.priors import (
    FITTED_PRIORS,
    PRIORS,
    ConditionalPrior,
    FittedPrior,
    Prior,
    StandardNormalPrior,
)
from ..system.errors import ConfigError
from ..system.seeds import random_stream
from .config import Config
from .data_paths import absolute
from .spec import Spec

TABLES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "posterior": POSTERIORS,
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
    "network": NETWORKS,
    "optimizer": OPTIMIZERS,
    "fitted_prior": FITTED_PRIORS,
}


def resolve(config: Config) -> Config:
    """The configuration with every option of every part, and the absolute path of the data.

    A resolved configuration is returned as it is. If latents are a map and their number is not
    given, it is still None: it depends on the images, see `with_latent_dim`.

    Raises:
        ConfigError: A part or an option is unknown, or a value is out of range.
    """
    changes: dict[str, Any] = {}
    for kind, table in TABLES.items():
        spec: Spec = getattr(config, kind)
        resolved = spec.resolve(table, kind)
        if resolved is not spec:
            changes[kind] = resolved
    if config.data != absolute(config.data):
        changes["data"] = absolute(config.data)
    if config.latent_dim is None and not _has_map(changes.get("network", config.network)):
        changes["latent_dim"] = DEFAULT_LATENT_DIM
    if config.data_dir is not None and not Path(config.data_dir).is_absolute():
        changes["data_dir"] = str(Path(config.data_dir).absolute())
    return config.with_values(**changes) if changes else config


def with_latent_dim(config: Config, shape: Sequence[int]) -> Config:
    """A resolved configuration with the number of latents of images of this shape, (C, H, W).

    Raises:
        ConfigError: The latents are a map, which the number in the configuration does not fill.
    """
    latent_dim = _latent_dim(config, shape)
    return config if latent_dim == config.latent_dim else config.with_values(latent_dim=latent_dim)


def check_specs(values: Mapping[str, Any]) -> None:
    """Raise a `ConfigError` if a spec among these values names no part, or a wrong option.

    Args:
        values: Fields of `Config` by name; the specs among them are parsed.
    """
    for kind, table in TABLES.items():
        if kind in values:
            values[kind].resolve(table, kind)


def build(
    config: Config,
    shape: tuple[int, int, int],
    classes: int = 0,
    mean: Callable[[], Tensor] | None = None,
    images: int = 0,
) -> tuple[VAE, Objective]:
    """The model and its objective.

    Random initial weights depend on the seed of the configuration alone.

    Args:
        config: Names the parts and every option of theirs, as `resolve` returns it.
        shape: Image shape, `(C, H, W)`.
        classes: Number of labels; 0 for images without labels.
        mean: Returns the mean training image, shape `(C, H, W)`, for `output_bias=data`.
        images: Number of training images; 0 if unknown.

    Raises:
        ConfigError: Two parts do not fit together.
        ValueError: The configuration is not resolved.
    """
    if config.conditional and not classes:
        raise ConfigError(
            "conditional=True needs images with labels, and these have none: use conditional=False."
        )
    context_dim = classes if config.conditional else 0
    latent_dim = _latent_dim(config, shape)
    size = {"latent_dim": latent_dim, "shape": shape, "context_dim": context_dim}
    with random_stream(torch.device("cpu"), config.seed, "weights"):
        network = make_part(config.network, "network")
        encoder = network.encoder(shape, context_dim)
        likelihood = make_part(
            config.likelihood,
            "likelihood",
            make_decoder=lambda params_per_pixel: network.decoder(
                latent_dim, (params_per_pixel * shape[0], *shape[1:]), context_dim
            ),
        )
        posterior = make_part(config.posterior, "posterior", encoder=encoder, **size)
        prior = make_part(config.prior, "prior", posterior=posterior, classes=classes, **size)
        objective = make_part(
            config.objective,
            "objective",
            network=network,
            posterior=posterior,
            prior=prior,
            likelihood=likelihood,
            classes=classes,
            images=images,
            **size,
        )
    check_compatible(config, posterior, prior, objective)
    model = VAE(posterior, prior, likelihood, context_dim)
    if network.output_bias == "data" and mean is not None:
        likelihood.initialize_to_mean(mean())
    return model, objective


def build_fitted_prior(
    config: Config, model: VAE, shape: tuple[int, int, int], classes: int = 0
) -> FittedPrior | None:
    """The prior to fit once the model is trained, or None; random initial weights as in `build`.

    Args:
        config: As for `build`.
        model: The model whose prior it will replace.
        shape: Image shape, `(C, H, W)`.
        classes: Number of labels; 0 for images without labels.

    Raises:
        ConfigError: It does not fit the model.
        ValueError: The configuration is not resolved.
    """
    with random_stream(torch.device("cpu"), config.seed, "fitted prior weights"):
        prior: FittedPrior | None = make_part(
            config.fitted_prior,
            "fitted_prior",
            latent_dim=_latent_dim(config, shape),
            posterior=model.posterior,
            shape=shape,
            context_dim=model.context,
            classes=classes,
        )
    return prior


def check_compatible(
    config: Config, posterior: Posterior, prior: Prior, objective: Objective
) -> None:
    """Raise a `ConfigError` if two parts do not fit together.

    Prior and objective must fit the posterior; if `labels` is set, the objective must read labels.
    """
    name = config.posterior.name
    if posterior.space != prior.space:
        priors = [n for n, part in PRIORS.items() if part.space == posterior.space]
        posteriors = [n for n, part in POSTERIORS.items() if part.space == prior.space]
        advice = f"prior={' or '.join(map(repr, priors))}"
        if len(posteriors) < len(priors):
            advice = f"posterior={' or '.join(map(repr, posteriors))}"
        raise ConfigError(
            f"The {config.prior.name} prior and the {name} posterior use different latent spaces: "
            f"use {advice}."
        )
    if objective.needs_density and not posterior.has_density:
        raise ConfigError(
            f"The objective {config.objective.name} needs a posterior with a density, but {name} "
            "is deterministic: use posterior='gaussian', or objective='elbo:beta=0' (autoencoder)."
        )
    if objective.latent_groups != 1:
        check_latent_groups(config, posterior, prior, objective.latent_groups)
    if config.labels and not objective.reads_labels:
        raise ConfigError(
            f"labels={config.labels} needs a semi-supervised objective: "
            "use objective='m2' and conditional=True."
        )


def check_latent_groups(config: Config, posterior: Posterior, prior: Prior, groups: int) -> None:
    """Raise a `ConfigError` unless the rate is a sum over this many groups of latents.

    Args:
        config: Names the objective.
        posterior: Must be a diagonal Gaussian.
        prior: Must be one too.
        groups: Must divide the number of latents; 0 is every latent by itself.
    """
    needs = f"The {config.objective.name} objective needs, for groups of latents,"
    if not isinstance(posterior, GaussianPosterior):
        raise ConfigError(
            f"{needs} a posterior with independent dimensions: use posterior='gaussian'."
        )
    if not isinstance(prior, StandardNormalPrior | ConditionalPrior):
        raise ConfigError(f"{needs} a prior with independent dimensions: use prior='normal'.")
    if groups and posterior.latent_dim % groups:
        raise ConfigError(
            f"latent_dim={posterior.latent_dim} is not divisible by {groups} groups: use a number "
            "of groups that divides it, or 0 for every latent by itself."
        )


def make_part(spec: Spec, kind: str, **offered: Any) -> Any:
    """The part that a spec names.

    Args:
        spec: Its name and every option, as `Spec.resolve` returns it.
        kind: Kind of the part, a key of `TABLES`.
        offered: Arguments by name; those that the constructor declares are passed.

    Raises:
        ValueError: The spec is not resolved.
    """
    if spec.resolved_as != kind:
        raise ValueError(f"{kind}={str(spec)!r} is not resolved: build from resolve(config).")
    part = TABLES[kind][spec.name]
    taken = inspect.signature(part).parameters
    return part(**{name: v for name, v in offered.items() if name in taken}, **spec.options)


def make_optimizer(config: Config, model: VAE, objective: Objective) -> Optimizer:
    """The optimizer of all parameters of the model and the objective."""
    parameters = [*model.parameters(), *objective.parameters()]
    optimizer: Optimizer = make_part(
        config.optimizer, "optimizer", parameters=parameters, lr=config.lr
    )
    return optimizer


def _latent_dim(config: Config, shape: Sequence[int]) -> int:
    network: Network = make_part(config.network, "network")
    return network.latent_dim(config.latent_dim, shape)


def _has_map(network: Spec) -> bool:
    """Whether the latents of a resolved network are a map."""
    return network.options.get("latent") == "map"


def monitor_of(config: Config) -> str:
    """The validation metric whose lowest value decides which epoch is best.

    Args:
        config: As `resolve` returns it.
    """
    return OBJECTIVES[config.objective.name].monitor
