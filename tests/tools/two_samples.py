"""How far apart two samples are."""

import torch
from torch import Tensor


def energy_distance(a: Tensor, b: Tensor) -> float:
    """`2 E|a - b| - E|a - a'| - E|b - b'|` of samples of shape `(N, D)`, without bias.

    Its expectation is zero if and only if both are of one distribution.

    References:
        Energy statistics (Szekely & Rizzo, 2013), https://doi.org/10.1016/j.jspi.2013.03.018
    """
    n = len(a)
    within = (torch.cdist(a, a).sum() + torch.cdist(b, b).sum()) / (n * (n - 1))
    return (2 * torch.cdist(a, b).mean() - within).item()
