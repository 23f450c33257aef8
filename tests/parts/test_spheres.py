import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch.distributions import kl_divergence

from tests.parts.laws import assert_samples_agree, circle, probabilities
from vaecli.parts.spheres import UniformSphere, VonMisesFisher, log_area

DIMENSIONS = (2, 3, 4, 5, 10, 50, 200)
CONCENTRATIONS = (1e-3, 1.0, 30.0, 1e3, 1e4)


def log_bessel(order, k):
    """Logarithm of the modified Bessel function of the first kind, by its power series."""
    n = torch.arange(20_000, dtype=torch.float64)
    terms = (2 * n + order) * math.log(k / 2) - torch.lgamma(n + 1) - torch.lgamma(n + order + 1)
    return terms.logsumexp(0).item()


def log_normalizer(dim, k):
    """Logarithm of the integral of `exp(k direction . z)`, as the paper has it."""
    order = dim / 2 - 1
    return dim / 2 * math.log(2 * math.pi) + log_bessel(order, k) - order * math.log(k)


def mean_cosine(dim, k):
    return math.exp(log_bessel(dim / 2, k) - log_bessel(dim / 2 - 1, k))


def make(dim, *concentrations, dtype=torch.float32):
    torch.manual_seed(0)
    direction = F.normalize(torch.randn(len(concentrations), dim, dtype=dtype), dim=-1)
    return VonMisesFisher(direction, torch.tensor(concentrations, dtype=dtype))


def polar(steps=1200):
    """Points of the unit sphere in space, shape `(2 * steps^2, 3)`, and the area at each."""
    angle = (torch.arange(steps) + 0.5) * (math.pi / steps)
    around = torch.arange(60) * (2 * math.pi / 60)
    t, s = torch.cartesian_prod(angle, around).unbind(-1)
    z = torch.stack([t.sin() * s.cos(), t.sin() * s.sin(), t.cos()], -1)
    return z, (t.sin() * (math.pi / steps) * (2 * math.pi / 60)).unsqueeze(-1)


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_the_normalizer_equals_that_by_bessel_functions(dim):
    d = make(dim, *CONCENTRATIONS)
    at_the_mean = d.log_prob(d.direction)
    wanted = torch.tensor([k - log_normalizer(dim, k) for k in CONCENTRATIONS])
    torch.testing.assert_close(at_the_mean, wanted, atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_the_derivative_of_the_normalizer_is_the_mean_cosine(dim):
    d = make(dim, *CONCENTRATIONS)
    d.concentration.requires_grad_()
    d.log_prob(-d.direction).sum().backward()  # -k - log M(k)
    wanted = torch.tensor([-1 - mean_cosine(dim, k) for k in CONCENTRATIONS])
    torch.testing.assert_close(d.concentration.grad, wanted, atol=5e-6, rtol=0)


def test_densities_integrate_to_one_over_the_circle_and_the_sphere():
    concentrations = (0.0, 0.5, 20.0, 1e4)
    _, weights = probabilities(make(2, *concentrations), 4, circle)
    torch.testing.assert_close(weights.sum(0), torch.ones(4), atol=1e-4, rtol=0)
    north = torch.tensor([0.0, 0.0, 1.0]).expand(4, 3)
    d = VonMisesFisher(north, torch.tensor([0.0, 0.5, 20.0, 3e3]))
    _, weights = probabilities(d, 4, polar)
    torch.testing.assert_close(weights.sum(0), torch.ones(4), atol=2e-3, rtol=0)
    for dim, surface in ((2, circle), (3, polar)):
        _, weights = probabilities(UniformSphere(torch.zeros(dim)), 1, surface)
        assert weights.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_divergence_from_the_uniform_sphere_equals_that_of_the_paper():
    for dim in DIMENSIONS:
        d = make(dim, *CONCENTRATIONS, dtype=torch.float64)
        kl = kl_divergence(d, UniformSphere(torch.zeros(dim)))
        wanted = [
            k * mean_cosine(dim, k) - log_normalizer(dim, k) + log_area(dim) for k in CONCENTRATIONS
        ]
        torch.testing.assert_close(kl, torch.tensor(wanted).double(), atol=1e-4, rtol=1e-6)
        none = kl_divergence(make(dim, 0.0), UniformSphere(torch.zeros(dim)))
        assert none.item() == pytest.approx(0, abs=2e-5)


def test_the_divergence_equals_the_mean_log_ratio_of_samples():
    d = make(4, 0.0, 2.0, 300.0)
    p = UniformSphere(torch.zeros(4))
    z = d.rsample((50_000,))
    ratio = (d.log_prob(z) - p.log_prob(z)).mean(0)
    torch.testing.assert_close(ratio, kl_divergence(d, p), atol=0.03, rtol=0)


def test_samples_lie_on_the_sphere_and_follow_the_density():
    d = make(2, 0.0, 1.0, 40.0)
    z, weights = probabilities(d, 3, circle)
    assert_samples_agree(d.sample((20_000,)), z, weights)
    uniform = UniformSphere(torch.zeros(3, 2))
    assert_samples_agree(uniform.sample((20_000,)), *probabilities(uniform, 3, circle))
    norms = make(7, 0.0, 3.0, 1e4).sample((1000,)).norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones(1000, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("k", [0.1, 3.0, 1e4])
def test_cosines_of_samples_have_the_known_distribution_in_three_dimensions(k):
    """By a Kolmogorov-Smirnov test at level 0.001."""
    d = make(3, k)
    n = 40_000
    distance = (d.sample((n,)) - d.direction).square().sum(-1).squeeze(-1) / 2  # 1 - cosine
    known = torch.expm1(-k * distance.sort()[0].double()) / math.expm1(-2 * k)
    statistic = (known - (torch.arange(n) + 0.5) / n).abs().max().item()
    assert statistic < 1.95 / math.sqrt(n)


@pytest.mark.parametrize("dim", [3, 10])
def test_the_variance_equals_that_of_samples(dim):
    d = make(dim, 0.0, 2.0, 100.0)
    z = d.sample((100_000,))
    torch.testing.assert_close(d.variance, z.var(0), atol=1e-3, rtol=0.04)
    torch.testing.assert_close(d.mean, d.direction)
    torch.testing.assert_close(make(dim, 0.0).variance[0], torch.full((dim,), 1 / dim))


@pytest.mark.parametrize(("dim", "surface"), [(2, circle), (3, polar)])
def test_gradients_of_expectations_equal_those_by_quadrature(dim, surface):
    torch.manual_seed(1)
    point = torch.randn(2, dim)

    def f(z):
        return (z @ point[0]).exp() + (3 * z @ point[1]).sin()

    def gradients(expectation):
        head = torch.tensor([[1.0, -2.0, 2.0][:dim]], requires_grad=True)
        k = torch.tensor([2.5], requires_grad=True)
        expectation(VonMisesFisher(F.normalize(head, dim=-1), k)).backward()
        return torch.cat([head.grad[0], k.grad])

    z, cell = surface()
    wanted = gradients(lambda d: (d.log_prob(z).exp().unsqueeze(-1) * cell).squeeze(-1) @ f(z))
    torch.manual_seed(2)
    got = gradients(lambda d: f(d.rsample((400_000,))).mean())
    torch.testing.assert_close(got, wanted, atol=0.01, rtol=0.01)


def test_nothing_is_nan_with_extreme_concentrations():
    for dim in (2, 3, 500):
        d = make(dim, 0.0, 1e-6, 1e5)
        d.concentration.requires_grad_()
        z = d.rsample((50,))
        total = z.sum() + d.log_prob(z).sum() + d.entropy().sum() + d.variance.sum()
        total.backward()
        assert total.isfinite()
        assert d.concentration.grad.isfinite().all()


@pytest.mark.parametrize("dim", [2, 3, 5, 20])
@pytest.mark.parametrize("k", [0.5, 7.0, 300.0])
def test_the_density_and_the_entropy_equal_those_of_scipy(dim, k):
    d = make(dim, k, dtype=torch.float64)
    known = stats.vonmises_fisher(d.direction[0].numpy(), k)
    z = d.sample((50,))[:, 0]
    np.testing.assert_allclose(d.log_prob(z), known.logpdf(z.numpy()), atol=2e-4, rtol=1e-5)
    np.testing.assert_allclose(d.entropy()[0], known.entropy(), atol=2e-4, rtol=1e-5)


def test_samples_of_a_batch_belong_to_their_own_direction_and_concentration():
    d = make(3, 1.0, 50.0, 2000.0)
    cosine = (d.sample((4000,)) * d.direction).sum(-1).mean(0)
    wanted = torch.tensor([mean_cosine(3, k) for k in (1.0, 50.0, 2000.0)])
    torch.testing.assert_close(cosine, wanted, atol=0.03, rtol=0)
    torch.testing.assert_close(cosine[1:], wanted[1:], atol=2e-3, rtol=0)
