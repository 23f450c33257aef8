"""Priors fitted to the latents of a trained model."""

import pytest
import torch

import vaecli
from tests import runs
from tests.builders import make_part
from tests.conftest import bars
from vaecli.config.build import resolve
from vaecli.evaluation.embeddings import embed
from vaecli.evaluation.fitting import encode_latents, fit_prior, make_fitted_prior, with_prior
from vaecli.parts.priors import FittedMixture
from vaecli.system.errors import ConfigError, NotFiniteError
from vaecli.system.seeds import stream_generator

TINY = {"latent_dim": 3, "network": "mlp:width=16,depth=1"}


def model_of(images, **options):
    return vaecli.start(vaecli.Config(**TINY, **options), images).model


def mixture(model, components=2):
    return make_part(
        f"mixture:components={components}",
        "fitted_prior",
        latent_dim=3,
        posterior=model.posterior,
        context_dim=model.context,
    )


@pytest.mark.parametrize("posterior", ["gaussian", "dirac", "flow", "hierarchical"])
def test_encoded_latents_are_the_moments_of_the_posteriors(posterior):
    images = bars(70)
    model = (
        model_of(images, posterior=posterior)
        if posterior != "dirac"
        else model_of(images, posterior=posterior, objective="elbo:beta=0")
    )
    latents = encode_latents(model, images)
    table = embed(model, images)
    torch.testing.assert_close(latents.mean, torch.from_numpy(table.mean))
    torch.testing.assert_close(latents.std, torch.from_numpy(table.log_var).exp().sqrt())
    assert latents.codes is latents.context is None
    assert not latents.mean.is_inference()  # a network can be trained on them


def test_encoded_latents_of_a_conditional_model_have_their_labels():
    images = bars(70)
    latents = encode_latents(model_of(images, conditional=True), images)
    assert torch.equal(latents.context, images.one_hot_labels(slice(None)))


def test_latents_are_drawn_with_a_part_of_the_noise():
    latents = encode_latents(model_of(bars(4)), bars(4))
    draws = torch.stack([latents.draw(0.5, torch.Generator().manual_seed(n)) for n in range(4000)])
    torch.testing.assert_close(draws.mean(0), latents.mean, atol=0.04, rtol=0)
    torch.testing.assert_close(draws.std(0), latents.std / 2, atol=0.03, rtol=0)
    little = latents.draw(0.01, torch.Generator().manual_seed(0)) - latents.mean
    much = latents.draw(1.0, torch.Generator().manual_seed(0)) - latents.mean
    torch.testing.assert_close(100 * little, much, rtol=1e-3, atol=1e-3)
    random = torch.Generator().manual_seed(0)
    assert torch.equal(latents.draw(0.0, random), latents.mean)


def test_a_fit_is_decided_by_its_seed_and_leaves_torch_as_it_was():
    model = model_of(bars(70))
    state = torch.get_rng_state()
    fits = []
    for seed in (0, 0, 1):
        prior = mixture(model)
        torch.rand(1)  # of the generator that a fit must not read
        fractions = list(fit_prior(prior, model, bars(70), seed))
        torch.set_rng_state(state)
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0, 1)
        assert not prior.training
        fits.append(prior.loc)
    assert torch.equal(fits[0], fits[1])
    assert not torch.equal(fits[0], fits[2])


def test_a_fit_reads_the_pixels_and_the_noise_of_its_seed():
    x = torch.full((70, 1, 8, 8), 128, dtype=torch.uint8)
    images = vaecli.Images(x, bars(70).labels, 2, "dynamic")
    model = model_of(images)
    found, expected = mixture(model), mixture(model)
    list(fit_prior(found, model, images, 3))
    latents = encode_latents(model, images.fix_pixels(3))
    list(expected.fit(latents, stream_generator(3, "fitted prior")))
    assert torch.equal(found.loc, expected.loc)


def test_a_prior_is_fitted_in_training_mode_and_must_be_finite(monkeypatch):
    model = model_of(bars(70))
    prior = mixture(model).eval()
    modes = []

    def fit(latents, generator):
        modes.append(prior.training)
        prior.loc.fill_(torch.inf)
        yield 1.0

    monkeypatch.setattr(prior, "fit", fit)
    with pytest.raises(NotFiniteError, match="values of loc of the fitted prior are NaN or inf"):
        list(fit_prior(prior, model, bars(70), 0))
    assert modes == [True]


def test_the_codes_are_those_of_the_images():
    model = model_of(bars(70), posterior="quantized:codes=4,dim=1,levels=2", prior="codes")
    latents = encode_latents(model, bars(70))
    q = model.eval().encode(bars(70).pixels(slice(None)))
    assert torch.equal(latents.codes, q.codes)
    assert latents.codes.shape == (70, 3, 2)
    assert not latents.std.any()


def test_the_weights_of_a_prior_over_codes_are_decided_by_the_seed_alone():
    model = model_of(bars(70), posterior="quantized:codes=4,dim=1", prior="codes")
    made = []
    for seed in (0, 0, 1):
        torch.rand(1)
        config = configuration(
            seed=seed, fitted_prior="autoregressive:width=8", posterior="quantized:codes=4,dim=1"
        )
        made.append(make_fitted_prior(config, model, bars(70)).state_dict())
    runs.assert_same_tensors(made[0], made[1])
    assert any(not torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_pixels_that_are_drawn_at_random_are_drawn_once():
    images = vaecli.Images(
        torch.full((70, 1, 8, 8), 128, dtype=torch.uint8), bars(70).labels, 2, "dynamic"
    )
    model = model_of(images)
    fits = [mixture(model) for _ in range(2)]
    for prior in fits:
        list(fit_prior(prior, model, images, 0))
    assert torch.equal(fits[0].loc, fits[1].loc)


def test_a_fit_to_a_model_that_overflows_is_an_error():
    model = model_of(bars(70))
    with torch.no_grad():
        model.posterior.head.weight.fill_(torch.finfo(torch.float32).max)
    with pytest.raises(NotFiniteError, match="The latents are NaN or infinite"):
        list(fit_prior(mixture(model), model, bars(70), 0))


def test_a_model_with_another_prior_shares_the_rest():
    model = model_of(bars(70)).eval()
    prior = mixture(model)
    other = with_prior(model, prior)
    assert other.prior is prior
    assert other.posterior is model.posterior
    assert other.likelihood is model.likelihood
    assert not other.training
    assert model.prior is not prior


def configuration(**options):
    return resolve(vaecli.Config(**TINY, **options))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "needs 5 training images for each, and there are 70: use components=14 or fewer"),
        ({"conditional": True}, "and the smallest class has"),
        ({"conditional": True, "labels": 10}, "labels=10 hides the others"),
    ],
)
def test_a_fit_without_enough_images_is_refused(options, reason):
    labels = options.get("labels")
    images = bars(70).hide_labels(labels, 0) if labels else bars(70)
    objective = "m2" if labels else "elbo"
    config = configuration(fitted_prior="mixture:components=40", objective=objective, **options)
    model = model_of(bars(70), conditional=config.conditional)
    with pytest.raises(ConfigError, match=reason):
        make_fitted_prior(config, model, images)


def test_a_class_without_images_is_too_small():
    images = vaecli.Images(bars(70).x, bars(70).labels, 3)
    model = model_of(images, conditional=True)
    config = configuration(fitted_prior="mixture:components=2", conditional=True)
    with pytest.raises(ConfigError, match="and the smallest class has 0"):
        make_fitted_prior(config, model, images)


def test_a_prior_to_fit_is_made_as_configured():
    model = model_of(bars(70))
    assert make_fitted_prior(configuration(), model, bars(70)) is None
    prior = make_fitted_prior(configuration(fitted_prior="mixture:components=4"), model, bars(70))
    assert isinstance(prior, FittedMixture)
    assert prior.loc.shape == (1, 4, 3)
