import pytest
import torch

from tests.objectives.made import C, Learned, X, draw, gradients, make, seeded
from vaecli.objectives.elbo import ELBO
from vaecli.objectives.regularized import RAE, squared_gradient, squared_weights
from vaecli.parts.posteriors import DiracPosterior


@pytest.fixture
def model():
    return make(DiracPosterior)


@pytest.mark.parametrize("penalty", ["l2", "gp"])
def test_the_loss_is_the_sum_of_the_paper(model, penalty):
    logged = seeded(RAE(model.posterior, penalty, beta=0.3, weight=0.2), model).logged
    wanted = logged["distortion"] + 0.3 * logged["code"] + 0.2 * logged["roughness"]
    torch.testing.assert_close(logged["loss"], wanted)
    torch.testing.assert_close(logged["code"], (model.embed(X) ** 2 / 2).sum(-1).mean())


@pytest.mark.parametrize("penalty", ["l2", "gp"])
def test_without_weights_it_is_the_autoencoder(model, penalty):
    bare = RAE(model.posterior, penalty, beta=0, weight=0)
    torch.testing.assert_close(seeded(bare, model).loss, seeded(ELBO(beta=0), model).loss)


def test_weights_are_those_of_the_decoder_without_biases(model):
    first, _, last = model.likelihood.decoder.net
    wanted = first.weight.square().sum() + last.weight.square().sum()
    torch.testing.assert_close(squared_weights(model), wanted)


@pytest.mark.parametrize("context", [0, 2])
def test_the_gradient_penalty_is_the_norm_of_the_jacobian_in_the_mean(context):
    model, c = make(DiracPosterior, context=context), C[:1] if context else None
    z = model.embed(X[:1], c)
    jacobian = torch.autograd.functional.jacobian(lambda z: model.likelihood(z, c).mean, z)
    torch.manual_seed(0)
    many = model.draw(X[:1].expand(20_000, -1, -1, -1), None if c is None else c.expand(20_000, -1))
    found = squared_gradient(model, many, None if c is None else c.expand(20_000, -1))
    assert found.shape == (20_000,)
    torch.testing.assert_close(found.mean(), jacobian.square().sum(), rtol=0.03, atol=0)


def test_the_gradient_penalty_trains_the_decoder_and_the_encoder(model):
    torch.manual_seed(0)
    found = gradients(squared_gradient(model, draw(model), None).mean(), model)
    for name in ("likelihood.decoder.net.0.weight", "posterior.head.weight"):
        assert found[name].abs().sum() > 0, name


def test_a_step_against_the_penalty_smooths_the_decoder(model):
    def roughness():
        torch.manual_seed(0)
        return squared_gradient(model, draw(model), None).mean()

    before = roughness()
    slopes = torch.autograd.grad(before, model.likelihood.decoder.net[0].weight)
    with torch.no_grad():
        model.likelihood.decoder.net[0].weight -= 0.1 * slopes[0]
    assert roughness() < before


def test_evaluation_without_gradients_gives_the_same_penalty_with_labels():
    model = make(DiracPosterior, Learned, context=2)
    objective = RAE(model.posterior, "gp")
    wanted = seeded(objective, model, X, C).logged
    with torch.inference_mode():
        torch.testing.assert_close(seeded(objective, model, X.clone(), C.clone()).logged, wanted)
