"""What holds for every objective, with every kind of posterior and prior."""

import itertools

import pytest
import torch
from torch import nn

from tests.objectives.made import NETWORK, SHAPE, C, Learned, Shared, X, fixed, make, seeded
from vaecli.config.build import make_part
from vaecli.config.spec import Spec
from vaecli.objectives import OBJECTIVES
from vaecli.parts.posteriors import Dirac, Gaussian
from vaecli.system.errors import ConfigError

UNLABELLED = set(OBJECTIVES) - {"m2"}  # which has tests of its own
SPECS = [
    *sorted(UNLABELLED),
    "elbo:beta=0",
    "elbo:warmup=10",
    "elbo:cycle=4",
    "elbo:capacity=3,over=5",
    "elbo:free_bits=100",
    "iwae:outer=2,beta=0.5",
    "wae:rate=0.5",
    "dip:kind=I",
    "rae:penalty=gp",
]
POSTERIORS = {"gaussian": Gaussian, "code": Dirac}
PRIORS = {"fixed": fixed, "learned": Learned, "shared": Shared}


def objective_for(spec, model, images=50):
    offered = {
        "posterior": model.posterior,
        "latent_dim": 2,
        "shape": SHAPE,
        "context": model.context,
    }
    offered |= {"prior": model.prior, "likelihood": model.likelihood}
    offered |= {"network": NETWORK, "classes": 2, "images": images}
    return make_part(Spec.parse(spec), "objective", **offered)


def combinations():
    """Those that nothing refuses."""
    for spec, q, p in itertools.product(SPECS, POSTERIORS, PRIORS):
        try:
            objective = objective_for(spec, make(POSTERIORS[q], PRIORS[p]))
        except ConfigError:
            continue
        if q == "gaussian" or not objective.needs_density:
            yield spec, q, p


COMBINATIONS = list(combinations())


def test_only_what_needs_a_density_refuses_a_code():
    names = {
        q: {spec.partition(":")[0] for spec, k, _ in COMBINATIONS if k == q} for q in POSTERIORS
    }
    assert names["gaussian"] == UNLABELLED - {"rae"}
    assert names["code"] == {"elbo", "wae", "swae", "rae", "adversarial"}


@pytest.mark.parametrize(("spec", "posterior", "prior"), COMBINATIONS)
@pytest.mark.parametrize(("images", "context"), [(6, 0), (6, 2), (1, 0)])
def test_every_parameter_gets_a_gradient(spec, posterior, prior, images, context):
    model = make(POSTERIORS[posterior], PRIORS[prior], context=context)
    objective = objective_for(spec, model)
    terms = seeded(objective, model, X[:images], C[:images] if context else None, epoch=0.5)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.logged.values())
    for name, parameter in [*model.named_parameters(), *objective.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # One image may light no unit that leads to a weight, and free bits cost nothing.
        if images > 1 and "free_bits" not in spec:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("spec", "posterior", "prior"), COMBINATIONS)
def test_the_common_columns_come_first_and_carry_no_gradient(spec, posterior, prior):
    model = make(POSTERIORS[posterior], PRIORS[prior])
    terms = seeded(objective_for(spec, model), model)
    rate = "rate" if posterior == "gaussian" else "prior_nll"
    assert list(terms.logged)[:3] == ["loss", "distortion", rate]
    assert not any(value.requires_grad for value in terms.logged.values())
    torch.testing.assert_close(terms.logged["loss"], terms.loss.detach())


@pytest.mark.parametrize(("spec", "posterior", "prior"), COMBINATIONS)
def test_evaluation_gives_what_training_gives(spec, posterior, prior):
    model = make(POSTERIORS[posterior], PRIORS[prior])
    objective = objective_for(spec, model)
    if hasattr(objective, "slope"):
        objective.slope = 0.0  # a critic pays for its slope in training only
    trained = seeded(objective, model).logged
    with torch.inference_mode():
        torch.testing.assert_close(seeded(objective, model).logged, trained)


@pytest.mark.parametrize(("spec", "posterior", "prior"), COMBINATIONS)
@pytest.mark.parametrize("log_var", [-30.0, 20.0])
def test_a_posterior_far_from_the_prior_leaves_every_number_finite(spec, posterior, prior, log_var):
    model = make(POSTERIORS[posterior], PRIORS[prior])
    objective = objective_for(spec, model)
    with torch.no_grad():
        model.posterior.head.bias[:2] = 100.0
        model.posterior.head.bias[2:] = log_var
    terms = seeded(objective, model)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.logged.values())
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("elbo:warmup=5,cycle=5", "The elbo objective takes warmup or cycle, not both: leave one"),
        ("elbo:capacity=25,beta=2", "elbo:capacity has no use for beta, warmup"),
        ("rae", "The rae objective regularises a deterministic code: use --posterior dirac."),
    ],
)
def test_a_bad_option_is_answered_in_a_sentence(spec, message):
    with pytest.raises(ConfigError) as raised:
        objective_for(spec, make())
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("name", ["dreg", "betatc", "factor", "dip"])
def test_what_needs_independent_dimensions_refuses_other_posteriors(name):
    with pytest.raises(ConfigError) as raised:
        objective_for(name, make(Dirac))
    assert str(raised.value) == (f"{name} needs independent latents: use --posterior gaussian.")


def test_critics_are_declared():
    model = make()
    for spec in SPECS[:-1]:
        objective = objective_for(spec, model) if not spec.startswith("rae") else nn.Module()
        assert getattr(objective, "has_critic", False) == bool(list(objective.parameters())), spec
