"""Densities fitted to latents."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal
from torch.nn.functional import one_hot

COMPONENTS = {"gaussian": 1, "mixture": 10}  # ten Gaussians, as in the paper
EM_ITERATIONS = 50
MAX_LATENTS = 10_000  # size of the random subset used for the fit
COVARIANCE_RIDGE = 1e-4  # times the mean variance, added to variances: latents may lie in a plane


def fit_density(latents: NDArray[np.float32], components: int) -> Distribution:
    """A mixture of Gaussians with full covariances, fitted by expectation maximization.

    Uses torch's global generator to choose the initial centers and, of more than `MAX_LATENTS`
    latents, a subset.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020),
            https://arxiv.org/abs/1903.12436
        Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster et al., 1977),
            https://doi.org/10.1111/j.2517-6161.1977.tb01600.x

    Args:
        latents: Shape `(N, D)`.
        components: Number of Gaussians; fewer if there are fewer latents.
    """
    z = torch.as_tensor(latents, dtype=torch.float64)
    z = z[torch.randperm(len(z))[:MAX_LATENTS]]
    ridge = COVARIANCE_RIDGE * z.var(0, correction=0).mean() + torch.finfo(torch.float32).tiny
    centers = z[:components]
    nearest = torch.cdist(z, centers).argmin(1)
    responsibilities = one_hot(nearest, len(centers)).double()  # (N, K)
    for _ in range(EM_ITERATIONS if components > 1 else 1):
        # the clamp: a component may have no latents left
        weights = responsibilities / responsibilities.sum(0).clamp(min=1e-9)
        means = weights.T @ z
        probabilities = responsibilities.mean(0)
        deviations = z.unsqueeze(0) - means.unsqueeze(1)  # (K, N, D)
        covariances = torch.einsum("nk,kni,knj->kij", weights, deviations, deviations)
        covariances = covariances + ridge * torch.eye(z.shape[1], dtype=z.dtype)
        normals = MultivariateNormal(means, covariances, validate_args=False)
        log_joint = normals.log_prob(z.unsqueeze(1)) + probabilities.log()
        responsibilities = log_joint.softmax(1)
    parts = MultivariateNormal(means.float(), scale_tril=normals.scale_tril.float())
    return MixtureSameFamily(Categorical(probabilities.float()), parts)
