"""Checks that the tests of several distributions over latents share."""

import math

import torch

SHAPE = (1, 8, 8)
STATISTICS = (
    lambda z: z,
    lambda z: z.square(),
    lambda z: z.prod(-1, keepdim=True),
    lambda z: (3 * z).sin(),
)


def plane(reach=8.0, steps=160):
    """Points of a square grid, shape `(steps^2, 2)`, and the area of a cell."""
    axis = torch.linspace(-reach, reach, steps)
    return torch.cartesian_prod(axis, axis), (axis[1] - axis[0]).item() ** 2


def circle(steps=2000):
    """Points of the unit circle, shape `(steps, 2)`, and the length between them."""
    angle = torch.arange(steps) * (2 * math.pi / steps)
    return torch.stack([angle.cos(), angle.sin()], -1), 2 * math.pi / steps


SURFACES = {"real": plane, "sphere": circle}


def probabilities(distribution, batch, surface=plane):
    """The points of a surface, and the probability of the cell of each, shape `(points, batch)`."""
    z, cell = surface()
    with torch.no_grad():
        log_prob = distribution.log_prob(z.unsqueeze(1).expand(-1, batch, -1))
    return z, log_prob.exp() * cell


def assert_samples_agree(samples, z, weights):
    """Moments of samples, shape `(n, batch, 2)`, agree with a density to five standard errors."""
    for statistic in STATISTICS:
        at_points = statistic(z)
        mean = torch.einsum("pb,pd->bd", weights, at_points)
        variance = torch.einsum("pb,pd->bd", weights, at_points.square()) - mean.square()
        error = (variance.clamp(min=1e-6) / len(samples)).sqrt()
        away = (statistic(samples).mean(0) - mean).abs() / error
        assert away.max() < 5, away
