import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from vaecli.parts.distributions import (
    DiagonalNormal,
    HierarchicalDistribution,
    SampleCache,
    StandardNormal,
    clamped_normal,
)

torch.manual_seed(0)
Q = DiagonalNormal(torch.randn(5, 3), torch.randn(5, 3))
P = DiagonalNormal(torch.randn(3), torch.randn(3))


def as_torch(d):
    return Independent(Normal(d.loc, (d.log_var / 2).exp()), 1)


def test_density_integrates_to_one():
    axis = torch.linspace(-12, 12, 601)
    grid = torch.cartesian_prod(axis, axis)
    d = DiagonalNormal(torch.tensor([0.5, -1.0]), torch.tensor([1.0, -2.0]))
    mass = d.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-4)


def test_density_entropy_and_moments_equal_those_of_torch():
    z = torch.randn(4, 5, 3)
    torch.testing.assert_close(Q.log_prob(z), as_torch(Q).log_prob(z))
    torch.testing.assert_close(Q.entropy(), as_torch(Q).entropy())
    torch.testing.assert_close(Q.mean, as_torch(Q).mean)
    torch.testing.assert_close(Q.variance, as_torch(Q).variance)


def test_kl_equals_that_of_torch_and_is_zero_to_itself():
    torch.testing.assert_close(kl_divergence(Q, P), kl_divergence(as_torch(Q), as_torch(P)))
    torch.testing.assert_close(kl_divergence(Q, Q), torch.zeros(5), atol=1e-6, rtol=0)
    zero = torch.zeros(3)
    general = DiagonalNormal(zero, zero)
    short = StandardNormal(zero)
    torch.testing.assert_close(kl_divergence(Q, short), kl_divergence(as_torch(Q), as_torch(short)))
    torch.testing.assert_close(kl_divergence(Q, short), kl_divergence(Q, general))


def test_samples_have_the_right_mean_variance_and_gradients():
    loc = torch.tensor([1.0, -2.0])
    log_var = torch.tensor([0.0, 1.0])
    loc.requires_grad_()
    log_var.requires_grad_()
    z = DiagonalNormal(loc, log_var).rsample((200_000,))
    torch.testing.assert_close(z.mean(0), loc, atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(0), log_var.exp(), atol=0.05, rtol=0)
    z.square().sum(-1).mean().backward()  # its expectation is loc^2 + exp(log_var)
    torch.testing.assert_close(loc.grad, 2 * loc.detach(), atol=0.05, rtol=0)
    torch.testing.assert_close(log_var.grad, log_var.detach().exp(), atol=0.05, rtol=0)


def test_expand_repeats_the_distribution_over_the_batch():
    d = P.expand((7,))
    assert d.sample().shape == (7, 3)
    torch.testing.assert_close(d.log_prob(torch.zeros(3)), P.log_prob(torch.zeros(3)).expand(7))


def test_log_variances_of_networks_are_clamped_and_nan_stays_nan():
    mean = torch.zeros(4)
    log_var = torch.tensor([-1e4, -19.0, 3.0, 1e4])
    d = clamped_normal(mean, log_var)
    assert d.log_var.tolist() == [-20, -19, 3, 20]
    assert kl_divergence(d, clamped_normal(mean, -log_var)).isfinite()
    assert clamped_normal(mean, torch.full((4,), torch.nan)).log_var.isnan().all()


def hierarchy():
    """A batch of 5, with levels of 1 and 2 dimensions; the second is nonlinear in the first."""
    torch.manual_seed(1)
    first = DiagonalNormal(torch.randn(5, 1), torch.randn(5, 1))
    w = torch.randn(1, 2)

    def second(z):
        return DiagonalNormal((z @ w).sin(), -z.square() @ w.abs())

    return HierarchicalDistribution(first, [second], [1, 2])


def test_the_density_of_a_hierarchy_is_the_product_over_its_levels():
    d = hierarchy()
    z = torch.randn(4, 5, 3)
    second = as_torch(d.conditionals[0](z[..., :1]))
    product = as_torch(d.first).log_prob(z[..., :1]) + second.log_prob(z[..., 1:])
    torch.testing.assert_close(d.log_prob(z), product)


def test_the_density_of_the_last_sample_does_not_compute_the_levels_again():
    d = hierarchy()
    z = d.rsample((4,))
    elsewhere = d.log_prob(z.clone())
    d.conditionals = [None]  # cannot be called
    torch.testing.assert_close(d.log_prob(z), elsewhere)


def test_a_hierarchy_samples_each_level_given_those_above():
    d = hierarchy()
    z = d.rsample((100_000,))
    below = d.conditionals[0](z[..., :1])
    standard = (z[..., 1:] - below.mean) / below.stddev
    torch.testing.assert_close(z[..., :1].mean(0), d.first.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(standard.mean(0), torch.zeros(5, 2), atol=0.02, rtol=0)
    torch.testing.assert_close(standard.var(0), torch.ones(5, 2), atol=0.03, rtol=0)


def test_mean_and_variance_of_a_hierarchy_are_those_given_the_means_above():
    d = hierarchy()
    below = d.conditionals[0](d.first.mean)
    torch.testing.assert_close(d.mean, torch.cat([d.first.mean, below.mean], -1))
    torch.testing.assert_close(d.variance, torch.cat([d.first.variance, below.variance], -1))


def test_a_cache_finds_the_last_sample_alone_and_by_identity():
    cache = SampleCache()
    first = torch.ones(2)
    second = torch.ones(2)
    assert cache.find(first) is None
    cache.store(first, "first")
    assert cache.find(first) == "first"
    assert cache.find(first.clone()) is None
    cache.store(second, "second")
    assert cache.find(second) == "second"
    assert cache.find(first) is None
