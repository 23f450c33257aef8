"""What reaches what: latents through flows, images and upper levels into every level."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from tests.parts.laws import SHAPE
from vaecli.parts import flows
from vaecli.parts.distributions import DiagonalNormal, HierarchicalDistribution
from vaecli.parts.latent_networks import LatentMLP
from vaecli.parts.networks import MLP
from vaecli.parts.posteriors import POSTERIORS, LadderPosterior
from vaecli.parts.posteriors.flow import FlowPosterior
from vaecli.parts.posteriors.hierarchical import MultiLevelPosterior
from vaecli.parts.priors import FlowPrior, HierarchicalPrior

DIM = 5
BATCH = 3
FLOWS = [name for name, part in POSTERIORS.items() if issubclass(part, FlowPosterior)]
LEVELS = [name for name, part in POSTERIORS.items() if issubclass(part, MultiLevelPosterior)]
MAKERS = {
    "couplings": lambda depth: flows.real_nvp(DIM, 2, depth, 16),
    "planar": lambda depth: flows.ComposedFlow(flows.PlanarFlow(DIM, 2) for _ in range(depth)),
    "autoregressive": lambda depth: flows.ComposedFlow(
        flows.AutoregressiveFlow(DIM, 2, 16) for _ in range(depth)
    ),
}


def scattered(module, spread=0.3, dtype=torch.float64):
    """The module with parameters that make nothing zero by chance."""
    torch.manual_seed(6)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(spread * torch.randn_like(parameter))
    return module.to(dtype)


def make(name, context=0, **options):
    if name == "quantized":
        options = {"dim": 1} | options
    encoder = MLP(width=16, depth=1, activation="tanh").encoder(SHAPE, context)
    # posteriors compute in single precision
    return scattered(POSTERIORS[name](encoder, DIM, **options), dtype=torch.float32)


def images():
    torch.manual_seed(8)
    return torch.rand(BATCH, *SHAPE)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("name", MAKERS)
def test_every_dimension_is_warped_and_every_feature_is_read(name, depth):
    """Warped: its derivative is not the same at every point."""
    flow = scattered(MAKERS[name](depth))
    z = torch.randn(20, DIM).double()
    h = torch.randn(2).double()
    derivatives = torch.stack([jacobian(lambda z: flow(z, h)[0], one) for one in z])
    spread = derivatives.std(0)  # (outputs, inputs)
    assert (spread.amax(1) > 1e-4).all(), "an output that is affine in the latent"
    assert (spread.amax(0) > 1e-4).all(), "an input that acts in the same way everywhere"
    assert (jacobian(lambda h: flow(z[0], h)[0], h).abs() > 1e-6).all()
    assert (jacobian(lambda h: flow(z[0], h)[1], h).abs() > 1e-6).all()


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_two_couplings_read_one_half_each_and_change_the_other(dim):
    first, second = scattered(flows.real_nvp(dim, 0, 2, 16)).flows
    z = torch.randn(dim).double()
    even = torch.arange(dim) % 2 == 0
    for coupling, changed in ((first, even), (second, ~even)):
        derivative = jacobian(lambda z, f=coupling: f(z)[0], z)
        same = torch.eye(dim).double()[~changed]
        torch.testing.assert_close(derivative[~changed], same, rtol=0, atol=0)
        assert (derivative[changed][:, ~changed] != 0).all()
        own = derivative[changed][:, changed]
        assert (own - own.diagonal().diag()).abs().max() == 0
        assert (own.diagonal() != 1).all()
        torch.testing.assert_close(coupling(z)[1], own.diagonal().log().sum())
        log_scale, shift = coupling.net(z * ~changed).chunk(2)
        wanted = (z * log_scale.tanh().exp() + shift)[changed]
        torch.testing.assert_close(coupling(z)[0][changed], wanted)


@pytest.mark.parametrize("name", MAKERS)
def test_a_new_flow_of_each_kind_is_a_mild_one(name):
    """Far from it, training would begin with an absurd posterior."""
    torch.manual_seed(0)
    flow = MAKERS[name](1)
    z = torch.randn(500, DIM)
    y, log_det = flow(z, torch.randn(500, 2))
    scale = {"couplings": 0.15, "planar": 1.5, "autoregressive": 2.5}[name]
    assert log_det.abs().mean() < scale
    assert 0.5 < y.std() < 1.5


def test_couplings_begin_close_to_the_identity_and_gates_begin_open():
    torch.manual_seed(0)
    z = torch.randn(200, DIM)
    y, _ = flows.real_nvp(DIM, 0, 1, 64)(z)
    assert (y - z).abs().mean() < 0.1
    step = flows.AutoregressiveFlow(DIM, 0, 64)
    with torch.no_grad():
        step.out.weight.zero_()
    _, log_det = step(z)
    gate = torch.sigmoid(7 * torch.tanh(torch.tensor(1 / 7)))
    torch.testing.assert_close(log_det, (DIM * gate.log()).expand(200))


def test_gates_lie_between_the_logistic_function_of_minus_7_and_of_7():
    step = flows.AutoregressiveFlow(1, 0, 4).double()
    for bias, logit in ((1e6, 7.0), (-1e6, -7.0)):
        with torch.no_grad():
            step.out.weight.zero_()
            step.out.bias[0] = bias
        gate = torch.tensor(logit).double().sigmoid()
        torch.testing.assert_close(step(torch.zeros(1).double())[1], gate.log())


@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_of_a_posterior_warps_every_latent_as_the_image_says(name):
    posterior = make(name)
    q = posterior(images())
    z = q.base.rsample()
    moved = (q.flow(z, q.h)[0] - z).abs()
    assert moved.amin() > 1e-5
    by_image = jacobian(lambda h: q.flow(z, h)[0], q.h)  # (B, D, B, H)
    assert by_image[0, :, 0].abs().amax(-1).min() > 1e-6
    assert by_image[0, :, 1].abs().max() == 0  # of its own image only
    features = posterior.head(posterior.encoder(images()))[:, 2 * DIM :]
    torch.testing.assert_close(q.h, features)


@pytest.mark.parametrize("name", FLOWS)
def test_depth_is_the_number_of_steps(name):
    assert [len(make(name, depth=depth).flow.flows) for depth in (1, 3, 6)] == [1, 3, 6]


@pytest.mark.parametrize(("name", "width"), [("flow", 7), ("iaf", 9)])
def test_width_is_that_of_the_hidden_layer_of_every_step(name, width):
    for step in make(name, width=width).flow.flows:
        hidden = step.hidden if name == "iaf" else step.net.net[0]
        assert hidden.out_features == width


def level_of(q, number, above):
    return q.first if number == 0 else q.conditionals[number - 1](above)


@pytest.mark.parametrize("levels", [2, 3, 5])
@pytest.mark.parametrize("name", LEVELS)
def test_every_level_reads_the_image_and_every_latent_above_it(name, levels):
    posterior = make(name, levels=levels)
    x = images()[:1]
    z = torch.randn(1, DIM)
    end = 0
    for number, size in enumerate(posterior.sizes):
        above, end = z[:, :end], end + size

        def parameters(x, above, number=number):
            level = level_of(posterior(x), number, above)
            return torch.cat([level.mean, level.variance.log()], dim=-1)[0]

        by_image = jacobian(lambda x, f=parameters, a=above: f(x, a), x)
        assert (by_image.flatten(1).abs().amax(1) > 1e-7).all(), number
        by_latent = jacobian(lambda a, f=parameters: f(x, a), above)
        if number:
            assert (by_latent[:, 0].abs() > 1e-9).all(), number  # each output, each latent above
    assert end == DIM


def test_lower_levels_read_every_output_of_the_head():
    """Means and log-variances: both are features of the image."""
    posterior = make("hierarchical", levels=3)
    above = torch.randn(1, sum(posterior.sizes[:2]))

    def means(*outputs):
        q = posterior.distribution(*outputs)
        return torch.cat([q.conditionals[0](above[:, :1]).mean, q.conditionals[1](above).mean], 1)

    for derivative in jacobian(means, (torch.randn(1, DIM), torch.randn(1, DIM))):
        assert (derivative.abs() > 1e-9).all()


@pytest.mark.parametrize("features", [0, 3])
def test_a_network_of_latents_has_one_hidden_layer(features):
    net = LatentMLP(DIM, features, 7, 4)
    shapes = [tuple(p.shape) for p in net.parameters() if p.ndim == 2]
    assert shapes == [(7, DIM + features), (4, 7)]
    torch.manual_seed(0)
    whole = LatentMLP(DIM, features, 7, 4)
    torch.manual_seed(0)
    small = LatentMLP(DIM, features, 7, 4, output_scale=0.25)
    for name, parameter in whole.named_parameters():
        factor = 0.25 if name.startswith("net.2") else 1
        torch.testing.assert_close(small.get_parameter(name), factor * parameter)


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_every_level_of_a_ladder_reads_its_own_outputs_of_the_head(levels):
    posterior = make("ladder", levels=levels)
    head = posterior.head(posterior.encoder(images()))
    mean, log_var = head.chunk(2, dim=-1)
    q = posterior(images())
    z = torch.randn(BATCH, DIM)
    start = 0
    for number, size in enumerate(posterior.sizes):
        own = slice(start, start + size)
        found = level_of(q, number, z[:, :start])
        if number:
            prior = posterior.top_down.conditionals()[number - 1](z[:, :start])
            precision = (-log_var[:, own]).exp() + (-prior.log_var).exp()
            weighted = mean[:, own] / log_var[:, own].exp() + prior.loc / prior.log_var.exp()
            wanted = weighted / precision, 1 / precision
        else:
            wanted = mean[:, own], log_var[:, own].exp()
        torch.testing.assert_close(found.mean, wanted[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.variance, wanted[1], atol=1e-5, rtol=1e-5)
        start += size


@pytest.mark.parametrize("width", [5, 9])
@pytest.mark.parametrize("name", LEVELS)
def test_width_is_that_of_the_network_between_levels(name, width):
    posterior = make(name, levels=3, width=width)
    assert [net.net[0].out_features for net in posterior.top_down.nets] == [width, width]
    prior = HierarchicalPrior(DIM, posterior, levels=3, width=width)
    network = prior._network.module
    assert [net.net[0].out_features for net in network.nets] == [width, width]
    assert (network is posterior.top_down) == isinstance(posterior, LadderPosterior)
    own = [name for name, _ in prior.named_parameters()]
    assert bool(own) != isinstance(posterior, LadderPosterior)


def three_levels():
    """Levels of 1, 2 and 2 dimensions, each nonlinear in all above it."""
    torch.manual_seed(1)
    first = DiagonalNormal(*torch.randn(2, 4, 1).double())
    one, two = torch.randn(1, 2).double(), torch.randn(3, 2).double()
    conditionals = [
        lambda z: DiagonalNormal((z @ one).sin(), (z @ one).cos()),
        lambda z: DiagonalNormal((z @ two).cos(), (z @ two).sin()),
    ]
    return HierarchicalDistribution(first, conditionals, [1, 2, 2])


def test_the_density_of_three_levels_is_the_product_of_each_given_all_above():
    d = three_levels()
    z = torch.randn(6, 4, 5).double()
    levels = [d.first, d.conditionals[0](z[..., :1]), d.conditionals[1](z[..., :3])]
    wanted = 0
    for level, own in zip(levels, z.split([1, 2, 2], -1), strict=True):
        wanted = wanted + Normal(level.loc, (level.log_var / 2).exp()).log_prob(own).sum(-1)
    torch.testing.assert_close(d.log_prob(z), wanted)
    sample = d.rsample((6,))
    torch.testing.assert_close(d.log_prob(sample), d.log_prob(sample.clone()))
    torch.testing.assert_close(d.expand((4,)).log_prob(z), wanted)


@pytest.mark.parametrize("levels", [2, 3])
def test_each_level_of_the_prior_reads_every_latent_above_it(levels):
    prior = scattered(HierarchicalPrior(DIM, make("gaussian"), levels=levels))
    p = prior()
    z = torch.randn(DIM).double()
    end = p.sizes[0]
    for conditional, size in zip(p.conditionals, p.sizes[1:], strict=True):
        for output in ("mean", "log_var"):
            derivative = jacobian(lambda a, f=conditional, o=output: getattr(f(a), o), z[:end])
            assert derivative.shape == (size, end)
            assert (derivative.abs() > 1e-7).all()
        end += size


def test_the_flow_prior_reads_the_label_and_warps_every_dimension():
    prior = scattered(FlowPrior(DIM, 3, depth=3, width=7))
    assert [step.net.net[0].out_features for step in prior.flow.flows] == [7] * 3
    z = torch.randn(20, DIM).double()
    densities = torch.stack([prior(c.expand(20, 3)).log_prob(z) for c in torch.eye(3).double()])
    assert (densities.std(0) > 1e-6).all()
    derivative = jacobian(lambda z: prior.flow(z, torch.eye(3).double()[0])[0], z[0])
    assert (derivative - torch.eye(DIM).double()).abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("name", POSTERIORS)
def test_samples_have_noise_of_their_own_for_every_image_and_every_repetition(name):
    posterior = make(name).eval()
    x = images()[:1].expand(BATCH, *SHAPE)
    z = posterior(x).rsample((4,)).flatten(0, 1)
    distinct = 1 if name in ("dirac", "quantized") else 4 * BATCH
    assert len(z.unique(dim=0)) == distinct
    if distinct > 1:  # no latent shares its noise with another image
        assert (z.sort(0).values.diff(dim=0) > 0).all()


@pytest.mark.parametrize("name", ["dirac", "quantized"])
def test_a_point_has_no_variance_and_passes_gradients_to_the_encoder(name):
    posterior = make(name)
    q = posterior(images())
    assert q.variance.shape == (BATCH, DIM)
    assert q.variance.abs().max() == 0
    z = q.rsample((3,))
    assert q.log_prob(z).shape == (3, BATCH)
    assert q.log_prob(z).abs().max() == 0
    (gradient,) = torch.autograd.grad(z.sum(), posterior.head.bias)
    torch.testing.assert_close(gradient, torch.full((DIM,), 3.0 * BATCH))
