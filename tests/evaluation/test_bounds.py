"""Mean loss terms, and the likelihood that the bound is a bound of."""

import math

import pytest
import torch

import vaecli
from tests.conftest import bars
from vaecli.evaluation import bounds
from vaecli.evaluation.bounds import evaluate, evaluate_bound, log_likelihood

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


@pytest.mark.parametrize(
    ("scores", "nll", "error"), [([3.0, 7.0, 3.0, 7.0], 5.0, 1.0), ([4.0], 4.0, 0.0)]
)
def test_the_standard_error_is_the_spread_of_the_images_over_the_root_of_their_number(
    parts, monkeypatch, scores, nll, error
):
    monkeypatch.setattr(bounds, "log_likelihood", lambda *arguments: -torch.tensor(scores))
    found = evaluate_bound(parts[0], bars(4), 9, seed=0)
    assert (found["samples"], found["nll"], found["standard_error"]) == (9, nll, error)
