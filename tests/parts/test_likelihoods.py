import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import nn
from torch.distributions import Normal

from tests.builders import build, make_part
from vaecli.config.config import Config
from vaecli.config.spec import Spec
from vaecli.parts.likelihoods import LIKELIHOODS, BernoulliLikelihood
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
    "logistic:components=3",
]
LEVELS = torch.arange(256, dtype=torch.float64) / 255
EXTREME = [-1e4, -30.0, 0.0, 30.0, 1e4]


class ConstantDecoder(nn.Module):
    """A decoder with the same output for every latent."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, z, c=None):
        return self.output.expand(len(z), *self.output.shape)


def make(spec, shape=SHAPE):
    """The likelihood with a decoder, and its number of parameters per pixel."""
    network = MLP(width=6, depth=1)

    def make_decoder(params_per_pixel):
        return network.decoder(3, (params_per_pixel * shape[0], *shape[1:]), 0)

    made = make_part(spec, "likelihood", make_decoder=make_decoder)
    return made, made.params_per_pixel


def one_pixel(spec, count=12, spread=3.0):
    """The pixel distribution of random parameters, shape `(count, 1, 1, 1)`."""
    torch.manual_seed(1)
    likelihood, number = make(spec)
    params = spread * torch.randn(number, count, 1, 1, 1, dtype=torch.float64)
    return likelihood.pixel_distribution(*params)


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
def test_a_pixel_has_total_mass_one(spec):
    mass = log_mass(spec, one_pixel(spec)).exp()
    torch.testing.assert_close(mass, torch.ones_like(mass), atol=1e-3, rtol=0)


@pytest.mark.parametrize("spec", ["bernoulli", "logistic", "logistic:components=3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_sum_to_one_also_with_extreme_parameters(spec, dtype):
    likelihood, number = make(spec)
    grid = torch.cartesian_prod(*[torch.tensor(EXTREME, dtype=dtype)] * min(number, 2))
    grid = grid.reshape(len(grid), -1).repeat(1, number)[:, :number]
    mass = log_mass(spec, likelihood.pixel_distribution(*grid.T[..., None, None, None])).exp()
    exact = 1e-5 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(mass, torch.ones_like(mass), atol=exact, rtol=0)


@pytest.mark.parametrize("logit", [0.0, 1e-4, 0.1999, 0.2001, -1.0, 20.0, -40.0, 1000.0, 1e4])
def test_a_continuous_bernoulli_integrates_to_one_in_float32_at_any_logit(logit):
    likelihood, _ = make("continuous-bernoulli")
    away = torch.logspace(-9, 0, 4001, dtype=torch.float64)  # from the edge where the mass is
    x = (1 - away if logit > 0 else away).float()
    density = likelihood.pixel_distribution(torch.tensor(logit)).log_prob(x.double()).exp()
    assert torch.trapezoid(density, away).item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("spec", SPECS)
def test_the_mean_equals_that_by_sum_or_quadrature(spec):
    pixels = one_pixel(spec)
    if spec.startswith("logistic"):
        x = LEVELS
        wanted = (pixels.log_prob(x).exp() * x).sum(-1)
        close = 0.5 / 255
    elif spec == "bernoulli":
        wanted = pixels.log_prob(torch.tensor(1.0)).exp().flatten()
        close = 1e-6
    else:
        low, high = (0, 1) if spec == "continuous-bernoulli" else (-9, 10)
        x = torch.linspace(low, high, 60_001, dtype=torch.float64)
        wanted = torch.trapezoid(pixels.log_prob(x).exp() * x, x)
        close = 1e-3
    torch.testing.assert_close(pixels.mean.flatten(), wanted.double().flatten(), atol=close, rtol=0)


@pytest.mark.parametrize("spec", SPECS)
def test_means_lie_between_black_and_white_with_any_parameters(spec):
    likelihood, number = make(spec)
    grid = torch.tensor(EXTREME).expand(number, -1)
    for shift in range(5):
        grid = torch.stack([row.roll(shift * n) for n, row in enumerate(grid)])
        mean = likelihood.pixel_distribution(*grid).mean
        assert mean.min() >= 0
        assert mean.max() <= 1


def test_a_bernoulli_scores_grey_pixels_by_cross_entropy():
    torch.manual_seed(0)
    likelihood, _ = make("bernoulli")
    z = torch.randn(5, 3)
    x = torch.rand(5, *SHAPE)
    mean = likelihood(z).mean
    cross_entropy = (x * mean.log() + (1 - x) * (1 - mean).log()).sum((1, 2, 3))
    torch.testing.assert_close(likelihood(z).log_prob(x), cross_entropy)


def test_bernoulli_and_its_gradient_equal_those_of_torch_at_any_logit():
    logits = torch.tensor([-1e4, -90.0, -3.0, 0.0, 1.0, 30.0, 1e4])
    ours = logits.clone().requires_grad_()
    theirs = logits.clone().requires_grad_()
    x = torch.tensor([[0.0], [0.3], [1.0]])
    found = make("bernoulli")[0].pixel_distribution(ours)
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


def test_a_continuous_bernoulli_equals_that_of_torch_where_that_is_precise():
    a = torch.linspace(-12, 12, 97, dtype=torch.float64)
    x = torch.rand(50, 1)
    pixels = make("continuous-bernoulli")[0].pixel_distribution(a)
    theirs = torch.distributions.ContinuousBernoulli(logits=a, lims=(0.4999, 0.5001))
    torch.testing.assert_close(pixels.log_prob(x), theirs.log_prob(x), atol=1e-6, rtol=0)
    torch.testing.assert_close(pixels.mean, theirs.mean, atol=1e-6, rtol=0)


def test_the_gradient_of_a_continuous_bernoulli_is_x_minus_the_mean():
    """`d log p / d a = x - mean` for every exponential family, also at 0 and next to it."""
    a = torch.tensor([-1e4, -3.0, -0.2001, -0.1999, -1e-6, 0.0, 0.1, 0.3, 1e4], requires_grad=True)
    pixels = make("continuous-bernoulli")[0].pixel_distribution(a)
    pixels.log_prob(torch.tensor(0.3)).sum().backward()
    torch.testing.assert_close(a.grad, 0.3 - pixels.mean.detach(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("scale", ["shared", "pixel"])
def test_gaussian_and_laplace_follow_the_textbook_formulas(scale):
    torch.manual_seed(0)
    x = torch.rand(3, *SHAPE)
    location = torch.randn(SHAPE)
    raw = torch.randn(SHAPE)
    params = torch.cat([location, raw]) if scale == "pixel" else location
    s = 256 ** -torch.sigmoid(-raw) if scale == "pixel" else torch.tensor(1 / 16)
    error = x - 1 / (1 + (-location).exp())
    normal = -0.5 * (error / s).square() - s.log() - 0.5 * math.log(2 * math.pi)
    laplace = -error.abs() / s - (2 * s).log()
    for name, wanted in (("gaussian", normal), ("laplace", laplace)):
        likelihood = LIKELIHOODS[name](lambda _: ConstantDecoder(params), scale=scale)
        torch.testing.assert_close(likelihood(torch.zeros(3, 2)).log_prob(x), wanted.sum((1, 2, 3)))


def test_the_shared_scale_is_optimal_at_the_root_mean_squared_error():
    """The optimal scale of the sigma-VAE is where the gradient of the shared one vanishes."""
    torch.manual_seed(0)
    likelihood = LIKELIHOODS["gaussian"](lambda _: ConstantDecoder(torch.zeros(SHAPE)))
    x = torch.rand(500, *SHAPE)
    optimal = (x - 0.5).square().mean().sqrt()
    with torch.no_grad():  # optimal = 256 ** -sigmoid(-raw)
        likelihood.scale.copy_(-torch.logit(-optimal.log() / math.log(256)))
    log_prob = likelihood(torch.zeros(500, 2)).log_prob(x).mean()
    log_prob.backward()
    assert likelihood.scale.grad.abs() < 1e-4
    assert log_prob.item() == pytest.approx(Normal(0.5, optimal).log_prob(x).sum((1, 2, 3)).mean())


@pytest.mark.parametrize("components", [1, 3])
def test_a_logistic_is_the_difference_of_two_logistic_functions(components):
    """In double precision, component by component, with the tails in the first and last level."""
    torch.manual_seed(0)
    likelihood, count = make(f"logistic:components={components}")
    params = torch.randn(count, 30, dtype=torch.float64)
    m = 0.5 + params[:components] / 4
    s = 4096 ** -torch.sigmoid(-params[components : 2 * components])
    weights = params[2 * components :].softmax(0) if components > 1 else torch.ones(1, 30)
    for level in (0, 1, 100, 254, 255):
        upper = torch.sigmoid(((level + 0.5) / 255 - m) / s) if level < 255 else 1
        lower = torch.sigmoid(((level - 0.5) / 255 - m) / s) if level > 0 else 0
        wanted = (weights * (upper - lower)).sum(0)
        got = likelihood.pixel_distribution(*params).log_prob(LEVELS[level]).exp()
        torch.testing.assert_close(got, wanted, atol=1e-12, rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_log_probabilities_and_gradients_are_finite_with_extreme_parameters(spec):
    likelihood, count = make(spec)
    values = torch.cartesian_prod(*[torch.tensor(EXTREME)] * min(count, 3)).reshape(-1, 1)
    params = torch.cat([values.view(-1, min(count, 3))] * 3, dim=1)[:, :count].requires_grad_()
    log_probs = likelihood.pixel_distribution(*params.T).log_prob(
        torch.tensor([[0.0], [1.0], [0.5], [1 / 255]])
    )
    log_probs.sum().backward()
    assert log_probs.isfinite().all()
    assert params.grad.isfinite().all()


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_reach_every_parameter_of_a_pixel(spec):
    torch.manual_seed(0)
    likelihood, count = make(spec)
    params = torch.randn(count, 4, 1, 5, 5, requires_grad=True)
    likelihood.pixel_distribution(*params).log_prob(torch.rand(1, 5, 5)).sum().backward()
    assert (params.grad.abs() > 1e-6).flatten(1).float().mean(1).min() > 0.4
    for name, parameter in likelihood.named_parameters():
        assert parameter.requires_grad, name


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("network", ["mlp:width=16", "conv:width=4", "resnet:width=4"])
def test_an_untrained_decoder_gives_about_the_mean_image(spec, network):
    torch.manual_seed(0)
    image = torch.rand(2, 8, 8)
    image[0, :3] = 0
    image[1, 5:] = 1
    config = Config(latent_dim=2, network=f"{network},output_bias=data", likelihood=spec)
    model, _ = build(config, (2, 8, 8), mean=lambda: image)
    unset, _ = build(config, (2, 8, 8))
    assert (model.sample(50).mean(0) - image).abs().mean() < 0.1
    assert (unset.sample(50).mean(0) - image).abs().mean() > 0.2


@pytest.mark.parametrize("spec", SPECS)
def test_parameters_for_a_mean_give_this_mean(spec):
    likelihood, count = make(spec)
    image = torch.linspace(0, 1, 8).view(SHAPE)
    params = likelihood.params_for_mean(image)
    assert params.isfinite().all()  # also where all images are black, or all white
    assert params.shape == (count * 2, 2, 2)
    mean = likelihood.pixel_distribution(*params.chunk(count)).mean
    torch.testing.assert_close(mean, image, atol=0.021, rtol=0)


@pytest.mark.parametrize("spec", SPECS)
def test_every_parameter_gets_a_gradient(spec):
    config = Config(latent_dim=2, network="mlp:width=16,depth=1", likelihood=spec)
    model, objective = build(config, (1, 8, 8))
    objective(model, torch.rand(6, 1, 8, 8)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_protocol_says_density_probability_or_loss():
    assert make("bernoulli")[0].protocol("none") == (
        "grey pixels under a Bernoulli: a loss, not a probability"
    )
    for spec in SPECS:
        likelihood, _ = make(spec)
        words = {b: likelihood.protocol(b) for b in ("none", "dynamic", "threshold")}
        assert len(set(words.values())) == 3
        discrete = spec.startswith(("bernoulli", "logistic"))
        assert words["dynamic"].startswith("a probability" if discrete else "a density")
        if not discrete:
            assert words["none"] == (
                "a density, not dequantized, of grey pixels in [0, 1]: the loss can be negative"
            )
            for text in words.values():
                assert text.startswith("a density, not dequantized, of ")
                assert text.endswith(": the loss can be negative")


@pytest.mark.parametrize("spec", SPECS)
def test_only_grey_pixels_of_a_bernoulli_are_not_normalized(spec):
    likelihood, _ = make(spec)
    assert likelihood.is_normalized("none") == (spec != "bernoulli")
    assert likelihood.is_normalized("dynamic")
    assert likelihood.is_normalized("threshold")


def test_an_unknown_scale_is_refused_with_the_list_of_scales():
    with pytest.raises(ConfigError, match="'scale' should be 'shared' or 'pixel'"):
        build(Config(likelihood="gaussian:scale=optimal"), (1, 8, 8))


def test_context_broadcasts_over_samples():
    torch.manual_seed(0)
    likelihood = BernoulliLikelihood(lambda _: MLP(width=6, depth=1).decoder(3, SHAPE, 4))
    pictures = likelihood(torch.zeros(5, 4, 3), torch.eye(4)).mean
    torch.testing.assert_close(pictures[0], pictures[4])
    assert len(pictures[0].unique(dim=0)) == 4


SCIPY = {
    "bernoulli": lambda x, loc: stats.bernoulli.logpmf(x, special.expit(loc)),
    "gaussian:scale=pixel": lambda x, loc, raw: stats.norm.logpdf(
        x, special.expit(loc), 256.0 ** -special.expit(-raw)
    ),
    "laplace:scale=pixel": lambda x, loc, raw: stats.laplace.logpdf(
        x, special.expit(loc), 256.0 ** -special.expit(-raw)
    ),
    "continuous-bernoulli": lambda x, a: (
        a * x + np.log(np.where(np.abs(a) < 1e-9, 1, a / np.expm1(a)))
    ),
}


@pytest.mark.parametrize("spec", SCIPY)
def test_densities_equal_those_of_scipy(spec):
    torch.manual_seed(3)
    likelihood, number = make(spec)
    params = 2 * torch.randn(number, 50, dtype=torch.float64)
    x = torch.rand(4, 50, dtype=torch.float64)
    if spec == "bernoulli":
        x = x.round()
    found = likelihood.pixel_distribution(*params).log_prob(x)
    wanted = SCIPY[spec](x.numpy(), *params.numpy())
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("components", [1, 3])
def test_a_logistic_equals_the_difference_of_scipys_and_takes_the_nearest_level(components):
    torch.manual_seed(0)
    likelihood, number = make(f"logistic:components={components}")
    params = torch.randn(number, 20, dtype=torch.float64)
    m, s = params[:components].numpy(), params[components : 2 * components].numpy()
    m, s = 0.5 + m / 4, 4096.0 ** -special.expit(-s)
    weights = np.ones((1, 20))
    if components > 1:
        weights = special.softmax(params[2 * components :].numpy(), axis=0)
    pixels = likelihood.pixel_distribution(*params)
    for level in (0, 1, 77, 254, 255):
        upper = np.inf if level == 255 else (level + 0.5) / 255
        lower = -np.inf if level == 0 else (level - 0.5) / 255
        mass = stats.logistic.cdf(upper, m, s) - stats.logistic.cdf(lower, m, s)
        for x in (level, level + 0.4, level - 0.4):  # binarized means, or pixels of 16 bits
            found = pixels.log_prob(torch.tensor(x / 255).double()).exp()
            np.testing.assert_allclose(found, (weights * mass).sum(0), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("spec", SPECS)
def test_parameters_of_pixels_are_read_channel_by_channel(spec):
    """Of C channels, the first C maps are the first parameter of each, and so on."""
    torch.manual_seed(0)
    likelihood, number = make(spec)
    params = torch.randn(number, *SHAPE)
    likelihood = type(likelihood)(
        lambda _: ConstantDecoder(params.flatten(0, 1)), **part_options_of(spec)
    )
    x = torch.rand(3, *SHAPE).round()
    wanted = likelihood.pixel_distribution(*params).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(likelihood(torch.zeros(3, 2)).log_prob(x), wanted)


def part_options_of(spec):
    return Spec.parse(spec).resolve(LIKELIHOODS, "likelihood").options


@pytest.mark.parametrize("spec", SPECS)
def test_densities_are_single_precision_also_after_a_decoder_in_bf16(spec):
    likelihood, _ = make(spec)
    with torch.autocast("cpu", torch.bfloat16):
        assert likelihood.decoder(torch.zeros(3, 3)).dtype == torch.bfloat16
        assert likelihood(torch.zeros(3, 3)).log_prob(torch.rand(3, *SHAPE)).dtype == torch.float32


@pytest.mark.parametrize(("spec", "smallest"), [("gaussian", 256), ("laplace", 256)])
def test_a_scale_lies_between_one_grey_level_and_1(spec, smallest):
    likelihood, _ = make(f"{spec}:scale=pixel")
    zero = torch.zeros(3)
    found = likelihood.pixel_distribution(zero, torch.tensor([-1e4, 0, 1e4])).scale
    torch.testing.assert_close(found, torch.tensor([1 / smallest, smallest**-0.5, 1.0]))


def test_the_scale_of_a_logistic_lies_between_a_sixteenth_of_a_grey_level_and_1():
    likelihood, _ = make("logistic")
    pixels = likelihood.pixel_distribution(torch.zeros(3), torch.tensor([-1e4, 0, 1e4]))
    levels = pixels.component_distribution
    torch.testing.assert_close(levels.scale[:, 0], torch.tensor([1 / 4096, 1 / 64, 1.0]))
    torch.testing.assert_close(levels.loc[:, 0], torch.full((3,), 0.5))
