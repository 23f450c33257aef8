import pytest
import torch
from torch.autograd.functional import jacobian

from tests.parts.laws import assert_samples_agree, plane, probabilities
from vaecli.parts import flows
from vaecli.parts.distributions import DiagonalNormal
from vaecli.parts.flows import FlowDistribution
from vaecli.system.errors import ConfigError

MAKERS = {
    "couplings": lambda dim: flows.real_nvp(dim, 2, 4, 16),
    "planar": lambda dim: flows.ComposedFlow(flows.PlanarFlow(dim, 2) for _ in range(4)),
    "autoregressive": lambda dim: flows.ComposedFlow(
        flows.AutoregressiveFlow(dim, 2, 16) for _ in range(3)
    ),
}
EVERY_FLOW = pytest.mark.parametrize("name", MAKERS)


def make(name, dim, double=True):
    """A flow far from the identity."""
    torch.manual_seed(4)
    flow = MAKERS[name](dim)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(0.25 * torch.randn_like(parameter))
    return flow.double() if double else flow


@EVERY_FLOW
def test_the_inverse_undoes_the_flow_and_has_the_same_determinant(name):
    flow = make(name, 3)
    z = 2 * torch.randn(7, 5, 3).double()
    h = torch.randn(5, 2).double()
    y, log_det = flow(z, h)
    back, same = flow.inverse(y, h)
    assert (y - z).abs().mean() > 0.2
    assert log_det.shape == (7, 5)
    torch.testing.assert_close(back, z, atol=1e-6, rtol=0)
    torch.testing.assert_close(same, log_det, atol=1e-6, rtol=0)


@EVERY_FLOW
def test_the_determinant_equals_that_of_the_jacobian(name):
    flow = make(name, 3)
    z = torch.randn(5, 3).double()
    h = torch.randn(5, 2).double()
    for one, features in zip(z, h, strict=True):
        derivative = jacobian(lambda z, h=features: flow(z, h)[0], one)
        torch.testing.assert_close(flow(one, features)[1], derivative.slogdet()[1])


@EVERY_FLOW
def test_features_of_another_batch_shape_broadcast(name):
    flow = make(name, 3)
    z = torch.randn(5, 1, 3).double()
    h = torch.randn(5, 2).double()
    z_all = z.expand(5, 5, 3)
    h_all = h.expand(5, 5, 2)
    for way in (flow.forward, flow.inverse):
        for got, wanted in zip(way(z, h), way(z_all, h_all), strict=True):
            torch.testing.assert_close(got, wanted, atol=1e-7, rtol=0)


@EVERY_FLOW
def test_a_flow_density_integrates_to_one_and_its_samples_follow_it(name):
    flow = make(name, 2, double=False)
    h = torch.randn(3, 2) / 2
    d = FlowDistribution(DiagonalNormal(torch.randn(3, 2) / 2, torch.randn(3, 2) / 2 - 1), flow, h)
    z, weights = probabilities(d, 3, lambda: plane(6, 300))
    torch.testing.assert_close(weights.sum(0), torch.ones(3), atol=1e-3, rtol=0)
    assert_samples_agree(d.sample((10_000,)), z, weights)


@EVERY_FLOW
def test_the_density_of_the_last_sample_needs_no_inversion_and_is_the_same(name, monkeypatch):
    flow = make(name, 3)
    h = torch.randn(5, 2).double()
    d = FlowDistribution(DiagonalNormal(*torch.randn(2, 5, 3).double()), flow, h)
    z = d.rsample((4,))
    elsewhere = d.log_prob(z.clone())
    monkeypatch.setattr(flow, "inverse", None)
    torch.testing.assert_close(d.log_prob(z), elsewhere, atol=1e-6, rtol=0)


@EVERY_FLOW
def test_the_inverse_has_the_right_gradient_in_the_parameters(name):
    flow = make(name, 3)
    y = torch.randn(5, 3).double()
    h = torch.randn(5, 2).double()
    weight = next(flow.parameters())
    step = 1e-6

    def value():
        z, log_det = flow.inverse(y, h)
        return (z.sin().sum(-1) + log_det).sum()

    value().backward()
    with torch.no_grad():
        at = weight.grad.abs().argmax()
        weight.view(-1)[at] += step
        up = value()
        weight.view(-1)[at] -= 2 * step
        difference = (up - value()) / (2 * step)
    torch.testing.assert_close(weight.grad.view(-1)[at], difference, atol=1e-6, rtol=1e-4)


@EVERY_FLOW
def test_far_points_have_a_finite_inverse(name):
    flow = make(name, 4, double=False)
    h = 30 * torch.randn(50, 2)
    z, log_det = flow.inverse(1e3 * torch.randn(50, 4), h)
    assert z.isfinite().all()
    assert log_det.isfinite().all()


class Affine(flows.Flow):
    matrix = torch.tensor([[1.0, 2.0], [0.0, 3.0]])

    def forward(self, z, h=None):
        return z @ self.matrix.T + 1, self.matrix.slogdet()[1]

    def inverse(self, y, h=None):
        return (y - 1) @ self.matrix.inverse().T, self.matrix.slogdet()[1]


def test_mean_and_variance_are_exact_for_an_affine_flow():
    base = DiagonalNormal(torch.randn(5, 2), torch.randn(5, 2))
    d = FlowDistribution(base, Affine())
    torch.testing.assert_close(d.mean, base.mean @ Affine.matrix.T + 1)
    torch.testing.assert_close(d.variance, base.variance @ Affine.matrix.square().T)
    assert d.expand((4, 5)).sample().shape == (4, 5, 2)


def test_an_autoregressive_output_depends_on_no_later_dimension():
    flow = make("autoregressive", 4).flows[0]
    z = torch.randn(4).double()
    h = torch.randn(2).double()
    derivative = jacobian(lambda z: flow(z, h)[0].flip(-1), z)
    assert derivative.triu(1).abs().max() == 0
    assert (derivative.tril(-1) != 0).sum() == 6
    assert (jacobian(lambda h: flow(z, h)[0], h) != 0).all()  # all depend on the features


@pytest.mark.parametrize("product", [-1000.0, -5.0, -1.0, 0.0, 5.0, 1000.0])
def test_a_planar_flow_is_invertible_for_any_output_of_the_encoder(product):
    """Without the constraint, `w . u < -1` folds the plane."""
    flow = flows.PlanarFlow(2, 1)
    with torch.no_grad():
        flow.head.weight.zero_()
        flow.head.bias.copy_(torch.tensor([product, 0.3, 1.0, 0.0, 0.1]))
    z = torch.stack([torch.linspace(-4, 4, 81), torch.zeros(81)], -1)
    y, log_det = flow(z, torch.zeros(1))
    assert (y[:, 0].diff() > 0).all()
    assert log_det.isfinite().all()
    torch.testing.assert_close(flow.inverse(y, torch.zeros(1))[0], z, atol=2e-3, rtol=0)


def test_couplings_of_one_dimension_are_refused():
    with pytest.raises(ConfigError) as error:
        flows.real_nvp(1, 0, 4, 16)
    assert str(error.value) == "Coupling flows need latent_dim=2 or more, not 1."
