"""Objectives with a critic: who gets which gradient, and that the game ends where it should."""

import math

import pytest
import torch
import torch.distributions as dist
from torch import nn
from torch.nn.functional import logsigmoid, one_hot

from tests.conftest import bars
from tests.tools.two_samples import energy_distance
from vaecli.config.build import build
from vaecli.config.config import Config
from vaecli.evaluation.bounds import evaluate
from vaecli.model import VAE
from vaecli.objectives.adversarial import Adversarial
from vaecli.objectives.vaegan import VAEGAN
from vaecli.parts.distributions import Delta, DiagonalNormal
from vaecli.parts.likelihoods import LIKELIHOODS, Bernoulli
from vaecli.parts.networks import MLP
from vaecli.parts.optimizers import Adam
from vaecli.parts.priors import PRIORS, Prior, StandardNormal
from vaecli.system.errors import ConfigError

SHAPE = (1, 8, 8)
SIZE = {"latent_dim": 2, "network": "mlp:width=16,depth=1"}


class Sides(Prior):
    """A narrow normal at (-2, 0) for class 0 and at (2, 0) for class 1, one of them for neither."""

    def __init__(self, latent_dim):
        super().__init__()
        self.modes = torch.tensor([[-2.0, 0.0], [2.0, 0.0]])

    def forward(self, c=None):
        normals = DiagonalNormal(self.modes, torch.full((2, 2), -3.0))
        if c is None:
            even = dist.Categorical(torch.ones(2), validate_args=False)
            return dist.MixtureSameFamily(even, normals, validate_args=False)
        side = torch.where(c.sum(-1) > 0, c.argmax(-1), torch.randint(2, (len(c),)))
        return DiagonalNormal(self.modes[side], torch.full((len(c), 2), -3.0))


class Learned(Prior):
    def __init__(self, latent_dim):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, c=None):
        return DiagonalNormal(self.loc, torch.zeros(2))


class Scaled(Bernoulli):
    def __init__(self, decoder):
        super().__init__(decoder)
        self.scale = nn.Parameter(torch.ones(()))


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    monkeypatch.setitem(PRIORS, "sides", Sides)
    monkeypatch.setitem(PRIORS, "learned", Learned)
    monkeypatch.setitem(LIKELIHOODS, "scaled", Scaled)


def make(objective, classes=2, **options):
    config = Config(objective=objective, **SIZE, **options)
    model, objective = build(config, SHAPE, classes)
    with torch.no_grad():  # biases off zero, so that no gradient vanishes by chance
        for parameter in [*model.parameters(), *objective.parameters()]:
            parameter += 0.05 * torch.randn_like(parameter)
    return model, objective


def batch(count=12):
    images = bars(count)
    return images.pixels(slice(None)), images.one_hot_labels(slice(None))


def scored(spec, options):
    """Parts, a batch and its loss under the noise that the generator is set back to."""
    model, objective = make(spec, **options)
    x, c = batch()
    torch.manual_seed(4)
    loss = objective(model, x, c).loss
    torch.manual_seed(4)
    return model, objective, x, c, loss


def gradients(loss, module):
    """By the name of the parameter."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True))


AAE = [
    ("adversarial:weight=3", {}),
    ("adversarial:weight=3,slope=0", {"posterior": "dirac"}),
    ("adversarial:weight=3,labels=true", {"prior": "sides", "labels": 2}),
    ("adversarial:weight=3", {"prior": "sides", "conditional": True}),
    ("adversarial:weight=3,labels=true", {"conditional": True}),
]
GAN = [("vae-gan:gamma=3", {}), ("vae-gan:gamma=3,slope=0", {"conditional": True})]


@pytest.mark.parametrize(("spec", "options"), AAE)
def test_encoder_and_critic_of_an_adversarial_autoencoder_each_get_their_own_term(spec, options):
    model, objective, x, c, loss = scored(spec, options)
    got = gradients(loss, model), gradients(loss, objective)
    draw = model.draw(x, c)
    prior = model.prior(c if objective.reads_labels or model.context else None)
    real = prior.expand((len(x),)).sample().requires_grad_()
    extra = [c, 1 - c.sum(1, keepdim=True)] if objective.reads_labels else []

    def critic(z):
        return objective.critic(torch.cat([z, *extra], dim=1))

    player = draw.distortion.mean() - 3 * logsigmoid(critic(draw.z[0])).mean()
    torch.testing.assert_close(got[0], gradients(player, model))
    own = -logsigmoid(critic(real)).mean() - logsigmoid(-critic(draw.z[0].detach())).mean()
    (steep,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    own = own + objective.slope * steep.square().sum() / 2 / len(x)
    torch.testing.assert_close(got[1], gradients(own, objective))


@pytest.mark.parametrize(("spec", "options"), GAN)
def test_encoder_decoder_and_critic_of_a_vae_gan_each_get_their_own_terms(spec, options):
    model, objective, x, c, loss = scored(spec, options)
    got = [gradients(loss, part) for part in (model.posterior, model.likelihood, objective)]
    draw = model.draw(x, c)
    other = model.sample_latent(len(x), c)
    c = c if model.context else None

    def see(images):
        features = objective.critic.encoder(images, c)
        return features, objective.critic.head(features).squeeze(1)

    real = x.clone().requires_grad_()
    again, new = draw.likelihood.mean[0], model.likelihood(other, c).mean
    error = (see(real)[0].detach() - see(again)[0]).square().sum() / 2 / len(x)
    torch.testing.assert_close(got[0], gradients(3 * (draw.rate.mean() + error), model.posterior))
    game = -(logsigmoid(see(again)[1]) + logsigmoid(see(new)[1])).mean()
    torch.testing.assert_close(got[1], gradients(3 * error + game, model.likelihood))
    caught = logsigmoid(-see(again.detach())[1]) + logsigmoid(-see(new.detach())[1])
    own = -(logsigmoid(see(real)[1]) + caught).mean()
    (steep,) = torch.autograd.grad(see(real)[1].sum(), real, create_graph=True)
    own = own + objective.slope * steep.square().sum() / 2 / len(x)
    torch.testing.assert_close(got[2], gradients(own, objective))


@pytest.mark.parametrize(("spec", "options"), AAE + GAN)
def test_every_parameter_gets_a_gradient(spec, options):
    model, objective = make(spec, **options)
    objective(model, *batch(64)).loss.backward()
    for name, parameter in [*model.named_parameters(), *objective.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("spec", "options"), AAE + GAN)
def test_evaluation_records_no_gradient_and_logs_the_game(spec, options):
    model, objective = make(spec, **options)
    means = evaluate(model, objective, bars(20), seed=0)
    assert list(means)[:2] == ["loss", "distortion"]
    assert {"critic", "fooled"} <= set(means)
    assert all(map(math.isfinite, means.values()))
    assert 0 <= means["fooled"] <= 1
    assert objective.has_critic


def test_a_game_without_weight_leaves_an_autoencoder():
    model, objective = make("adversarial:weight=0", posterior="dirac")
    x, c = batch()
    got = gradients(objective(model, x, c).loss, model)
    torch.testing.assert_close(got, gradients(model.draw(x).distortion.mean(), model))


def test_the_critic_sees_labels_and_a_class_of_its_own_for_the_unknown():
    model, objective = make("adversarial:labels=true", prior="sides", labels=2)
    x, _ = batch(8)
    seen = []
    objective.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 2:]))
    objective(model, x, one_hot(torch.tensor([0, 1, 1, 0, 0, 1, 0, 1]), 2).float())
    objective(model, x, torch.zeros(8, 2))
    known, unknown = seen[0], seen[3]
    assert len(seen) == 6
    assert all(torch.equal(label, known) for label in seen[:3])
    assert known.tolist()[:2] == [[1, 0, 0], [0, 1, 0]]
    assert unknown.tolist() == [[0, 0, 1]] * 8


class Linear(nn.Module):
    """Images of four pixels to points on a plane."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 2)
        nn.init.ones_(self.map.bias)

    def forward(self, x, c=None):
        return Delta(self.map(10 * x.flatten(1) - 5))


def noise(count, spread=0.1):
    return 0.5 + spread * torch.randn(count, 1, 2, 2)


def trained(prior, draw, **options):
    """An adversarial autoencoder after 300 batches of `draw(64)`, images and labels."""
    torch.manual_seed(0)
    decoder = MLP(width=8, depth=1).decoder(2, (1, 2, 2), 0)
    model = VAE(Linear(), prior, Bernoulli(lambda _: decoder))
    objective = Adversarial(prior, 2, 0, 2, width=32, **options)
    optimizer = Adam([*model.parameters(), *objective.parameters()], 1e-2)
    for _ in range(300):
        objective(model, *draw(64)).loss.backward()
        optimizer.step()
    return model


def test_the_aggregate_posterior_becomes_the_prior():
    """Images of normal noise under a linear encoder have a normal that is N(0, I) to find."""
    model = trained(StandardNormal(2), lambda count: (noise(count), None))
    images, latents = noise(2000), model.sample_latent(2000)
    assert energy_distance(Linear()(images).mean, latents) > 0.5
    assert energy_distance(model.embed(images), latents) < 0.02


def test_each_class_takes_its_own_part_of_the_prior():
    def draw(count):
        label = torch.randint(2, (count,))
        images = noise(count, spread=0.05)
        images[:, 0, 0, 0] += 0.4 * (label - 0.5)
        c = one_hot(label, 2).float()
        return images, c * (torch.rand(count, 1) < 0.5)  # half of them are not known

    model = trained(Sides(2), draw, labels=True)
    x, c = draw(1000)
    left, right = (model.embed(x[c[:, k] == 1]).mean(0) for k in (0, 1))
    torch.testing.assert_close(left, torch.tensor([-2.0, 0.0]), atol=0.2, rtol=0)
    torch.testing.assert_close(right, torch.tensor([2.0, 0.0]), atol=0.2, rtol=0)


REFUSED = [
    (
        "adversarial",
        {"prior": "learned"},
        "The adversarial objective imposes a prior that is fixed: use --prior normal.",
    ),
    (
        "adversarial:labels=true",
        {"labels": 2},
        "labels=true needs a prior with a part for each class: use --prior ring.",
    ),
    (
        "adversarial:labels=true",
        {"prior": "ring:components=2", "labels": 3, "classes": 3},
        "3 classes need a prior with components=3 or more.",
    ),
    (
        "adversarial:labels=true",
        {"prior": "sides", "labels": 2, "classes": 0},
        "adversarial:labels=true needs images with labels: these have none.",
    ),
    (
        "vae-gan",
        {"likelihood": "scaled"},
        "vae-gan trains no scale of pixels: use --likelihood bernoulli.",
    ),
    (
        "vae-gan",
        {"posterior": "dirac"},
        "The objective vae-gan needs a posterior with a density, which dirac has not: use "
        "--posterior gaussian, or --objective elbo:beta=0, an autoencoder.",
    ),
]


@pytest.mark.parametrize(("objective", "options", "sentence"), REFUSED)
def test_what_cannot_be_paired_is_refused_in_one_sentence(objective, options, sentence):
    with pytest.raises(ConfigError) as refused:
        make(objective, **options)
    assert str(refused.value) == sentence


def test_the_error_of_a_vae_gan_is_nothing_for_a_perfect_reconstruction(monkeypatch):
    model, objective = make("vae-gan")
    assert isinstance(objective, VAEGAN)
    torch.manual_seed(1)
    x = model.draw(torch.zeros(5, *SHAPE)).likelihood.mean[0].detach()
    monkeypatch.setattr(model.posterior, "forward", lambda x, c=None: Delta(torch.zeros(5, 2)))
    perfect = model.likelihood(torch.zeros(5, 2)).mean.detach()
    assert objective(model, perfect).logged["error"] == 0
    assert objective(model, x).logged["error"] > 0
