"""Densities fitted to latents."""

import math

import numpy as np
import pytest
import torch

from vaecli.evaluation import latent_density
from vaecli.evaluation.latent_density import COMPONENTS, fit_density


def test_a_fitted_density_has_the_moments_of_the_latents():
    torch.manual_seed(0)
    z = torch.randn(500, 3) @ torch.randn(3, 3) + torch.tensor([1.0, -2.0, 5.0])
    normal = fit_density(z.numpy(), 1).component_distribution
    torch.testing.assert_close(normal.mean[0], z.mean(0))
    torch.testing.assert_close(normal.covariance_matrix[0], torch.cov(z.T), rtol=0.01, atol=0.01)
    flat = np.zeros((10, 2), dtype=np.float32)
    assert fit_density(flat, 3).sample((5,)).isfinite().all()
    assert fit_density(z[:, :1].numpy(), 2).event_shape == (1,)


def test_a_fitted_mixture_finds_the_clusters_that_the_latents_came_from():
    """They overlap and are not of one size: to halve them would fit worse."""
    torch.manual_seed(0)
    centers, spread = torch.tensor([[-1.75, 0.0], [1.75, 0.0]]), torch.tensor([1.0, 0.5])
    z = centers[(torch.rand(9000) < 0.15).long()] + spread * torch.randn(9000, 2)
    found = fit_density(z.numpy(), 2)
    parts, order = found.component_distribution, found.component_distribution.mean[:, 0].argsort()
    torch.testing.assert_close(parts.mean[order], centers, atol=0.1, rtol=0)
    chances = found.mixture_distribution.probs[order]
    torch.testing.assert_close(chances, torch.tensor([0.85, 0.15]), atol=0.02, rtol=0)
    torch.testing.assert_close(parts.variance[order][0], spread.square(), atol=0.05, rtol=0)


def expectation_maximization(z, components, steps):
    """Weights, means and covariances, written out in loops; the first points are the centers."""
    n, d = z.shape
    ridge = 1e-4 * np.mean([np.var(z[:, i]) for i in range(d)])
    nearest = [np.argmin([np.sum((p - z[k]) ** 2) for k in range(components)]) for p in z]
    shares = np.eye(components)[nearest]
    for _ in range(steps):
        weights, means, covariances = shares.mean(0), [], []
        densities = np.empty((n, components))
        for k in range(components):
            means.append(shares[:, k] @ z / shares[:, k].sum())
            away = z - means[k]
            covariance = (shares[:, k, None] * away).T @ away / shares[:, k].sum()
            covariances.append(covariance + ridge * np.eye(d))
            squared = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariances[k]), away)
            scale = math.sqrt((2 * math.pi) ** d * np.linalg.det(covariances[k]))
            densities[:, k] = weights[k] * np.exp(-squared / 2) / scale
        shares = densities / densities.sum(1, keepdims=True)
    return weights, np.array(means), np.array(covariances)


@pytest.mark.parametrize("components", [1, 2, 4])
def test_the_fit_takes_fifty_steps_of_expectation_and_maximization(components):
    torch.manual_seed(1)
    z = torch.randn(60, 2) * torch.tensor([2.0, 0.5]) + torch.randint(3, (60, 1))
    torch.manual_seed(2)
    found = fit_density(z.numpy(), components)
    torch.manual_seed(2)
    shuffled = z.double()[torch.randperm(60)].numpy()
    weights, means, covariances = expectation_maximization(shuffled, components, 50)
    normals = found.component_distribution
    np.testing.assert_allclose(found.mixture_distribution.probs, weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(normals.mean, means, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(normals.covariance_matrix, covariances, rtol=1e-3, atol=1e-5)


def test_of_many_latents_a_random_part_is_fitted(monkeypatch):
    monkeypatch.setattr(latent_density, "MAX_LATENTS", 20)
    z = torch.arange(100.0).unsqueeze(1)
    means = set()
    for seed in range(3):
        torch.manual_seed(seed)
        found = fit_density(z.numpy(), 1).component_distribution
        torch.manual_seed(seed)
        chosen = z[torch.randperm(100)[:20]]
        torch.testing.assert_close(found.mean[0], chosen.mean(0))
        means.add(found.mean.item())
    assert len(means) == 3


def test_a_part_is_large_and_a_mixture_has_ten_normals():
    assert latent_density.MAX_LATENTS == 10_000
    assert COMPONENTS == {"gaussian": 1, "mixture": 10}
