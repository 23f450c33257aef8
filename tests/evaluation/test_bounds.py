"""Mean loss terms, and the likelihood that the bound is a bound of."""

import math
import statistics

import pytest
import torch

import vaecli
from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.evaluation import bounds
from vaecli.evaluation.bounds import compare_priors, evaluate, evaluate_bound, log_likelihood
from vaecli.parts.likelihoods import LIKELIHOODS
from vaecli.system.errors import ConfigError, NotFiniteError

TRAIN = bars(64)


@pytest.mark.parametrize("size", [1000, 40, 16, 7])
def test_every_image_counts_once_whatever_the_batch_size(parts, size):
    """The rate needs no noise, so that it must agree with one pass over all images."""
    images = bars(40)
    parts[1].evaluation_batch_size = size
    wanted = parts[0].draw(images.pixels(slice(None))).rate.mean().item()
    assert evaluate(*parts, images, seed=0)["rate"] == pytest.approx(wanted, rel=1e-5)


def test_loss_is_distortion_plus_rate_in_nats_per_image(parts):
    one = evaluate(*parts, bars(40), seed=0)
    assert one["loss"] == pytest.approx(one["distortion"] + one["rate"], rel=1e-5)
    assert 64 * 0.5 < one["distortion"] < 64 * 0.9  # an untrained pixel costs about log 2


def test_the_seed_decides_the_loss_and_training_noise_is_not_disturbed(parts):
    state = torch.get_rng_state()
    first = evaluate(*parts, bars(40), seed=0)
    assert evaluate(*parts, bars(40), seed=0) == first
    assert evaluate(*parts, bars(40), seed=1) != first
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("name", ["distortion", "rate", "negative_bound"])
def test_a_result_that_is_no_finite_number_is_an_error(parts, monkeypatch, name, value):
    terms = {"distortion": 1.0, "rate": 1.0, name: value}
    monkeypatch.setattr(bounds, "evaluate", lambda *arguments: terms)
    scores = torch.tensor([1.0, -terms.get("negative_bound", 1.0)])
    monkeypatch.setattr(bounds, "log_likelihood", lambda *arguments: scores)
    with pytest.raises(NotFiniteError, match=f"The {name} of these images is {value}"):
        evaluate_bound(*parts, bars(4), 2, seed=0)


@pytest.fixture(scope="module")
def model():
    """A trained model of one latent dimension, over which a sum replaces the integral."""
    config = vaecli.Config(latent_dim=1, network="mlp:width=8,depth=1", epochs=30, lr=1e-2)
    state = vaecli.start(config, TRAIN)
    list(vaecli.fit(state, TRAIN, TRAIN))
    return state.model.eval()


def quadrature(model, images):
    """`log p(x)` of each image by the sum over a fine grid of the one latent."""
    z = torch.linspace(-12, 12, 4801)
    x = images.pixels(slice(None))
    with torch.no_grad():
        log_px = model.likelihood(z.view(-1, 1, 1).expand(-1, len(x), 1)).log_prob(x)
        log_pz = model.prior().log_prob(z.unsqueeze(-1)).unsqueeze(1)
    return (log_px + log_pz).logsumexp(0) + math.log(24 / 4800)


def test_the_estimate_is_the_likelihood_by_quadrature(model):
    images = TRAIN.first(8)
    found = log_likelihood(model, images, 5000, seed=0)
    torch.testing.assert_close(found, quadrature(model, images), atol=0.06, rtol=0)


def test_the_estimate_rises_from_the_bound_to_the_likelihood(model):
    images = bars(64, seed=3)
    means = [log_likelihood(model, images, k, seed=0).mean().item() for k in (1, 10, 1000)]
    exact = quadrature(model, images).mean().item()
    assert means == sorted(means)
    assert means[0] < exact - 0.1
    assert means[2] == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize(("rows", "images"), [(7, [1] * 5), (40, [2, 2, 1]), (1000, [5])])
def test_few_latents_are_decoded_at_a_time(model, monkeypatch, rows, images):
    monkeypatch.setattr(bounds, "MAX_DECODED_LATENTS", rows)
    sizes, done = [], []
    hook = model.likelihood.decoder.register_forward_hook(lambda *a: sizes.append(len(a[2])))
    found = log_likelihood(model, TRAIN.first(5), 20, 0, done.append)
    hook.remove()
    assert max(sizes) <= rows
    assert (sum(sizes), done, found.shape) == (100, images, (5,))  # as many at a time as fit


def draws(model, monkeypatch):
    """The latents of every draw, as they come."""
    found, draw = [], model.draw

    def watched(*arguments):
        drawn = draw(*arguments)
        found.append(drawn.z)
        return drawn

    monkeypatch.setattr(model, "draw", watched)
    return found


def test_chunks_of_samples_and_labels_use_different_noise(model, monkeypatch):
    monkeypatch.setattr(bounds, "MAX_DECODED_LATENTS", 4)
    found = draws(model, monkeypatch)
    log_likelihood(model, TRAIN.first(2), 10, 0)
    latents = torch.cat([z.flatten(1) for z in found])
    assert [len(z) for z in found] == [4, 4, 2] * 2
    assert len(latents.unique()) == latents.numel()


def test_every_label_has_its_own_noise_and_all_samples(monkeypatch):
    config = vaecli.Config(latent_dim=2, network="mlp:width=8", conditional=True)
    conditional, _ = build(config, (1, 8, 8), 2)
    found = draws(conditional, monkeypatch)
    log_likelihood(conditional, TRAIN.first(3), 10, 0, sum_labels=True)
    assert [len(z) for z in found] == [10, 10]
    log_likelihood(conditional, TRAIN.first(3), 10, 0)
    assert [len(z) for z in found[2:]] == [10]
    with torch.no_grad():  # the noise, if means and variances do not depend on the label
        for p in conditional.posterior.parameters():
            p.zero_()
    found.clear()
    log_likelihood(conditional, TRAIN.first(3), 10, 0, sum_labels=True)
    assert not torch.isclose(*found).any()


def test_chunk_sizes_change_the_noise_and_not_the_estimate(model, monkeypatch):
    images = TRAIN.first(16)
    exact = quadrature(model, images)
    found = {}
    for decoded in (10_000, 150, 7):
        monkeypatch.setattr(bounds, "MAX_DECODED_LATENTS", decoded)
        found[decoded] = log_likelihood(model, images, 600, seed=0)
        assert (found[decoded] - exact).mean().abs() < 0.05
    assert not torch.equal(found[10_000], found[150])
    assert not torch.equal(found[150], found[7])


def test_the_seed_decides_the_estimate(model):
    images = TRAIN.first(4)
    first = log_likelihood(model, images, 10, seed=0)
    assert torch.equal(log_likelihood(model, images, 10, seed=0), first)
    assert not torch.isclose(log_likelihood(model, images, 10, seed=1), first).any()


@pytest.mark.parametrize("scores", [[3.0, 7.0, 3.0, 7.0], [1.0, 2.0, 4.0], [-5.5, 0.25]])
def test_the_standard_error_is_the_sample_deviation_over_the_root_of_the_number(
    parts, monkeypatch, scores
):
    monkeypatch.setattr(bounds, "log_likelihood", lambda *arguments: -torch.tensor(scores))
    found = evaluate_bound(*parts, bars(4), 9, 0, "threshold")
    assert (found["samples"], found["nll"]) == (9, pytest.approx(statistics.mean(scores)))
    wanted = statistics.stdev(scores) / math.sqrt(len(scores))
    assert found["standard_error"] == pytest.approx(wanted)


def test_one_image_has_no_standard_error(parts):
    found = evaluate_bound(*parts, bars(1), 9, 0)
    assert found["standard_error"] is None


NUMBERS = ["protocol", "quantity", "distortion", "rate", "negative_elbo", "loss"]


@pytest.mark.parametrize("binarize", ["none", "dynamic", "threshold"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_only_what_is_a_likelihood_is_called_one(likelihood, binarize):
    config = vaecli.Config(latent_dim=2, network="mlp:width=4", likelihood=likelihood)
    found = evaluate_bound(*build(config, (1, 8, 8)), bars(5), 3, 0, binarize)
    is_loss = likelihood == "bernoulli" and binarize == "none"
    name = "negative_bound" if is_loss else "nll"
    assert list(found) == [*NUMBERS, "samples", name, "standard_error"]
    words = f"{list(found)} {found['protocol']}"
    if is_loss:
        assert "likelihood" not in words
        assert "nll" not in words
    is_density = likelihood in ("gaussian", "laplace", "continuous-bernoulli")
    assert ("density, not dequantized" in words) == is_density


POINTS = {
    "quantized": {"posterior": "quantized:codes=8", "prior": "codes", "latent_dim": 4},
    "dirac": {"posterior": "dirac", "objective": "elbo:beta=0"},
}


@pytest.mark.parametrize("posterior", POINTS)
def test_samples_of_a_single_point_are_refused(posterior):
    parts = build(vaecli.Config(network="mlp:width=8", **POINTS[posterior]), (1, 8, 8))
    with pytest.raises(ConfigError, match=r"samples=5: the posterior of this model is a single"):
        evaluate_bound(*parts, bars(4), 5, 0)
    x = bars(4).pixels(slice(None))
    with torch.no_grad():
        z = parts[0].draw(x, samples=3).z
    assert torch.equal(z[0], z[1])


def test_the_loss_of_a_codebook_is_beside_the_bound():
    model, objective = build(vaecli.Config(network="mlp:width=8", **POINTS["quantized"]), (1, 8, 8))
    found = evaluate_bound(model, objective, bars(20), None, 0)
    assert list(found) == [*NUMBERS[:5], "vq_loss", "loss"]
    with torch.no_grad():
        draw = model.draw(bars(20).pixels(slice(None)))
    assert found["vq_loss"] == pytest.approx(draw.vq_loss.mean().item(), rel=1e-5)
    assert found["vq_loss"] > 0.1
    assert found["rate"] == pytest.approx(2 * math.log(8), rel=1e-5)  # two codes of eight
    assert found["negative_elbo"] == pytest.approx(
        -draw.log_px.mean().item() + 2 * math.log(8), rel=1e-5
    )


def test_a_deterministic_code_has_a_distortion_only():
    parts = build(vaecli.Config(network="mlp:width=8", **POINTS["dirac"]), (1, 8, 8))
    assert list(evaluate_bound(*parts, bars(4), None, 0)) == NUMBERS[:3]


def test_beside_a_fitted_prior_stands_what_the_trained_one_changes():
    config = Config(fitted_prior="mixture:components=2", prior="vamp")
    fitted = {"distortion": 1.0, "rate": 2.0, "negative_elbo": 3.0, "loss": 3.0}
    trained = {"distortion": 1.0, "rate": 4.0, "negative_elbo": 5.0, "loss": 5.0}
    beside = {"prior": "vamp", "rate": 4.0, "negative_elbo": 5.0}
    expected = {**fitted, "prior": "mixture:components=2", "trained_prior": beside}
    assert compare_priors(fitted, trained, config) == expected
    assert compare_priors({"distortion": 1.0}, {"distortion": 1.0}, config) == {"distortion": 1.0}
