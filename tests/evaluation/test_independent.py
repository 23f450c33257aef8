"""Bounds and likelihoods against an evaluator in NumPy alone, for models of one or two latents.

It reads the weights and does the rest itself: the networks, the densities, and the integral over
the latents, by a sum over a fine grid.
"""

import math

import numpy as np
import pytest
import torch

from tests.builders import build
from vaecli.config.build import resolve
from vaecli.config.config import Config
from vaecli.data.images import Images
from vaecli.evaluation.bounds import evaluate_bound, log_likelihood
from vaecli.evaluation.fitting import fit_prior, make_fitted_prior, with_prior

SIDE, CLASSES = 3, 3
GRID = np.linspace(-12, 12, 2401)
STEP = GRID[1] - GRID[0]
AXIS = np.linspace(-9, 9, 121)
PLANE = np.stack(np.meshgrid(AXIS, AXIS), axis=-1).reshape(-1, 2)
CELL = (AXIS[1] - AXIS[0]) ** 2


class Reference:
    """A model with the weights of ours; labels are numbers, or None for a model without."""

    def __init__(self, model, objective) -> None:
        tensors = {**model.state_dict(), **objective.state_dict()}
        self.w = {name: tensor.double().numpy() for name, tensor in tensors.items()}

    def layer(self, name, h):
        return h @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def posterior(self, x, y=None):
        """Mean and standard deviation of the latent of every image."""
        hidden = np.maximum(self.layer("posterior.encoder.net.0", with_label(x, y)), 0)
        mean, log_var = self.layer("posterior.head", hidden).T
        return mean, np.exp(log_var / 2)

    def decoded(self, z, y=None):
        z = z.reshape(len(z), -1)
        hidden = np.maximum(self.layer("likelihood.decoder.net.0", with_label(z, y)), 0)
        return self.layer("likelihood.decoder.net.2", hidden)

    def log_px(self, x, z, y=None):
        """`log p(x | z, y)` of every image and latent: shape `(images, latents)`."""
        logits = self.decoded(z, y)
        return x @ logits.T - np.logaddexp(0, logits).sum(-1)

    def log_evidence(self, x, y=None):
        """`log p(x | y)` of every image."""
        log_pz = -(GRID**2) / 2 - math.log(2 * math.pi) / 2
        return log_sum_exp(self.log_px(x, GRID, y) + log_pz) + math.log(STEP)

    def distortion(self, x, y=None):
        """The exact expectation of `-log p(x | z, y)` under the posterior, for every image."""
        mean, std = self.posterior(x, y)
        density = np.exp(-(((GRID - mean[:, None]) / std[:, None]) ** 2) / 2)
        density /= std[:, None] * math.sqrt(2 * math.pi)
        return -(density * self.log_px(x, GRID, y)).sum(-1) * STEP

    def rate(self, x, y=None):
        mean, std = self.posterior(x, y)
        return (mean**2 + std**2 - 1) / 2 - np.log(std)

    def q(self, x):
        """The probabilities of the labels that the classifier gives."""
        hidden = np.maximum(self.layer("classifier.encoder.net.0", x), 0)
        logits = self.layer("classifier.head", hidden)
        return np.exp(logits - log_sum_exp(logits)[:, None])


class PlaneReference(Reference):
    """A model of two latents, with a mixture of normals as the prior, one for each label."""

    def log_pz(self, y=None):
        """`log p(z | y)` at every point of the plane."""
        names = ("weights", "loc", "scale_tril")
        weights, loc, roots = (self.w[f"prior.{name}"][y or 0] for name in names)
        terms = []
        for weight, mean, root in zip(weights, loc, roots, strict=True):
            covariance, away = root @ root.T, PLANE - mean
            squared = (away @ np.linalg.inv(covariance) * away).sum(-1)
            scale = math.log(np.linalg.det(2 * math.pi * covariance))
            terms.append(math.log(weight) - (squared + scale) / 2)
        return log_sum_exp(np.stack(terms, axis=-1))

    def log_qz(self, x, y=None):
        """`log q(z | x, y)` of every image at every point: shape `(images, points)`."""
        hidden = np.maximum(self.layer("posterior.encoder.net.0", with_label(x, y)), 0)
        mean, log_var = np.split(self.layer("posterior.head", hidden)[:, None], 2, axis=-1)
        squared = (PLANE - mean) ** 2 / np.exp(log_var)
        return -(squared + log_var + math.log(2 * math.pi)).sum(-1) / 2

    def log_evidence(self, x, y=None):
        return log_sum_exp(self.log_px(x, PLANE, y) + self.log_pz(y)) + math.log(CELL)

    def distortion(self, x, y=None):
        return -(np.exp(self.log_qz(x, y)) * self.log_px(x, PLANE, y)).sum(-1) * CELL

    def rate(self, x, y=None):
        log_qz = self.log_qz(x, y)
        return (np.exp(log_qz) * (log_qz - self.log_pz(y))).sum(-1) * CELL


def with_label(h, y):
    if y is None:
        return h
    return np.concatenate([h, np.tile(np.eye(CLASSES)[y], (len(h), 1))], axis=1)


def log_sum_exp(values):
    highest = values.max(-1)
    return highest + np.log(np.exp(values - highest[:, None]).sum(-1))


def made(**changes):
    """A model with large weights, so that every latent and every label makes a difference."""
    config = Config(**{"latent_dim": 1, "network": "mlp:width=4,depth=1", **changes})
    model, objective = build(config, (1, SIDE, SIDE), CLASSES)
    random = torch.manual_seed(1)
    with torch.no_grad():
        for parameter in [*model.parameters(), *objective.parameters()]:
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=random))
        model.posterior.head.weight *= 0.3
        # wide, as importance sampling needs
        bias = torch.tensor([0.2, 0.5]).repeat_interleave(config.latent_dim)
        model.posterior.head.bias.copy_(bias)
    return model, objective, Reference(model, objective)


def black_and_white(count: int, copies: int = 1) -> Images:
    x = torch.rand(count, 1, SIDE, SIDE, generator=torch.manual_seed(2)) < 0.4
    x, labels = 255 * x.byte(), torch.arange(count) % CLASSES
    return Images(x.repeat(copies, 1, 1, 1), labels.repeat(copies), CLASSES)


def flat(images: Images):
    return images.x.numpy().reshape(len(images), -1) / 255.0


def by_label(images: Images, score):
    """The score of each image given its own label."""
    table = np.stack([score(flat(images), y) for y in range(CLASSES)], axis=1)
    return table[range(len(images)), images.labels.numpy()]


def assert_scores(model, objective, distortion, rate, log_evidence, quantity, noise=1e-4):
    """The bound of many copies of the images has little noise, and the estimate many samples."""
    many, few = black_and_white(40, copies=250), black_and_white(40)
    found = evaluate_bound(model, objective, many, None, 0)
    assert found["quantity"] == quantity
    assert found["distortion"] == pytest.approx(distortion.mean(), abs=0.03)
    assert found["rate"] == pytest.approx(rate.mean(), rel=noise)
    assert found["negative_elbo"] == pytest.approx(found["distortion"] + found["rate"], rel=1e-6)
    assert found["loss"] == found["negative_elbo"]
    found = evaluate_bound(model, objective, few, 3000, 0, "threshold")
    assert found["nll"] == pytest.approx(-log_evidence.mean(), abs=0.01)
    error = np.std(log_evidence, ddof=1) / math.sqrt(40)
    assert found["standard_error"] == pytest.approx(error, rel=0.02)
    assert found["nll"] < found["negative_elbo"] - 0.02
    return found


def test_a_gaussian_bernoulli_model():
    model, objective, reference = made()
    x = flat(black_and_white(40))
    terms = (reference.distortion(x), reference.rate(x), reference.log_evidence(x))
    assert_scores(model, objective, *terms, "p(x)")


def test_a_conditional_model_is_scored_given_the_true_label():
    model, objective, reference = made(conditional=True)
    images = black_and_white(40)
    scores = (reference.distortion, reference.rate, reference.log_evidence)
    terms = [by_label(images, score) for score in scores]
    assert_scores(model, objective, *terms, "p(x|y)")
    shifted = np.roll(np.eye(CLASSES), 1, axis=1)[images.labels]
    table = np.stack([reference.log_evidence(flat(images), y) for y in range(CLASSES)], axis=1)
    assert abs((shifted * table).sum(1).mean() - terms[2].mean()) > 0.1  # the label matters


def test_m2_sums_the_label_out_with_its_prior():
    """U(x) = sum_y q(y | x) (distortion + rate + log q(y | x) - log p(y)), and log p(x)."""
    model, objective, reference = made(conditional=True, objective="m2", labels=3)
    images = black_and_white(40)
    x = flat(images)
    q = reference.q(x)
    distortion = sum(q[:, y] * reference.distortion(x, y) for y in range(CLASSES))
    rate = sum(
        q[:, y] * (reference.rate(x, y) + np.log(q[:, y]) - math.log(1 / CLASSES))
        for y in range(CLASSES)
    )
    joint = [reference.log_evidence(x, y) + math.log(1 / CLASSES) for y in range(CLASSES)]
    evidence = log_sum_exp(np.stack(joint, axis=1))
    found = assert_scores(model, objective, distortion, rate, evidence, "p(x)")
    wrong = q.argmax(1) != images.labels.numpy()
    assert found["classification_error"] == pytest.approx(wrong.mean())


@pytest.mark.parametrize("objective", ["elbo:beta=4", "iwae:samples=3", "beta-tc", "info-vae"])
def test_the_bound_does_not_depend_on_the_objective_of_the_training(objective):
    if objective == "info-vae":
        objective = "wae:kl_weight=0.5"
    model, trained_with, _ = made(objective=objective)
    _, plain, _ = made()
    images = black_and_white(20)
    assert evaluate_bound(model, trained_with, images, 5, 0) == evaluate_bound(
        model, plain, images, 5, 0
    )


@pytest.mark.parametrize("conditional", [False, True])
def test_the_bound_with_a_fitted_mixture_rises_to_the_evidence_of_the_model_with_it(conditional):
    options = {
        "latent_dim": 2,
        "conditional": conditional,
        "fitted_prior": "mixture:components=3,noise=0.5,iterations=5",
    }
    trained, objective, _ = made(**options)
    few, many = black_and_white(40), black_and_white(40, copies=50)
    prior = make_fitted_prior(resolve(Config(**options)), trained, many)
    list(fit_prior(prior, trained, many, 0))
    model = with_prior(trained, prior)
    reference = PlaneReference(model, objective)
    scores = (reference.distortion, reference.rate, reference.log_evidence)
    if conditional:
        terms = [by_label(few, score) for score in scores]
    else:
        terms = [score(flat(few)) for score in scores]
    quantity = "p(x|y)" if conditional else "p(x)"
    # the rate is an average over samples: a mixture has no formula
    assert_scores(model, objective, *terms, quantity, noise=0.05)
    exact = terms[2].mean()
    some = black_and_white(40, copies=10)
    rising = [log_likelihood(model, some, count, 0).mean().item() for count in (1, 5, 50)]
    assert rising == sorted(rising)
    assert rising[0] < exact - 0.05
    assert rising[-1] < exact + 0.01
    other = log_likelihood(trained, few, 3000, 0).mean().item()
    assert abs(other - exact) > 0.05  # N(0, I) gives another evidence


def test_a_mixture_of_latents_with_all_their_noise_has_the_lower_rate():
    """By quadrature: with less noise it is narrower than the posteriors that the bound averages."""
    model, objective, _ = made(latent_dim=2)
    images, rates = black_and_white(40, copies=20), []
    for noise in (0.25, 0.5, 1):
        spec = f"mixture:components=3,noise={noise},iterations=5"
        config = resolve(Config(latent_dim=2, fitted_prior=spec))
        prior = make_fitted_prior(config, model, images)
        list(fit_prior(prior, model, images, 0))
        reference = PlaneReference(with_prior(model, prior), objective)
        rates.append(reference.rate(flat(black_and_white(40))).mean())
    assert rates[0] > rates[1] + 0.1 > rates[2] + 0.2
