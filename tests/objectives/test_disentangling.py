import itertools
import math

import pytest
import torch
from torch.nn.functional import softplus

from tests.conftest import bars
from tests.objectives.made import X, draw, gradients, make, seeded_terms
from vaecli.evaluation.bounds import evaluate
from vaecli.objectives import disentangling
from vaecli.objectives.disentangling import (
    DIPVAE,
    BetaTCVAE,
    FactorVAE,
    aggregate_posterior_log_density,
    permute_dims,
)
from vaecli.objectives.elbo import ELBO
from vaecli.parts.distributions import DiagonalNormal
from vaecli.parts.optimizers import Adam


def correlated(n, correlation=0.8):
    """Points of a plane, and the total correlation of their distribution in nats."""
    x, noise = torch.randn(2, n)
    y = correlation * x + (1 - correlation**2) ** 0.5 * noise
    return torch.stack([x, y], dim=1), -0.5 * math.log(1 - correlation**2)


def test_the_estimate_of_the_aggregate_posterior_is_unbiased():
    """Its mean over all batches with an image is exactly the density over all images."""
    torch.manual_seed(0)
    loc, log_var = torch.randn(2, 6, 3).double()
    z = loc + (log_var / 2).exp() * torch.randn(6, 3)
    each = DiagonalNormal(loc, log_var)
    truth = each.log_prob(z[0]).exp().mean()
    alone = DiagonalNormal(loc.unsqueeze(-1), log_var.unsqueeze(-1))
    alone = alone.log_prob(z[0].unsqueeze(-1)).exp().mean(0)
    for size in (2, 3, 5, 6):
        batches = [[0, *rest] for rest in itertools.combinations(range(1, 6), size - 1)]
        found = [
            aggregate_posterior_log_density(DiagonalNormal(loc[b], log_var[b]), z[b], 6)
            for b in batches
        ]
        joint = torch.stack([joint[0].exp() for joint, _ in found]).mean(0)
        marginals = torch.stack([marginals[0].exp() for _, marginals in found]).mean(0)
        torch.testing.assert_close(joint, truth)
        torch.testing.assert_close(marginals, alone)


@pytest.mark.parametrize("images", [0, 3, 50])
def test_a_batch_of_all_images_gives_the_exact_density(images):
    torch.manual_seed(0)
    q, z = DiagonalNormal(*torch.randn(2, 50, 2)), torch.randn(50, 2)
    joint, _ = aggregate_posterior_log_density(q, z, images)
    mean = q.log_prob(z.unsqueeze(1)).exp().mean(1)
    torch.testing.assert_close(joint.exp(), mean)


def test_the_aggregate_posterior_of_a_single_image_is_its_posterior():
    q, z = DiagonalNormal(*torch.randn(2, 1, 2)), torch.randn(1, 2)
    joint, marginals = aggregate_posterior_log_density(q, z, 1000)
    torch.testing.assert_close(joint, q.log_prob(z))
    torch.testing.assert_close(marginals.sum(-1), joint)


@pytest.mark.parametrize("images", [0, 100_000])
def test_the_estimated_total_correlation_of_a_correlated_normal_is_correct(images):
    torch.manual_seed(0)
    points, truth = correlated(1500)
    width = 0.3  # of each posterior; the points shrink, so that both together have variance 1
    loc = points * (1 - width**2) ** 0.5
    q = DiagonalNormal(loc, torch.full_like(loc, 2 * math.log(width)))
    truth = -0.5 * math.log(1 - (0.8 * (1 - width**2)) ** 2)
    joint, marginals = aggregate_posterior_log_density(q, q.rsample(), images)
    assert (joint - marginals.sum(-1)).mean().item() == pytest.approx(truth, abs=0.06)


def test_beta_tc_weights_and_logs_the_total_correlation():
    model = make(latent_dim=3)
    terms = seeded_terms(BetaTCVAE(model.posterior, 50, beta=5), model)
    plain = draw(model)
    joint, marginals = aggregate_posterior_log_density(plain.q, plain.z[0], 50)
    tc = (joint - marginals.sum(-1)).mean()
    torch.testing.assert_close(terms.metrics["total_correlation"], tc.detach())
    torch.testing.assert_close(terms.loss, (plain.distortion + plain.rate).mean() + 4 * tc)


def test_neutral_weights_give_the_elbo():
    model = make()
    plain = gradients(seeded_terms(ELBO(), model).loss, model)
    limits = [BetaTCVAE(model.posterior, 50, beta=1), FactorVAE(model.posterior, 2, gamma=0)]
    limits += [DIPVAE(model.posterior, variant, 0, 0) for variant in ("I", "II")]
    for objective in limits:
        terms = seeded_terms(objective, model)
        loss = terms.loss - terms.metrics.get("discriminator_loss", 0) / 2
        torch.testing.assert_close(loss, seeded_terms(ELBO(), model).loss, rtol=1e-6, atol=1e-6)
        for name, gradient in gradients(terms.loss, model).items():
            torch.testing.assert_close(gradient, plain[name], rtol=1e-4, atol=1e-6)


def test_evaluation_compares_images_within_small_batches(monkeypatch):
    model, sizes = make(), []
    objective = BetaTCVAE(model.posterior, 50, beta=1)
    assert objective.evaluation_batch_size == 250  # of images that are compared in pairs
    objective.evaluation_batch_size = 4
    monkeypatch.setattr(
        disentangling,
        "aggregate_posterior_log_density",
        lambda q, z, n: sizes.append(len(z)) or aggregate_posterior_log_density(q, z, n),
    )
    images = bars(6)
    means = evaluate(model, objective, images, 0)
    assert sizes == [4, 2]
    rate = model.draw(images.pixels(slice(None))).rate.mean().item()
    assert means["rate"] == pytest.approx(rate, rel=1e-5)


def test_permuting_dimensions_keeps_each_and_removes_their_correlation():
    torch.manual_seed(0)
    z, _ = correlated(5000, 0.95)
    permuted = permute_dims(z)
    torch.testing.assert_close(permuted.sort(0).values, z.sort(0).values, rtol=0, atol=0)
    assert torch.corrcoef(z.T)[0, 1] > 0.9
    assert torch.corrcoef(permuted.T)[0, 1].abs() < 0.05
    assert (permuted != z).float().mean() > 0.99


def test_the_discriminator_learns_the_total_correlation():
    torch.manual_seed(0)
    model = make()
    objective = FactorVAE(model.posterior, 2, width=32, depth=2)
    adam = Adam(objective.parameters(), lr=0.01)
    for _ in range(200):
        z, truth = correlated(200)
        real, fake = objective.discriminator(z), objective.discriminator(permute_dims(z))
        (softplus(-real) + softplus(fake)).mean().backward()
        adam.step()
    found = objective.discriminator(correlated(20_000)[0]).mean().item()
    assert found == pytest.approx(truth, abs=0.15)


def test_encoder_and_discriminator_of_factor_vae_do_not_train_each_other():
    model = make()
    torch.manual_seed(0)
    objective = FactorVAE(model.posterior, 2, gamma=8)
    got = seeded_terms(objective, model)
    plain = draw(model)
    z = plain.z[0]
    encoder_loss = (plain.distortion + plain.rate).mean() + 8 * objective.discriminator(z).mean()
    for name, gradient in gradients(encoder_loss, model).items():
        torch.testing.assert_close(gradients(got.loss, model)[name], gradient)
    torch.manual_seed(3)
    model.draw(X)
    real = objective.discriminator(z.detach())
    fake = objective.discriminator(permute_dims(z.detach()))
    own_loss = ((1 + (-real).exp()).log() + (1 + fake.exp()).log()).mean()
    for name, gradient in gradients(own_loss / 2, objective).items():
        torch.testing.assert_close(gradients(got.loss, objective)[name], gradient)
    torch.testing.assert_close(got.metrics["discriminator_loss"], own_loss.detach())
    torch.testing.assert_close(
        got.metrics["total_correlation"], objective.discriminator(z).mean().detach()
    )


@pytest.mark.parametrize("variant", ["I", "II"])
def test_the_dip_penalty_is_the_distance_of_the_covariance_from_the_identity(variant):
    model = make(latent_dim=3)
    q = model.posterior(X)
    covariance = torch.cov(q.mean.T, correction=0)
    if variant == "II":
        covariance = covariance + torch.diag(q.variance.mean(0))
    off = sum(covariance[i, j] ** 2 for i in range(3) for j in range(3) if i != j)
    diagonal = sum((covariance[i, i] - 1) ** 2 for i in range(3))
    found = seeded_terms(DIPVAE(model.posterior, variant, 5, 7), model).metrics["dip_penalty"]
    torch.testing.assert_close(found, (5 * off + 7 * diagonal).detach())


def test_the_dip_penalty_of_independent_latents_of_variance_1_is_0():
    """For variant II, where the variances of the means and of the posteriors add up to 1."""
    model = make()
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    with torch.no_grad():
        model.posterior.head.weight.zero_()
    heads = torch.cat([0.6 * signs, torch.full((4, 2), math.log(0.64))], dim=1)
    model.posterior.head.register_forward_hook(lambda *_: heads)
    assert seeded_terms(DIPVAE(model.posterior, "II"), model, X[:4]).metrics["dip_penalty"] < 1e-10
    assert seeded_terms(DIPVAE(model.posterior, "I"), model, X[:4]).metrics["dip_penalty"] > 1
