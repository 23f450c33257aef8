"""What holds for every objective, with every kind of posterior and prior."""

import itertools

import pytest
import torch

from tests.builders import build
from tests.conftest import bars
from tests.objectives.made import SHAPE, C, Learned, Shared, X, seeded_terms
from vaecli.config.config import Config
from vaecli.evaluation.bounds import evaluate
from vaecli.objectives import METRIC_UNITS, OBJECTIVES
from vaecli.parts.priors import PRIORS
from vaecli.system.errors import ConfigError

SPECS = [
    "adversarial",
    "beta-tc",
    "dip",
    "dreg",
    "elbo",
    "factor",
    "iwae",
    "piwae",
    "rae",
    "renyi",
    "swae",
    "vae-gan",
    "wae",
    "elbo:beta=0",
    "elbo:annealing_epochs=10",
    "elbo:cycle_epochs=4",
    "elbo:capacity=3,capacity_epochs=5",
    "elbo:free_bits=100",
    "elbo:free_bits=1,free_bits_groups=0",
    "iwae:bounds=2,beta=0.5",
    "wae:kl_weight=0.5",
    "dip:variant=I",
    "rae:penalty=gp",
]
WITHOUT_DENSITY = {"elbo:beta=0", "wae", "swae", "rae", "rae:penalty=gp", "adversarial"}
# Objectives that this list does not know yet; m2 has tests of its own.
NEW = set(OBJECTIVES) - {spec.partition(":")[0] for spec in SPECS} - {"m2"}
TRIPLES = list(itertools.product(SPECS, ["gaussian", "dirac"], ["normal", "learned", "shared"]))
TRIPLES += [(name, "gaussian", "normal") for name in sorted(NEW)]


@pytest.fixture(autouse=True)
def priors_for_tests(monkeypatch):
    monkeypatch.setitem(PRIORS, "learned", Learned)
    monkeypatch.setitem(PRIORS, "shared", Shared)


def make(
    objective,
    posterior="gaussian",
    prior="normal",
    conditional=False,
    network="mlp:width=16,depth=1",
    latent_dim=2,
):
    config = Config(
        objective=objective,
        posterior=posterior,
        prior=prior,
        conditional=conditional,
        latent_dim=latent_dim,
        network=network,
    )
    return build(config, SHAPE, classes=2, images=50)


def works(spec, posterior, prior):
    """Whether the three are meant to go together."""
    if spec in NEW:
        return True
    if (spec == "adversarial" or "groups" in spec) and prior != "normal":
        return False
    if posterior == "dirac":
        return spec in WITHOUT_DENSITY
    return not spec.startswith("rae")


WORKING = [triple for triple in TRIPLES if works(*triple)]
WITH_A_MAP = [
    *((*pair, c) for *pair, prior in WORKING if prior == "normal" for c in (False, True)),
    ("m2", "gaussian", True),
]
REFUSED = [triple for triple in TRIPLES if not works(*triple)]


@pytest.mark.parametrize(("spec", "posterior", "prior"), REFUSED)
def test_parts_that_do_not_go_together_are_refused(spec, posterior, prior):
    with pytest.raises(ConfigError, match=r"use (posterior|prior)=.*\.$"):
        make(spec, posterior, prior)


@pytest.mark.parametrize(("spec", "posterior", "prior"), WORKING)
@pytest.mark.parametrize(("images", "conditional"), [(6, False), (6, True), (1, False)])
def test_every_parameter_gets_a_gradient(spec, posterior, prior, images, conditional):
    model, objective = make(spec, posterior, prior, conditional)
    c = C[:images] if conditional else None
    terms = seeded_terms(objective, model, X[:images], c, epoch=0.5)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.metrics.values())
    for name, parameter in [*model.named_parameters(), *objective.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A single image may leave units inactive, the rate within the free bits costs nothing, and
        # a hinge loss may cancel at the start.
        if images > 1 and "free_bits" not in spec and spec not in NEW:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("spec", "posterior", "conditional"), WITH_A_MAP)
def test_every_objective_trains_latents_that_are_a_map(spec, posterior, conditional):
    network = "conv:width=4,activation=silu,latent=map"
    model, objective = make(spec, posterior, "normal", conditional, network, None)
    assert model.posterior.latent_shape == (4, 2, 2)
    terms = seeded_terms(objective, model, X, C if conditional else None, epoch=0.5)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.metrics.values())
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0 or "free_bits" in spec, name


@pytest.mark.parametrize(("spec", "posterior", "prior"), WORKING)
def test_metrics_begin_with_the_common_ones_and_have_no_gradient(spec, posterior, prior):
    model, objective = make(spec, posterior, prior)
    terms = seeded_terms(objective, model)
    rate = "rate" if posterior == "gaussian" else "prior_nll"
    assert list(terms.metrics)[:3] == ["loss", "distortion", rate]
    assert not any(value.requires_grad for value in terms.metrics.values())
    torch.testing.assert_close(terms.metrics["loss"], terms.loss.detach())


@pytest.mark.parametrize(("spec", "posterior", "prior"), WORKING)
def test_evaluation_computes_the_same_metrics_as_training(spec, posterior, prior):
    if spec in ("adversarial", "vae-gan"):
        spec += ":gradient_penalty=0"  # the penalty is part of training only
    model, objective = make(spec, posterior, prior)
    trained = seeded_terms(objective, model).metrics
    with torch.inference_mode():
        torch.testing.assert_close(seeded_terms(objective, model).metrics, trained)


@pytest.mark.parametrize(("spec", "posterior", "prior"), WORKING)
@pytest.mark.parametrize("log_var", [-30.0, 20.0])
def test_a_posterior_far_from_the_prior_leaves_every_number_finite(spec, posterior, prior, log_var):
    model, objective = make(spec, posterior, prior)
    with torch.no_grad():
        model.posterior.head.bias[:2] = 100.0
        model.posterior.head.bias[2:] = log_var
    terms = seeded_terms(objective, model)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.metrics.values())
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("spec", "posterior", "prior"), WORKING)
def test_the_monitored_metric_does_not_depend_on_the_discriminator(spec, posterior, prior):
    model, objective = make(spec, posterior, prior)
    before = evaluate(model, objective, bars(20), seed=0)[objective.monitor]
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter += 0.1
    assert evaluate(model, objective, bars(20), seed=0)[objective.monitor] == before


def test_every_metric_has_a_unit_and_fractions_lie_between_0_and_1():
    made = [make(*triple) for triple in WORKING]
    made += [make("m2", conditional=True), make("elbo", "quantized", "codes")]
    logged = set()
    for model, objective in made:
        metrics = evaluate(model, objective, bars(20), seed=0)
        logged |= set(metrics)
        for name, value in metrics.items():
            unit = METRIC_UNITS.get(name, "")
            assert unit in ("nats", "fraction", "")
            assert unit != "fraction" or 0 <= value <= 1, name
    assert logged >= set(METRIC_UNITS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "elbo:annealing_epochs=5,cycle_epochs=5",
            "elbo:annealing_epochs excludes cycle_epochs: remove one of them.",
        ),
        (
            "elbo:capacity=25,beta=2,free_bits=1",
            "elbo:capacity excludes beta, free_bits: remove one or the other. The weight of "
            "capacity is capacity_weight.",
        ),
        ("rae", "The rae objective needs a deterministic posterior: use posterior='dirac'."),
        *(
            (
                name,
                f"The {name} objective needs a posterior with independent dimensions: use "
                "posterior='gaussian'.",
            )
            for name in ("dreg", "beta-tc", "factor", "dip")
        ),
    ],
)
def test_a_misfit_is_refused_with_a_remedy(spec, message):
    posterior = "gaussian" if spec.startswith(("elbo", "rae")) else "dirac"
    with pytest.raises(ConfigError) as refused:
        make(spec, posterior)
    assert str(refused.value) == message
