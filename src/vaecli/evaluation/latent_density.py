"""Densities fitted to latents."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal
from torch.nn.functional import one_hot

FITS = {"gaussian": 1, "mixture": 10}  # how many normals; ten as in the paper


ROUNDS = 50  # of expectation and maximisation


ENOUGH = 10_000  # latents that are fitted to


RIDGE = 1e-4  # added to variances, as a fraction of the mean one: latents may lie in a plane


def fitted(latents: NDArray[np.float32], components: int) -> Distribution:
    """A mixture of normals fitted to latents, shape `(N, D)`, by expectation and maximisation.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436
        Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977),
            https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    z = torch.as_tensor(latents, dtype=torch.float64)
    z = z[torch.randperm(len(z))[:ENOUGH]]
    ridge = RIDGE * z.var(0, correction=0).mean() + torch.finfo(torch.float32).tiny
    centers = z[:components]
    shares = one_hot(torch.cdist(z, centers).argmin(1), len(centers)).double()  # (N, K)
    for _ in range(ROUNDS if components > 1 else 1):
        weight = shares / shares.sum(0).clamp(min=1e-9)  # a component may have no latent left
        mean, chance = weight.T @ z, shares.mean(0)
        apart = z.unsqueeze(0) - mean.unsqueeze(1)
        covariance = torch.einsum("nk,kni,knj->kij", weight, apart, apart)
        covariance = covariance + ridge * torch.eye(z.shape[1], dtype=z.dtype)
        normals = MultivariateNormal(mean, covariance, validate_args=False)
        shares = (normals.log_prob(z.unsqueeze(1)) + chance.log()).softmax(1)
    parts = MultivariateNormal(mean.float(), scale_tril=normals.scale_tril.float())
    return MixtureSameFamily(Categorical(chance.float()), parts)
