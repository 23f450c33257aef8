import pytest
import torch
from torch import nn

from tests.builders import build
from tests.objectives.made import C, Learned, X, draw, gradients, make, seeded_terms
from vaecli.config.config import Config
from vaecli.objectives.elbo import ELBO
from vaecli.objectives.regularized import RAE, decoder_gradient_penalty, decoder_l2
from vaecli.parts.networks import NETWORKS
from vaecli.parts.posteriors import DiracPosterior


@pytest.fixture
def model():
    return make(DiracPosterior)


@pytest.mark.parametrize("penalty", ["l2", "gp"])
def test_the_loss_is_the_weighted_sum_of_the_paper(model, penalty):
    metrics = seeded_terms(RAE(model.posterior, penalty, beta=0.3, weight=0.2), model).metrics
    wanted = metrics["distortion"] + 0.3 * metrics["latent_l2"] + 0.2 * metrics["decoder_penalty"]
    torch.testing.assert_close(metrics["loss"], wanted)
    torch.testing.assert_close(metrics["latent_l2"], (model.embed(X) ** 2 / 2).sum(-1).mean())


@pytest.mark.parametrize("penalty", ["l2", "gp"])
def test_without_weights_the_loss_is_that_of_an_autoencoder(model, penalty):
    bare = RAE(model.posterior, penalty, beta=0, weight=0)
    torch.testing.assert_close(
        seeded_terms(bare, model).loss, seeded_terms(ELBO(beta=0), model).loss
    )


def test_the_l2_penalty_has_the_weights_of_the_decoder_without_biases(model):
    first, _, last = model.likelihood.decoder.net
    wanted = first.weight.square().sum() + last.weight.square().sum()
    torch.testing.assert_close(decoder_l2(model), wanted)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian:scale=shared"])
def test_the_l2_penalty_leaves_out_biases_and_scales_of_every_network(network, norm, likelihood):
    """Doubled weights give four times the penalty; what else is learned changes nothing."""
    config = Config(
        posterior="dirac",
        objective="rae",
        likelihood=likelihood,
        network=f"{network}:width=4,depth=2,norm={norm}",
    )
    model, _ = build(config, (2, 8, 8))
    before = decoder_l2(model)
    weights = 0
    with torch.no_grad():
        for module in model.likelihood.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if name == "weight" and not isinstance(module, nn.GroupNorm):
                    weights += parameter.square().sum()
                else:
                    parameter += 1  # biases are 0 at first
    torch.testing.assert_close(decoder_l2(model), before)
    torch.testing.assert_close(decoder_l2(model), weights)


@pytest.mark.parametrize("context", [0, 2])
def test_the_mean_gradient_penalty_is_the_squared_norm_of_the_jacobian(context):
    model, c = make(DiracPosterior, context=context), C[:1] if context else None
    z = model.embed(X[:1], c)
    jacobian = torch.autograd.functional.jacobian(lambda z: model.likelihood(z, c).mean, z)
    torch.manual_seed(0)
    many = model.draw(X[:1].expand(20_000, -1, -1, -1), None if c is None else c.expand(20_000, -1))
    found = decoder_gradient_penalty(model, many, None if c is None else c.expand(20_000, -1))
    assert found.shape == (20_000,)
    torch.testing.assert_close(found.mean(), jacobian.square().sum(), rtol=0.03, atol=0)


def test_the_gradient_penalty_trains_decoder_and_encoder(model):
    torch.manual_seed(0)
    found = gradients(decoder_gradient_penalty(model, draw(model), None).mean(), model)
    for name in ("likelihood.decoder.net.0.weight", "posterior.head.weight"):
        assert found[name].abs().sum() > 0, name


def test_a_step_down_the_gradient_penalty_lowers_it(model):
    def penalty():
        torch.manual_seed(0)
        return decoder_gradient_penalty(model, draw(model), None).mean()

    before = penalty()
    (gradient,) = torch.autograd.grad(before, model.likelihood.decoder.net[0].weight)
    with torch.no_grad():
        model.likelihood.decoder.net[0].weight -= 0.1 * gradient
    assert penalty() < before


def test_the_gradient_penalty_is_the_same_in_evaluation_of_a_conditional_model():
    model = make(DiracPosterior, Learned, context=2)
    objective = RAE(model.posterior, "gp")
    wanted = seeded_terms(objective, model, X, C).metrics
    with torch.inference_mode():
        torch.testing.assert_close(
            seeded_terms(objective, model, X.clone(), C.clone()).metrics, wanted
        )
