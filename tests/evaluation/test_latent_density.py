"""Densities fitted to latents."""

import numpy as np
import torch

from vaecli.evaluation.latent_density import fit_density


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
