"""Densities fitted to the latents of a trained model, to draw from in place of its prior.

References:
    From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
        https://arxiv.org/abs/1903.12436
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

COMPONENTS = 10  # of a mixture, as in the paper
ROUNDS = 100  # of expectation and maximisation at most
RIDGE = 1e-4  # added to variances, as a fraction of the mean one: latents may lie in a plane


def gaussian(latents: NDArray[np.float32]) -> Distribution:
    """The normal distribution with the mean and covariance of latents, shape `(N, D)`."""
    z = torch.as_tensor(latents, dtype=torch.float64)
    return _single(_normals(z, torch.ones(len(z), 1, dtype=z.dtype)))


def mixture(latents: NDArray[np.float32]) -> Distribution:
    """A mixture of normals fitted to latents, shape `(N, D)`, by expectation and maximisation.

    References:
        Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977),
            https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    z = torch.as_tensor(latents, dtype=torch.float64)
    centers = z[torch.randperm(len(z))[:COMPONENTS]]
    shares = torch.cdist(z, centers).argmin(1, keepdim=True) == torch.arange(len(centers))
    shares, before = shares.to(z.dtype), -torch.inf
    for _ in range(ROUNDS):
        weights, normals = shares.mean(0), _normals(z, shares)
        joint = normals.log_prob(z.unsqueeze(1)) + weights.log()
        fit = joint.logsumexp(1).mean().item()
        if fit - before < 1e-5:
            break
        shares, before = joint.softmax(1), fit
    parts = MultivariateNormal(normals.loc.float(), scale_tril=normals.scale_tril.float())
    return MixtureSameFamily(Categorical(weights.float()), parts)


def _normals(z: Tensor, shares: Tensor) -> MultivariateNormal:
    """For each column of the shares, shape `(N, K)`, the normal of z weighted by it."""
    weight = shares / shares.sum(0).clamp_min(torch.finfo(z.dtype).tiny)  # one may have none
    mean = weight.T @ z
    apart = z.unsqueeze(0) - mean.unsqueeze(1)
    covariance = torch.einsum("nk,kni,knj->kij", weight, apart, apart)
    ridge = RIDGE * z.var(0).mean() + torch.finfo(torch.float32).tiny
    eye = torch.eye(z.shape[1], dtype=z.dtype)
    return MultivariateNormal(mean, covariance + ridge * eye, validate_args=False)


def _single(normals: MultivariateNormal) -> MultivariateNormal:
    return MultivariateNormal(normals.loc[0].float(), scale_tril=normals.scale_tril[0].float())


FITS: dict[str, Callable[[NDArray[np.float32]], Distribution]] = {
    "gaussian": gaussian,
    "mixture": mixture,
}
