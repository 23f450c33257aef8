from dataclasses import replace

import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.model import VAE, log_mean_exp
from vaecli.parts.distributions import DiagonalNormal
from vaecli.system.errors import ConfigError

SHAPE = (1, 8, 8)
CONFIG = Config(latent_dim=2, network="mlp:width=16,depth=1")


@pytest.fixture
def model():
    torch.manual_seed(1)
    return build(CONFIG, SHAPE)[0]


@pytest.fixture
def x():
    return bars(4).pixels(slice(None))


def evidence(model, x):
    """`log p(x)` by quadrature over a plane of latents, shape `(B,)`."""
    axis = torch.linspace(-6, 6, 301)
    z = torch.cartesian_prod(axis, axis).unsqueeze(1)
    with torch.no_grad():
        log_px = model.likelihood(z.expand(-1, len(x), -1)).log_prob(x)
        joint = model.prior().log_prob(z) + log_px
    return joint.logsumexp(0) + 2 * (axis[1] - axis[0]).log()


def test_the_bound_rises_to_the_evidence(model, x):
    truth = evidence(model, x)
    with torch.no_grad():
        one = torch.stack([model.draw(x).bound for _ in range(300)]).mean(0)
        torch.testing.assert_close(model.draw(x, samples=20_000).bound, truth, atol=0.02, rtol=0)
    assert (one < truth).all()


def test_one_sample_of_the_bound_is_the_elbo_in_expectation(model, x):
    with torch.no_grad():
        draw = model.draw(x, samples=20_000)
        single = (draw.log_px + draw.log_pz - draw.log_qz).mean(0)
    torch.testing.assert_close(single, -(draw.distortion + draw.rate), atol=0.05, rtol=0)


def test_the_monte_carlo_rate_agrees_with_the_formula(model, x):
    with torch.no_grad():
        draw = model.draw(x, samples=50_000)
    torch.testing.assert_close((draw.log_qz - draw.log_pz).mean(0), draw.rate, atol=0.02, rtol=0)


def test_the_rate_is_by_monte_carlo_where_no_formula_is_known(x):
    class Unknown(torch.distributions.Independent):
        pass

    class Prior(torch.nn.Module):
        def forward(self, c=None):
            return Unknown(torch.distributions.Normal(torch.zeros(2), torch.ones(2)), 1)

    known = build(CONFIG, SHAPE)[0]
    unknown = VAE(known.posterior, Prior(), known.likelihood)
    with torch.no_grad():
        rate = unknown.draw(x, samples=50_000).rate
    torch.testing.assert_close(rate, known.draw(x).rate.detach(), atol=0.02, rtol=0)


def test_unused_densities_are_not_computed(model, x, monkeypatch):
    calls = []
    monkeypatch.setattr(DiagonalNormal, "log_prob", lambda self, z: calls.append(z))
    draw = model.draw(x)
    (draw.distortion + draw.rate).sum().backward()
    assert calls == []


def test_a_draw_has_the_documented_shapes(model, x):
    draw = model.draw(x, samples=3)
    assert draw.z.shape == (3, 4, 2)
    assert draw.log_px.shape == draw.log_pz.shape == draw.log_qz.shape == (3, 4)
    assert draw.distortion.shape == draw.rate.shape == draw.bound.shape == (4,)


def test_samples_are_decoded_samples_of_the_prior(model):
    torch.manual_seed(2)
    got = model.sample(6)
    torch.manual_seed(2)
    logits = model.likelihood.decoder(torch.randn(6, 2))
    torch.testing.assert_close(got, logits.sigmoid())


def test_reconstructions_are_decoded_posterior_means(model, x):
    logits = model.likelihood.decoder(model.posterior(x).mean)
    torch.testing.assert_close(model.reconstruct(x), logits.sigmoid())
    assert not model.reconstruct(x).requires_grad


def test_a_conditional_model_samples_reconstructs_and_embeds(x):
    model, objective = build(replace(CONFIG, conditional=True), SHAPE, 3)
    c = torch.eye(3)[torch.tensor([0, 1, 2, 0])]
    assert model.sample(4, c).shape == model.reconstruct(x, c).shape == x.shape
    assert model.embed(x, c).shape == (4, 2)
    assert objective(model, x, c).loss.isfinite()


def test_the_context_has_a_column_for_every_class_of_the_model(x):
    model = build(replace(CONFIG, conditional=True), SHAPE, 3)[0]
    c = torch.eye(2)[torch.tensor([0, 1, 1, 0])]  # no image of the last class
    assert torch.equal(model.used_context(c), torch.cat([c, torch.zeros(4, 1)], dim=1))
    with pytest.raises(ConfigError) as missing:
        model.embed(x)
    assert str(missing.value) == (
        "The model is conditional: it needs labels. Pass c of shape (B, 3)."
    )
    with pytest.raises(ConfigError) as too_many:
        model.embed(x, torch.eye(4))
    assert str(too_many.value) == (
        "The labels have 4 classes, and the model has 3: use data of at most 3 classes."
    )


def test_an_unconditional_model_ignores_the_context(model, x):
    assert model.used_context(torch.eye(4)) is None
    assert torch.equal(model.embed(x, torch.eye(4)), model.embed(x))


def conditional_model():
    """A model of three classes whose encoder, prior and decoder depend strongly on the label."""
    config = replace(CONFIG, conditional=True, prior="conditional")
    model = build(config, SHAPE, 3)[0]
    with torch.no_grad():
        model.prior.head.weight.copy_(3 * torch.randn(4, 3, generator=torch.manual_seed(0)))
        for part in (model.posterior.encoder.net[0], model.likelihood.decoder.net[0]):
            part.weight[:, -3:] *= 5
    return model


LABELS = torch.eye(3)[torch.tensor([2, 0, 1, 2])]


def pieces(model, x, c, samples):
    """`log p(x | z, c)`, `log p(z | c)` and `log q(z | x, c)` from the outputs of the networks."""
    mean, log_var = model.posterior.head(model.posterior.encoder(x, c)).chunk(2, dim=-1)
    scale = (log_var / 2).exp()
    z = mean + scale * torch.randn(samples, len(x), 2)
    p_mean, p_log_var = (c @ model.prior.head.weight.T + model.prior.head.bias).chunk(2, dim=-1)
    logits = torch.stack([model.likelihood.decoder(one, c) for one in z])
    log_px = -torch.nn.functional.binary_cross_entropy_with_logits(
        logits, x.expand_as(logits), reduction="none"
    ).sum((2, 3, 4))
    log_pz = torch.distributions.Normal(p_mean, (p_log_var / 2).exp()).log_prob(z).sum(-1)
    log_qz = torch.distributions.Normal(mean, scale).log_prob(z).sum(-1)
    return z, log_px, log_pz, log_qz


def test_every_density_of_a_draw_reads_the_label_of_its_image(x):
    model = conditional_model()
    torch.manual_seed(4)
    draw = model.draw(x, LABELS, samples=5)
    torch.manual_seed(4)
    z, log_px, log_pz, log_qz = pieces(model, x, LABELS, 5)
    torch.testing.assert_close(draw.z, z)
    torch.testing.assert_close(draw.log_px, log_px)
    torch.testing.assert_close(draw.log_pz, log_pz)
    torch.testing.assert_close(draw.log_qz, log_qz)
    torch.testing.assert_close(draw.distortion, -log_px.mean(0))
    weights = (log_px + log_pz - log_qz).double()
    torch.testing.assert_close(draw.log_weights.double(), weights, rtol=1e-5, atol=1e-4)
    bound = (weights.exp().sum(0) / 5).log()
    torch.testing.assert_close(draw.bound.double(), bound, rtol=1e-5, atol=1e-4)
    terms = draw.elbo_terms()
    assert list(terms) == ["distortion", "rate"]
    torch.testing.assert_close(terms["rate"], draw.rate)


def test_each_image_and_each_repetition_has_noise_of_its_own(model, x):
    same = x[:1].expand(4, -1, -1, -1)
    z = model.draw(same, samples=3).z.flatten(0, 1)
    assert (z.sort(0).values.diff(dim=0) > 0).all()
    again = model.draw(same, samples=3).z.flatten(0, 1)
    assert not torch.isin(again, z).any()
    latents = model.sample_latent(5)
    assert (latents.sort(0).values.diff(dim=0) > 0).all()


def test_a_point_has_the_nll_of_the_prior_in_place_of_a_rate(x):
    model = build(replace(CONFIG, posterior="dirac", objective="elbo:beta=0"), SHAPE)[0]
    draw = model.draw(x, samples=2)
    terms = draw.elbo_terms()
    assert list(terms) == ["distortion", "prior_nll"]
    z = model.posterior.head(model.posterior.encoder(x))
    wanted = 0.5 * z.square().sum(-1) + torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(terms["prior_nll"], wanted)
    assert draw.vq_loss is None


def test_a_codebook_has_a_rate_and_a_loss_of_its_own(x):
    model = build(replace(CONFIG, posterior="quantized:codes=8", prior="codes"), SHAPE)[0].eval()
    draw = model.draw(x, samples=3)
    assert list(draw.elbo_terms()) == ["distortion", "rate"]
    torch.testing.assert_close(draw.rate, torch.tensor(8.0).log().expand(4))
    assert torch.equal(draw.vq_loss, draw.q.vq_loss)


def test_the_mean_of_exponentials_is_taken_without_overflow():
    values = torch.tensor([[-1000.0, 1.0], [-1001.0, 3.0], [-999.0, -2.0]])
    wanted = (
        ((values.double() + 1000).exp().mean(0)).log()[0] - 1000,
        values[:, 1].exp().mean().log(),
    )
    torch.testing.assert_close(log_mean_exp(values), torch.stack([wanted[0].float(), wanted[1]]))
    assert torch.equal(log_mean_exp(values[:1]), values[0])


def test_samples_reconstructions_and_embeddings_read_the_label_of_each_image(x):
    model = conditional_model()
    torch.manual_seed(2)
    found = model.sample(4, LABELS)
    torch.manual_seed(2)
    mean, log_var = model.prior.head(LABELS).chunk(2, dim=-1)
    z = mean + (log_var / 2).exp() * torch.randn(4, 2)
    torch.testing.assert_close(found, model.likelihood.decoder(z, LABELS).sigmoid())
    means = model.posterior.head(model.posterior.encoder(x, LABELS))[:, :2]
    torch.testing.assert_close(model.embed(x, LABELS), means)
    wanted = model.likelihood.decoder(means, LABELS).sigmoid()
    torch.testing.assert_close(model.reconstruct(x, LABELS), wanted)
    torch.testing.assert_close(model.decode(means, LABELS), wanted)
    other = model.embed(x, LABELS.roll(1, -1))  # the next class
    assert (other - means).abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("n", [1, 3, 7])
def test_without_labels_samples_cycle_through_the_classes(n):
    model = conditional_model()
    torch.manual_seed(2)
    found = model.sample(n)
    torch.manual_seed(2)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])[:n]
    torch.testing.assert_close(found, model.sample(n, torch.eye(3)[labels]))
    assert torch.equal(model.one_hot(labels), torch.eye(3)[labels])
