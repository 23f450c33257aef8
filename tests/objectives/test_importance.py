import math

import pytest
import torch
from torch import testing

from tests.conftest import bars
from tests.objectives.made import Learned, Normal, X, draw, gradients, make, seeded_terms
from tests.test_model import evidence
from vaecli.evaluation.bounds import evaluate
from vaecli.objectives import importance
from vaecli.objectives.elbo import ELBO
from vaecli.objectives.importance import IWAE, PIWAE, DReG, Renyi, mean_bound

TIGHT = {"rtol": 1e-6, "atol": 1e-6}


def stretched(model, factor=3.0):
    """The model with a decoder whose output depends more on the latents."""
    with torch.no_grad():
        model.likelihood.decoder.net[0].weight.mul_(factor)
        model.likelihood.decoder.net[-1].weight.mul_(factor)
    return model


def test_with_one_sample_every_bound_is_the_elbo():
    """With the rate by Monte Carlo in both, as no formula is known for this prior."""
    model = make(prior=Normal)
    plain = seeded_terms(ELBO(), model).loss
    for objective in (IWAE(1), PIWAE(1, 1), Renyi(0.3, 1), DReG(model.posterior, 1), Renyi(1, 1)):
        testing.assert_close(seeded_terms(objective, model).loss, plain, **TIGHT)


def test_equally_weighted_samples_give_the_elbo():
    model = make()
    one, several = draw(model), draw(model, 6)
    testing.assert_close(
        seeded_terms(IWAE(1, beta=1), model).loss, (one.distortion + one.rate).mean(), **TIGHT
    )
    testing.assert_close(
        seeded_terms(IWAE(3, 2, beta=1), model).loss,
        (several.distortion + several.rate).mean(),
        **TIGHT,
    )
    monte_carlo = -several.log_weights.mean()
    testing.assert_close(seeded_terms(IWAE(1, 6), model).loss, monte_carlo, **TIGHT)
    testing.assert_close(seeded_terms(Renyi(1, 6), model).loss, monte_carlo, **TIGHT)
    testing.assert_close(
        seeded_terms(Renyi(0.999, 6), model).loss, monte_carlo, rtol=1e-3, atol=1e-3
    )


def average(values):
    return torch.tensor(sum(values) / len(values), dtype=torch.float32)


def test_each_bound_is_the_formula_of_its_paper():
    """Computed from the weights in double precision, not from their logarithms."""
    model = make()
    weights = draw(model, 6).log_weights.double().exp()
    iwae = [-math.log(w) for w in weights.mean(0).tolist()]
    halves = [weights[0::2].mean(0), weights[1::2].mean(0)]
    miwae = [-math.log(w) for half in halves for w in half.tolist()]
    testing.assert_close(seeded_terms(IWAE(6), model).loss, average(iwae), **TIGHT)
    testing.assert_close(seeded_terms(IWAE(3, 2), model).loss, average(miwae), **TIGHT)
    testing.assert_close(seeded_terms(PIWAE(3, 2), model).loss, average(iwae), **TIGHT)
    testing.assert_close(seeded_terms(DReG(model.posterior, 6), model).loss, average(iwae), **TIGHT)
    testing.assert_close(seeded_terms(Renyi(0, 6), model).loss, average(iwae), **TIGHT)
    for alpha in (-1.5, 0.5, 2.0):
        power = [sum(v ** (1 - alpha) for v in w) / len(w) for w in weights.T.tolist()]
        renyi = [-math.log(p) / (1 - alpha) for p in power]
        testing.assert_close(seeded_terms(Renyi(alpha, 6), model).loss, average(renyi), **TIGHT)
    plain = draw(model, 6)
    combined = 0.3 * (plain.distortion + plain.rate).mean() + 0.7 * average(iwae)
    testing.assert_close(seeded_terms(IWAE(6, beta=0.3), model).loss, combined, **TIGHT)


def test_the_bound_rises_to_the_evidence_with_more_samples():
    model = stretched(make())
    truth = evidence(model, X).mean().item()
    found = []
    with torch.inference_mode():
        for samples, times in ((1, 1000), (4, 500), (16, 200), (4000, 3)):
            found.append(-seeded_terms(IWAE(samples), model, X.repeat(times, 1, 1, 1)).loss.item())
    assert found[0] < found[1] - 0.3 < found[2] - 0.4
    assert found[2] < truth
    assert found[3] == pytest.approx(truth, abs=0.05)


def test_the_gradient_weights_samples_by_their_importance():
    log_weights = torch.tensor([[-5.0], [-2.0], [-9.0]], requires_grad=True)
    (weights,) = torch.autograd.grad(mean_bound(log_weights, 3).sum(), log_weights)
    testing.assert_close(weights, log_weights.softmax(0), **TIGHT)
    assert weights.argmax() == 1


def test_the_renyi_bound_decreases_with_alpha():
    model = stretched(make())
    bounds = [-seeded_terms(Renyi(alpha, 50), model).loss for alpha in (-2, 0, 0.5, 0.99, 1, 2)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] - bounds[-1] > 1
    testing.assert_close(bounds[1], draw(model, 50).bound.mean(), **TIGHT)


@pytest.mark.parametrize("prior", [Normal, Learned])
def test_encoder_and_decoder_of_piwae_are_trained_by_their_own_bounds(prior):
    model = stretched(make(prior=prior))
    got = gradients(seeded_terms(PIWAE(3, 4), model).loss, model)
    encoder = gradients(seeded_terms(IWAE(3, 4), model).loss, model)
    decoder = gradients(seeded_terms(IWAE(12), model).loss, model)
    for name, gradient in got.items():
        wanted = (encoder if name.startswith("posterior.") else decoder)[name]
        testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)
        assert (encoder[name] - decoder[name]).abs().max() > 1e-3, name


def test_the_gradient_of_dreg_has_the_mean_of_that_of_iwae_and_less_noise():
    model = make(prior=Learned)
    bound, dreg = IWAE(4), DReG(model.posterior, 4)
    plain, other = (gradients(seeded_terms(o, model).loss, model) for o in (bound, dreg))
    for name in plain:
        if not name.startswith("posterior."):
            testing.assert_close(other[name], plain[name], rtol=1e-4, atol=1e-5)
    means, errors = [], []
    for objective in (bound, dreg):
        found = head_gradients(model, objective, repeats=20_000)
        means.append(found.mean(0))
        errors.append(found.std(0) / len(found) ** 0.5)
    assert ((means[0] - means[1]).abs() < 4 * (errors[0] ** 2 + errors[1] ** 2).sqrt()).all()
    assert (means[0].abs() > 10 * errors[0]).any()  # the gradient is not 0
    assert (errors[1] < errors[0]).all()


def head_gradients(model, objective, repeats):
    """Gradients with respect to the output of the head for one image, shape `(repeats, 2 D)`."""
    mean = model.posterior.head(model.posterior.encoder(X[:1])).detach()
    heads = mean.repeat(repeats, 1).requires_grad_()
    frozen = make(prior=Learned)
    frozen.load_state_dict(model.state_dict())
    frozen.posterior.head = Given(heads)
    torch.manual_seed(0)
    loss = objective(frozen, X[:1].expand(repeats, -1, -1, -1)).loss
    (found,) = torch.autograd.grad(loss * repeats, heads)
    return found


class Given(torch.nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, h):
        return self.heads


def test_the_gradient_of_dreg_is_0_at_the_true_posterior():
    """For every single sample, where that of iwae is noise with mean 0."""
    model = make()
    with torch.no_grad():  # without information on z the true posterior is the prior
        model.likelihood.decoder.net[0].weight.zero_()
        model.posterior.head.weight.zero_()
        model.posterior.head.bias.zero_()
    for samples in (1, 5):
        still = gradients(seeded_terms(DReG(model.posterior, samples), model).loss, model.posterior)
        noisy = gradients(seeded_terms(IWAE(samples), model).loss, model.posterior)
        assert still["head.bias"].abs().max() < 1e-6
        assert noisy["head.bias"].abs().max() > 0.01


@pytest.mark.parametrize("limit", [1, 13, 24, 1000])
def test_evaluation_limits_the_decoded_latents_and_counts_every_image_once(monkeypatch, limit):
    monkeypatch.setattr(importance, "MAX_DECODED_LATENTS", limit)
    model, decoded = make(), []
    model.likelihood.decoder.register_forward_hook(lambda *seen: decoded.append(len(seen[2])))
    images = bars(6)
    means = evaluate(model, IWAE(6), images, 0)
    assert max(decoded) <= max(limit, 6)
    assert sum(decoded) == 6 * len(images)
    rate = model.draw(images.pixels(slice(None))).rate.mean().item()
    assert means["rate"] == pytest.approx(rate, rel=1e-5)
