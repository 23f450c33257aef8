"""Contours of the prior of a model with two latents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from ..model import VAE
from ..parts.priors import Prior
from ..system.seeds import random_stream

MASSES = (0.5, 0.9, 0.99)  # parts of the prior's mass that the contours enclose
DRAWS = 20_000  # samples of the prior, whose density tells which contour encloses which mass
CELLS = 240  # of the grid, along each axis
POINTS_AT_A_TIME = 4000  # a prior may have 500 components


@dataclass(frozen=True)
class PriorContours:
    """A density on a grid, and the values of its contours.

    Attributes:
        x: First coordinates, shape `(G,)`.
        y: Second coordinates, shape `(G,)`.
        log_density: In nats, shape `(G, G)`; the rows are along y.
        levels: Log-densities in increasing order: where the density is higher lies the largest of
            the masses, then the next, and so on.
        masses: The masses in this order.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    log_density: NDArray[np.float64]
    levels: NDArray[np.float64]
    masses: tuple[float, ...]


def prior_contours(model: VAE, masses: Sequence[float] = MASSES) -> PriorContours | None:
    """Regions of highest density of `p(z)`, each with a given part of the prior's mass.

    The prior of a conditional model is the equal mixture over the classes.

    Args:
        model: A model.
        masses: Parts of the mass, between 0 and 1.

    Returns:
        None if the model does not have two latents, or if its prior has no density in the plane, as
        that of codes or of a circle.
    """
    if not isinstance(model.prior, Prior) or model.prior.space != "real":
        return None
    inside = sorted(masses, reverse=True)
    with torch.no_grad(), random_stream(model.device, "prior contours"):
        if _prior(model).event_shape != (2,):
            return None
        z = model.sample_latent(DRAWS, _every_label(model, DRAWS))
        outside = 1 - torch.tensor(inside, dtype=torch.float64)
        levels = torch.quantile(_log_density(model, z), outside)
        x, y = (_axis(values) for values in z.unbind(-1))
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        log_density = _log_density(model, grid.flatten(0, 1)).view(CELLS, CELLS)
    return PriorContours(_array(x), _array(y), _array(log_density), _array(levels), tuple(inside))


def _every_label(model: VAE, count: int) -> Tensor | None:
    """The classes in turn, shape `(count, E)`; None for an unconditional model."""
    return model.one_hot(torch.arange(count) % model.context) if model.context else None


def _prior(model: VAE) -> Distribution:
    """The prior, of batch shape `()`, or `(E,)` if it depends on the class."""
    prior: Distribution = model.prior(_every_label(model, model.context))
    return prior


def _axis(values: Tensor) -> Tensor:
    """Evenly spaced coordinates from the least to the largest of the values, and a bit beyond."""
    low, high = values.min().item(), values.max().item()
    margin = 0.05 * (high - low)
    return torch.linspace(low - margin, high + margin, CELLS, device=values.device)


def _log_density(model: VAE, z: Tensor) -> Tensor:
    """`log p(z)` of latents z, shape `(N, 2)`, on the CPU in double precision."""
    prior = _prior(model)
    parts = []
    for part in z.split(POINTS_AT_A_TIME):
        classes = prior.log_prob(part.unsqueeze(1)).double()  # (N, E), or (N, 1) without classes
        parts.append(classes.logsumexp(-1) - math.log(classes.shape[-1]))
    return torch.cat(parts).cpu()


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.double().cpu().numpy()
