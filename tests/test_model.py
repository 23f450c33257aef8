from dataclasses import replace

import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.model import VAE
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
