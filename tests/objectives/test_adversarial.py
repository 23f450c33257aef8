"""Objectives with a discriminator: which term trains which part, and what training reaches."""

import math

import pytest
import torch
import torch.distributions as dist
from torch import nn
from torch.nn.functional import logsigmoid, one_hot

from tests.builders import build
from tests.conftest import bars
from tests.tools.two_samples import energy_distance
from vaecli.config.config import Config
from vaecli.evaluation.bounds import evaluate
from vaecli.model import VAE
from vaecli.objectives import OBJECTIVES
from vaecli.objectives.adversarial import Adversarial
from vaecli.objectives.vaegan import VAEGAN
from vaecli.parts.distributions import Delta, DiagonalNormal
from vaecli.parts.likelihoods import LIKELIHOODS, BernoulliLikelihood
from vaecli.parts.networks import MLP
from vaecli.parts.optimizers import Adam
from vaecli.parts.priors import PRIORS, Prior, StandardNormalPrior
from vaecli.system.errors import ConfigError
from vaecli.training.early_stopping import best_epoch
from vaecli.training.epoch import Epoch

SHAPE = (1, 8, 8)
SIZE = {"latent_dim": 2, "network": "mlp:width=16,depth=1"}


class Sides(Prior):
    """A narrow normal at (-2, 0) for class 0, at (2, 0) for class 1, at either for no class."""

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


class Scaled(BernoulliLikelihood):
    def __init__(self, make_decoder):
        super().__init__(make_decoder)
        self.scale = nn.Parameter(torch.ones(()))


@pytest.fixture(autouse=True)
def parts_for_tests(monkeypatch):
    monkeypatch.setitem(PRIORS, "sides", Sides)
    monkeypatch.setitem(PRIORS, "learned", Learned)
    monkeypatch.setitem(LIKELIHOODS, "scaled", Scaled)


def make(objective, classes=2, **options):
    config = Config(objective=objective, **SIZE, **options)
    model, objective = build(config, SHAPE, classes)
    with torch.no_grad():  # biases of zero could make a gradient zero
        for parameter in [*model.parameters(), *objective.parameters()]:
            parameter += 0.05 * torch.randn_like(parameter)
    return model, objective


def batch(count=12):
    images = bars(count)
    return images.pixels(slice(None)), images.one_hot_labels(slice(None))


def loss_of_batch(spec, options):
    """Parts, a batch and its loss; the generator is set back, so that noise can be drawn again."""
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
    ("adversarial:weight=3,gradient_penalty=0", {"posterior": "dirac"}),
    ("adversarial:weight=3,labels=true", {"prior": "sides", "labels": 2}),
    ("adversarial:weight=3", {"prior": "sides", "conditional": True}),
    ("adversarial:weight=3,labels=true", {"conditional": True}),
]
GAN = [("vae-gan:gamma=3", {}), ("vae-gan:gamma=3,gradient_penalty=0", {"conditional": True})]


@pytest.mark.parametrize(("spec", "options"), AAE)
def test_each_part_of_an_adversarial_autoencoder_is_trained_by_its_own_terms(spec, options):
    model, objective, x, c, loss = loss_of_batch(spec, options)
    got = gradients(loss, model), gradients(loss, objective)
    draw = model.draw(x, c)
    prior = model.prior(c if objective.reads_labels or model.context else None)
    real = prior.expand((len(x),)).sample().requires_grad_()
    extra = [c, 1 - c.sum(1, keepdim=True)] if objective.reads_labels else []

    def logits(z):
        return objective.discriminator(torch.cat([z, *extra], dim=1))

    encoder_loss = draw.distortion.mean() - 3 * logsigmoid(logits(draw.z[0])).mean()
    torch.testing.assert_close(got[0], gradients(encoder_loss, model))
    own = -logsigmoid(logits(real)).mean() - logsigmoid(-logits(draw.z[0].detach())).mean()
    (gradient,) = torch.autograd.grad(logits(real).sum(), real, create_graph=True)
    own = own + objective.penalty_weight * gradient.square().sum() / 2 / len(x)
    torch.testing.assert_close(got[1], gradients(own, objective))


@pytest.mark.parametrize(("spec", "options"), GAN)
def test_each_part_of_a_vae_gan_is_trained_by_its_own_terms(spec, options):
    model, objective, x, c, loss = loss_of_batch(spec, options)
    got = [gradients(loss, part) for part in (model.posterior, model.likelihood, objective)]
    draw = model.draw(x, c)
    other = model.sample_latent(len(x), c)
    c = c if model.context else None

    def features_and_logits(images):
        features = objective.discriminator.encoder(images, c)
        return features, objective.discriminator.head(features).squeeze(1)

    real = x.clone().requires_grad_()
    fakes = [draw.likelihood.mean[0], model.likelihood(other, c).mean]
    real_features, real_logits = features_and_logits(real)
    features, _ = features_and_logits(fakes[0])
    error = (real_features.detach() - features).square().sum() / 2 / len(x)
    torch.testing.assert_close(got[0], gradients(3 * (draw.rate.mean() + error), model.posterior))
    generator = -sum(logsigmoid(features_and_logits(fake)[1]).mean() for fake in fakes)
    torch.testing.assert_close(got[1], gradients(3 * error + generator, model.likelihood))
    own = -logsigmoid(real_logits).mean()
    own = own - sum(logsigmoid(-features_and_logits(fake.detach())[1]).mean() for fake in fakes)
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    own = own + objective.penalty_weight * gradient.square().sum() / 2 / len(x)
    torch.testing.assert_close(got[2], gradients(own, objective))


@pytest.mark.parametrize(("spec", "options"), AAE + GAN)
def test_every_parameter_gets_a_gradient(spec, options):
    model, objective = make(spec, **options)
    objective(model, *batch(64)).loss.backward()
    for name, parameter in [*model.named_parameters(), *objective.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("spec", "options"), AAE + GAN)
def test_evaluation_logs_the_discriminator(spec, options):
    model, objective = make(spec, **options)
    means = evaluate(model, objective, bars(20), seed=0)
    assert list(means)[:2] == ["loss", "distortion"]
    assert all(map(math.isfinite, means.values()))
    assert means["discriminator_loss"] > 0
    assert 0 <= means["fooled_fraction"] <= 1
    assert objective.monitor == "distortion"


@pytest.mark.parametrize(("objective", "best"), [("elbo", 1), ("adversarial", 2), ("vae-gan", 2)])
def test_with_a_discriminator_the_lowest_distortion_decides_which_epoch_is_best(objective, best):
    losses, distortions = [1.0, 3.0, 2.0], [5.0, 4.0, 6.0]
    history = [
        Epoch(number, {}, {}, 0, 0, {"loss": loss, "distortion": distortion})
        for number, (loss, distortion) in enumerate(zip(losses, distortions, strict=True), 1)
    ]
    monitor = OBJECTIVES[objective].monitor
    assert best_epoch(history, monitor).number == best


def test_with_weight_0_the_model_is_trained_as_an_autoencoder():
    model, objective = make("adversarial:weight=0", posterior="dirac")
    x, c = batch()
    got = gradients(objective(model, x, c).loss, model)
    torch.testing.assert_close(got, gradients(model.draw(x).distortion.mean(), model))


def test_the_discriminator_sees_labels_with_an_extra_class_for_unknown_ones():
    model, objective = make("adversarial:labels=true", prior="sides", labels=2)
    x, _ = batch(8)
    seen = []
    objective.discriminator.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0][:, 2:])
    )
    objective(model, x, one_hot(torch.tensor([0, 1, 1, 0, 0, 1, 0, 1]), 2).float())
    objective(model, x, torch.zeros(8, 2))
    known, unknown = seen[0], seen[3]
    assert len(seen) == 6
    assert all(torch.equal(label, known) for label in seen[:3])
    assert known.tolist()[:2] == [[1, 0, 0], [0, 1, 0]]
    assert unknown.tolist() == [[0, 0, 1]] * 8


class Linear(nn.Module):
    """A linear encoder of four pixels to two latents."""

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
    model = VAE(Linear(), prior, BernoulliLikelihood(lambda _: decoder))
    objective = Adversarial(prior, 2, 0, 2, width=32, **options)
    optimizer = Adam([*model.parameters(), *objective.parameters()], 1e-2)
    for _ in range(300):
        objective(model, *draw(64)).loss.backward()
        optimizer.step()
    return model


def test_the_aggregate_posterior_becomes_the_prior():
    """A linear encoder can map images of normal noise to N(0, I)."""
    model = trained(StandardNormalPrior(2), lambda count: (noise(count), None))
    images, latents = noise(2000), model.sample_latent(2000)
    assert energy_distance(Linear()(images).mean, latents) > 0.5
    assert energy_distance(model.embed(images), latents) < 0.02


def test_each_class_moves_to_its_own_component_of_the_prior():
    def draw(count):
        label = torch.randint(2, (count,))
        images = noise(count, spread=0.05)
        images[:, 0, 0, 0] += 0.4 * (label - 0.5)
        c = one_hot(label, 2).float()
        return images, c * (torch.rand(count, 1) < 0.5)  # half of the labels are unknown

    model = trained(Sides(2), draw, labels=True)
    x, c = draw(1000)
    left, right = (model.embed(x[c[:, k] == 1]).mean(0) for k in (0, 1))
    torch.testing.assert_close(left, torch.tensor([-2.0, 0.0]), atol=0.2, rtol=0)
    torch.testing.assert_close(right, torch.tensor([2.0, 0.0]), atol=0.2, rtol=0)


REFUSED = [
    (
        "adversarial",
        {"prior": "learned"},
        "The adversarial objective needs a prior without parameters: use prior='normal'.",
    ),
    (
        "adversarial:labels=true",
        {"labels": 2},
        "adversarial:labels=true needs a prior with a component for each class, or a conditional "
        "model: use prior='ring' or conditional=True.",
    ),
    (
        "adversarial:labels=true",
        {"prior": "ring:components=2", "labels": 3, "classes": 3},
        "3 classes need a prior with components=3 or more.",
    ),
    (
        "adversarial:labels=true",
        {"prior": "sides", "labels": 2, "classes": 0},
        "adversarial:labels=true needs images with labels, and these have none: use labels=false.",
    ),
    (
        "vae-gan",
        {"likelihood": "scaled"},
        "vae-gan cannot train a pixel scale: use likelihood='bernoulli'.",
    ),
    (
        "vae-gan",
        {"posterior": "dirac"},
        "The objective vae-gan needs a posterior with a density, but dirac is deterministic: use "
        "posterior='gaussian', or objective='elbo:beta=0' (autoencoder).",
    ),
]


@pytest.mark.parametrize(("objective", "options", "sentence"), REFUSED)
def test_a_misfit_is_refused_with_a_remedy(objective, options, sentence):
    with pytest.raises(ConfigError) as refused:
        make(objective, **options)
    assert str(refused.value) == sentence


def test_the_feature_error_of_a_perfect_reconstruction_is_0(monkeypatch):
    model, objective = make("vae-gan")
    assert isinstance(objective, VAEGAN)
    torch.manual_seed(1)
    x = model.draw(torch.zeros(5, *SHAPE)).likelihood.mean[0].detach()
    monkeypatch.setattr(model.posterior, "forward", lambda x, c=None: Delta(torch.zeros(5, 2)))
    perfect = model.likelihood(torch.zeros(5, 2)).mean.detach()
    assert objective(model, perfect).metrics["feature_error"] == 0
    assert objective(model, x).metrics["feature_error"] > 0
