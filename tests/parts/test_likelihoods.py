import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from vaecli.config.build import build, make_part
from vaecli.config.config import Config
from vaecli.config.spec import Spec
from vaecli.parts.likelihoods import LIKELIHOODS, Bernoulli
from vaecli.parts.networks import MLP
from vaecli.system.errors import ConfigError

SHAPE = (2, 2, 2)
SPECS = [
    "bernoulli",
    "continuous-bernoulli",
    "gaussian",
    "gaussian:scale=pixel",
    "laplace",
    "laplace:scale=pixel",
    "logistic",
    "logistic:mixtures=3",
]
LEVELS = torch.arange(256, dtype=torch.float64) / 255
EXTREME = [-1e4, -30.0, 0.0, 30.0, 1e4]


class Given(nn.Module):
    """A decoder that gives these maps for every latent."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, z, c=None):
        return self.maps.expand(len(z), *self.maps.shape)


def make(spec, shape=SHAPE):
    """The likelihood with a decoder of its own, and the number of maps."""
    network = MLP(width=6, depth=1)
    made = make_part(
        Spec.parse(spec),
        "likelihood",
        decoder=lambda maps: network.decoder(3, (maps * shape[0], *shape[1:]), 0),
    )
    return made, made.maps


def one_pixel(spec, count=12, spread=3.0):
    """The pixel distribution of random maps, shape `(count, 1, 1, 1)`."""
    torch.manual_seed(1)
    likelihood, maps = make(spec)
    return likelihood.pixels(*(spread * torch.randn(maps, count, 1, 1, 1, dtype=torch.float64)))


def log_mass(spec, pixels):
    """Logarithm of the mass over all values that a pixel can take, by sum or quadrature."""
    name = spec.partition(":")[0]
    if name == "bernoulli":
        return pixels.log_prob(torch.tensor([0.0, 1.0])).logsumexp(-1)
    if name == "logistic":
        return pixels.log_prob(LEVELS.to(pixels.mean.dtype)).logsumexp(-1)
    low, high = (0, 1) if name == "continuous-bernoulli" else (-9, 10)
    edges = torch.linspace(low, high, 160_001, dtype=torch.float64)
    middles = (edges[1:] + edges[:-1]) / 2
    return pixels.log_prob(middles).logsumexp(-1) + (edges[1] - edges[0]).log()


@pytest.mark.parametrize("spec", SPECS)
def test_a_pixel_has_mass_one(spec):
    mass = log_mass(spec, one_pixel(spec)).exp()
    torch.testing.assert_close(mass, torch.ones_like(mass), atol=1e-3, rtol=0)


@pytest.mark.parametrize("spec", ["bernoulli", "logistic", "logistic:mixtures=3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_sum_to_one_at_extreme_maps_too(spec, dtype):
    likelihood, maps = make(spec)
    grid = torch.cartesian_prod(*[torch.tensor(EXTREME, dtype=dtype)] * min(maps, 2))
    grid = grid.reshape(len(grid), -1).repeat(1, maps)[:, :maps]
    mass = log_mass(spec, likelihood.pixels(*grid.T[..., None, None, None])).exp()
    exact = 1e-5 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(mass, torch.ones_like(mass), atol=exact, rtol=0)


@pytest.mark.parametrize("logit", [0.0, 1e-4, 0.1999, 0.2001, -1.0, 20.0, -40.0, 1000.0, 1e4])
def test_a_continuous_bernoulli_integrates_to_one_in_float32_at_any_logit(logit):
    likelihood, _ = make("continuous-bernoulli")
    away = torch.logspace(-9, 0, 4001, dtype=torch.float64)  # from the edge where the mass is
    x = (1 - away if logit > 0 else away).float()
    density = likelihood.pixels(torch.tensor(logit)).log_prob(x.double()).exp()
    assert torch.trapezoid(density, away).item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("spec", SPECS)
def test_the_mean_is_that_of_the_mass(spec):
    pixels = one_pixel(spec)
    if spec.startswith("logistic"):
        x = LEVELS
        wanted, close = (pixels.log_prob(x).exp() * x).sum(-1), 0.5 / 255
    elif spec == "bernoulli":
        wanted, close = pixels.log_prob(torch.tensor(1.0)).exp().flatten(), 1e-6
    else:
        low, high = (0, 1) if spec == "continuous-bernoulli" else (-9, 10)
        x = torch.linspace(low, high, 60_001, dtype=torch.float64)
        wanted, close = torch.trapezoid(pixels.log_prob(x).exp() * x, x), 1e-3
    torch.testing.assert_close(pixels.mean.flatten(), wanted.double().flatten(), atol=close, rtol=0)


@pytest.mark.parametrize("spec", SPECS)
def test_means_lie_between_black_and_white_at_any_maps(spec):
    likelihood, maps = make(spec)
    grid = torch.tensor(EXTREME).expand(maps, -1)
    for shift in range(5):
        grid = torch.stack([row.roll(shift * n) for n, row in enumerate(grid)])
        mean = likelihood.pixels(*grid).mean
        assert mean.min() >= 0
        assert mean.max() <= 1


def test_a_bernoulli_scores_grey_pixels_by_cross_entropy():
    torch.manual_seed(0)
    likelihood, _ = make("bernoulli")
    z, x = torch.randn(5, 3), torch.rand(5, *SHAPE)
    mean = likelihood(z).mean
    cross_entropy = (x * mean.log() + (1 - x) * (1 - mean).log()).sum((1, 2, 3))
    torch.testing.assert_close(likelihood(z).log_prob(x), cross_entropy)


def test_a_bernoulli_is_torchs_at_any_logit_and_so_is_its_gradient():
    logits = torch.tensor([-1e4, -90.0, -3.0, 0.0, 1.0, 30.0, 1e4])
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    x = torch.tensor([[0.0], [0.3], [1.0]])
    found = make("bernoulli")[0].pixels(ours)
    wanted = torch.distributions.Bernoulli(logits=theirs)
    torch.testing.assert_close(
        found.log_prob(x), -torch.nn.functional.softplus(logits) + x * logits
    )
    torch.testing.assert_close(found.mean, wanted.mean)
    found.log_prob(x).sum().backward()
    torch.nn.functional.binary_cross_entropy_with_logits(
        theirs.expand(3, 7), x.expand(3, 7), reduction="sum"
    ).neg().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_continuous_bernoulli_is_torchs_where_that_is_precise():
    a, x = torch.linspace(-12, 12, 97, dtype=torch.float64), torch.rand(50, 1)
    pixels = make("continuous-bernoulli")[0].pixels(a)
    theirs = torch.distributions.ContinuousBernoulli(logits=a, lims=(0.4999, 0.5001))
    torch.testing.assert_close(pixels.log_prob(x), theirs.log_prob(x), atol=1e-6, rtol=0)
    torch.testing.assert_close(pixels.mean, theirs.mean, atol=1e-6, rtol=0)


def test_the_continuous_bernoulli_learns_from_the_mean():
    """`d log p / d a = x - mean` for every exponential family, also at 0 and next to it."""
    a = torch.tensor([-1e4, -3.0, -0.2001, -0.1999, -1e-6, 0.0, 0.1, 0.3, 1e4], requires_grad=True)
    pixels = make("continuous-bernoulli")[0].pixels(a)
    pixels.log_prob(torch.tensor(0.3)).sum().backward()
    torch.testing.assert_close(a.grad, 0.3 - pixels.mean.detach(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("scale", ["shared", "pixel"])
def test_gaussian_and_laplace_are_their_textbook_formulas(scale):
    torch.manual_seed(0)
    x, location, raw = torch.rand(3, *SHAPE), torch.randn(SHAPE), torch.randn(SHAPE)
    maps = torch.cat([location, raw]) if scale == "pixel" else location
    s = 256 ** -torch.sigmoid(-raw) if scale == "pixel" else torch.tensor(1 / 16)
    error = x - 1 / (1 + (-location).exp())
    normal = -0.5 * (error / s).square() - s.log() - 0.5 * math.log(2 * math.pi)
    laplace = -error.abs() / s - (2 * s).log()
    for name, wanted in (("gaussian", normal), ("laplace", laplace)):
        likelihood = LIKELIHOODS[name](lambda _: Given(maps), scale=scale)
        torch.testing.assert_close(likelihood(torch.zeros(3, 2)).log_prob(x), wanted.sum((1, 2, 3)))


def test_the_shared_scale_learns_the_root_of_the_mean_squared_error():
    """The optimal scale of the sigma-VAE is where the gradient of the shared one vanishes."""
    torch.manual_seed(0)
    likelihood, x = (
        LIKELIHOODS["gaussian"](lambda _: Given(torch.zeros(SHAPE))),
        torch.rand(500, *SHAPE),
    )
    optimal = (x - 0.5).square().mean().sqrt()
    with torch.no_grad():  # optimal = 256 ** -sigmoid(-raw)
        likelihood.scale.copy_(-torch.logit(-optimal.log() / math.log(256)))
    score = likelihood(torch.zeros(500, 2)).log_prob(x).mean()
    score.backward()
    assert likelihood.scale.grad.abs() < 1e-4
    assert score.item() == pytest.approx(Normal(0.5, optimal).log_prob(x).sum((1, 2, 3)).mean())


@pytest.mark.parametrize("mixtures", [1, 3])
def test_a_logistic_is_the_difference_of_two_logistic_functions(mixtures):
    """In double precision, component by component, with the tails in the first and last level."""
    torch.manual_seed(0)
    likelihood, count = make(f"logistic:mixtures={mixtures}")
    maps = torch.randn(count, 30, dtype=torch.float64)
    m, s = 0.5 + maps[:mixtures] / 4, 4096 ** -torch.sigmoid(-maps[mixtures : 2 * mixtures])
    weights = maps[2 * mixtures :].softmax(0) if mixtures > 1 else torch.ones(1, 30)
    for level in (0, 1, 100, 254, 255):
        upper = torch.sigmoid(((level + 0.5) / 255 - m) / s) if level < 255 else 1
        lower = torch.sigmoid(((level - 0.5) / 255 - m) / s) if level > 0 else 0
        wanted = (weights * (upper - lower)).sum(0)
        got = likelihood.pixels(*maps).log_prob(LEVELS[level]).exp()
        torch.testing.assert_close(got, wanted, atol=1e-12, rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_scores_and_gradients_are_finite_at_extreme_maps(spec):
    likelihood, count = make(spec)
    values = torch.cartesian_prod(*[torch.tensor(EXTREME)] * min(count, 3)).reshape(-1, 1)
    maps = torch.cat([values.view(-1, min(count, 3))] * 3, dim=1)[:, :count].requires_grad_()
    scores = likelihood.pixels(*maps.T).log_prob(torch.tensor([[0.0], [1.0], [0.5], [1 / 255]]))
    scores.sum().backward()
    assert scores.isfinite().all()
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_reach_every_map(spec):
    torch.manual_seed(0)
    likelihood, count = make(spec)
    maps = torch.randn(count, 4, 1, 5, 5, requires_grad=True)
    likelihood.pixels(*maps).log_prob(torch.rand(1, 5, 5)).sum().backward()
    assert (maps.grad.abs() > 1e-6).flatten(1).float().mean(1).min() > 0.4
    for name, parameter in likelihood.named_parameters():
        assert parameter.requires_grad, name


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("network", ["mlp:width=16", "conv:width=4", "resnet:width=4"])
def test_an_untrained_decoder_gives_about_the_mean_image(spec, network):
    torch.manual_seed(0)
    image = torch.rand(2, 8, 8)
    image[0, :3], image[1, 5:] = 0, 1
    config = Config(latent_dim=2, network=f"{network},bias=data", likelihood=spec)
    model, _ = build(config, (2, 8, 8), mean=lambda: image)
    unset, _ = build(config, (2, 8, 8))
    assert (model.sample(50).mean(0) - image).abs().mean() < 0.1
    assert (unset.sample(50).mean(0) - image).abs().mean() > 0.2


@pytest.mark.parametrize("spec", SPECS)
def test_the_maps_for_a_mean_give_this_mean(spec):
    likelihood, count = make(spec)
    image = torch.linspace(0, 1, 8).view(SHAPE)
    maps = likelihood.maps_for(image)
    assert maps.shape == (count * 2, 2, 2)
    mean = likelihood.pixels(*maps.chunk(count)).mean
    torch.testing.assert_close(mean, image, atol=0.021, rtol=0)


@pytest.mark.parametrize("spec", SPECS)
def test_every_parameter_gets_a_gradient(spec):
    config = Config(latent_dim=2, network="mlp:width=16,depth=1", likelihood=spec)
    model, objective = build(config, (1, 8, 8))
    objective(model, torch.rand(6, 1, 8, 8)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_densities_are_no_probabilities_and_a_grey_bernoulli_is_neither():
    assert make("bernoulli")[0].protocol("none") == (
        "grey pixels under a Bernoulli: a loss, not a likelihood"
    )
    for spec in SPECS:
        likelihood, _ = make(spec)
        words = {b: likelihood.protocol(b) for b in ("none", "dynamic", "threshold")}
        assert len(set(words.values())) == 3
        discrete = spec.startswith(("bernoulli", "logistic"))
        assert words["dynamic"].startswith("a probability" if discrete else "a density")
        if not discrete:
            assert words["none"] == "a density of grey pixels in [0, 1]: can be negative"


def test_an_unknown_scale_is_answered_with_those_there():
    with pytest.raises(ConfigError, match="'scale' should be 'shared' or 'pixel'"):
        build(Config(likelihood="gaussian:scale=optimal"), (1, 8, 8))


def test_context_broadcasts_over_samples():
    torch.manual_seed(0)
    likelihood = Bernoulli(lambda _: MLP(width=6, depth=1).decoder(3, SHAPE, 4))
    pictures = likelihood(torch.zeros(5, 4, 3), torch.eye(4)).mean
    torch.testing.assert_close(pictures[0], pictures[4])
    assert len(pictures[0].unique(dim=0)) == 4
