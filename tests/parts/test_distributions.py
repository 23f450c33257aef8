import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from vaecli.parts.distributions import Chain, DiagonalNormal, StandardNormal, bounded_normal

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


def test_density_entropy_and_moments_are_those_of_torch():
    z = torch.randn(4, 5, 3)
    torch.testing.assert_close(Q.log_prob(z), as_torch(Q).log_prob(z))
    torch.testing.assert_close(Q.entropy(), as_torch(Q).entropy())
    torch.testing.assert_close(Q.mean, as_torch(Q).mean)
    torch.testing.assert_close(Q.variance, as_torch(Q).variance)


def test_kl_is_that_of_torch_and_zero_to_itself():
    torch.testing.assert_close(kl_divergence(Q, P), kl_divergence(as_torch(Q), as_torch(P)))
    torch.testing.assert_close(kl_divergence(Q, Q), torch.zeros(5), atol=1e-6, rtol=0)
    zero = torch.zeros(3)
    general, short = DiagonalNormal(zero, zero), StandardNormal(zero)
    torch.testing.assert_close(kl_divergence(Q, short), kl_divergence(as_torch(Q), as_torch(short)))
    torch.testing.assert_close(kl_divergence(Q, short), kl_divergence(Q, general))


def test_samples_have_the_mean_and_variance_and_carry_gradients():
    loc, log_var = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 1.0])
    loc.requires_grad_(), log_var.requires_grad_()
    z = DiagonalNormal(loc, log_var).rsample((200_000,))
    torch.testing.assert_close(z.mean(0), loc, atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(0), log_var.exp(), atol=0.05, rtol=0)
    z.square().sum(-1).mean().backward()  # its expectation is loc^2 + exp(log_var)
    torch.testing.assert_close(loc.grad, 2 * loc.detach(), atol=0.05, rtol=0)
    torch.testing.assert_close(log_var.grad, log_var.detach().exp(), atol=0.05, rtol=0)


def test_expand_repeats_over_the_batch():
    d = P.expand((7,))
    assert d.sample().shape == (7, 3)
    torch.testing.assert_close(d.log_prob(torch.zeros(3)), P.log_prob(torch.zeros(3)).expand(7))


def test_an_emitted_log_variance_is_kept_where_its_exponential_is_finite():
    mean, log_var = torch.zeros(4), torch.tensor([-1e4, -19.0, 3.0, 1e4])
    d = bounded_normal(mean, log_var)
    assert d.log_var.tolist() == [-20, -19, 3, 20]
    assert kl_divergence(d, bounded_normal(mean, -log_var)).isfinite()
    assert bounded_normal(mean, torch.full((4,), torch.nan)).log_var.isnan().all()


def chain():
    """Two levels, of 1 and 2 dimensions, over a batch of 5, where the second bends."""
    torch.manual_seed(1)
    first = DiagonalNormal(torch.randn(5, 1), torch.randn(5, 1))
    w = torch.randn(1, 2)
    return Chain(first, [lambda z: DiagonalNormal((z @ w).sin(), -z.square() @ w.abs())], [1, 2])


def test_the_density_of_a_chain_is_the_product_of_its_parts():
    d = chain()
    z = torch.randn(4, 5, 3)
    levels = as_torch(d.first), as_torch(d.rest[0](z[..., :1]))
    product = levels[0].log_prob(z[..., :1]) + levels[1].log_prob(z[..., 1:])
    torch.testing.assert_close(d.log_prob(z), product)


def test_a_chain_knows_the_density_of_its_last_sample_without_drawing_levels_again():
    d = chain()
    z = d.rsample((4,))
    elsewhere = d.log_prob(z.clone())
    d.rest = [None]  # nothing to ask any more
    torch.testing.assert_close(d.log_prob(z), elsewhere)


def test_a_chain_samples_every_level_given_those_above():
    d = chain()
    z = d.rsample((100_000,))
    below = d.rest[0](z[..., :1])
    standard = (z[..., 1:] - below.mean) / below.stddev
    torch.testing.assert_close(z[..., :1].mean(0), d.first.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(standard.mean(0), torch.zeros(5, 2), atol=0.02, rtol=0)
    torch.testing.assert_close(standard.var(0), torch.ones(5, 2), atol=0.03, rtol=0)


def test_the_mean_and_variance_of_a_chain_follow_the_means():
    d = chain()
    below = d.rest[0](d.first.mean)
    torch.testing.assert_close(d.mean, torch.cat([d.first.mean, below.mean], -1))
    torch.testing.assert_close(d.variance, torch.cat([d.first.variance, below.variance], -1))
