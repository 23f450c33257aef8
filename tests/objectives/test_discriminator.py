"""Losses of discriminators and generators, and which parameters they train."""

import math

import torch
import torch.distributions as dist
from torch import nn

from vaecli.objectives.discriminator import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    latent_discriminator,
)
from vaecli.objectives.objective import frozen


def test_the_loss_of_the_best_discriminator_is_log_4_minus_2_times_the_jensen_shannon_divergence():
    """Its logit is the log-ratio of the two densities (Goodfellow et al., 2014)."""
    z = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    zero, one = torch.tensor([0.0, 1.0], dtype=torch.float64)
    p, q = dist.Normal(zero, one), dist.Normal(1.5 * one, 0.7 * one)
    ratio = p.log_prob(z) - q.log_prob(z)
    p, q, cell = p.log_prob(z).exp(), q.log_prob(z).exp(), z[1] - z[0]
    expected_loss = (
        p * discriminator_loss(ratio) + q * discriminator_loss(torch.tensor(torch.inf), ratio)
    ).sum() * cell
    middle = (p + q) / 2
    js = (torch.special.xlogy(p, p / middle) + torch.special.xlogy(q, q / middle)).sum() / 2 * cell
    torch.testing.assert_close(expected_loss, 2 * math.log(2) - 2 * js, atol=1e-9, rtol=0)
    undecided = discriminator_loss(torch.zeros(1), torch.zeros(1))
    torch.testing.assert_close(undecided, torch.tensor([1.3863]), atol=1e-4, rtol=0)


def test_losses_stay_finite_for_extreme_logits():
    logits = torch.tensor([-1e4, 0, 1e4], requires_grad=True)
    total = (discriminator_loss(logits, logits) + generator_loss(logits)).sum()
    total.backward()
    assert total.isfinite()
    torch.testing.assert_close(logits.grad, torch.tensor([-2.0, -0.5, 1.0]))


def test_the_gradient_penalty_is_half_the_squared_gradient_at_each_sample():
    real = torch.randn(5, 1, 2, 3, requires_grad=True)
    logits = (real.square() * torch.arange(6.0).view(1, 2, 3)).sum((1, 2, 3))
    known = (2 * real * torch.arange(6.0).view(1, 2, 3)).square().sum((1, 2, 3)) / 2
    torch.testing.assert_close(gradient_penalty(logits, real, 3.0), 3 * known)
    assert not gradient_penalty(logits, real, 0.0).requires_grad


def test_a_frozen_module_passes_gradients_to_its_inputs_only():
    layer, x = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    torch.testing.assert_close(frozen(layer)(x), layer(x))
    frozen(layer)(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(4, 3))
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_a_latent_discriminator_has_depth_hidden_layers_of_width():
    for depth in (1, 2, 4):
        net = latent_discriminator(3, 7, depth)
        layers = [(m.in_features, m.out_features) for m in net if isinstance(m, nn.Linear)]
        assert layers == [(3, 7), *[(7, 7)] * (depth - 1), (7, 1)]
        assert net(torch.zeros(5, 3)).shape == (5,)
