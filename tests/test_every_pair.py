"""Every posterior with every prior, under the plain bound: trains, or is refused in a sentence."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch.distributions import kl_divergence

from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.parts.posteriors import POSTERIORS
from vaecli.parts.priors import PRIORS
from vaecli.system.errors import ConfigError

SHAPE = (1, 8, 8)
VECTOR = Config(latent_dim=2, network="mlp:width=16,depth=1")
MAP = Config(network="conv:width=6,activation=silu,latent=map")  # 4 channels of 2x2
# The ring and the swiss roll lie in a plane.
PLANAR_MAP = Config(latent_dim=2, network="conv:width=6,depth=3,activation=silu,latent=map")
LABELS = torch.eye(3)[[0, 1, 2, 0, 1, 2]]


def works(posterior, prior, conditional):
    """Whether the pair is meant to go together."""
    if not POSTERIORS[posterior].has_density or (prior == "conditional" and not conditional):
        return False
    if prior == "vamp":
        return posterior == "gaussian"
    return POSTERIORS[posterior].space == PRIORS[prior].space


def make(posterior, prior, conditional=False, has_map=False):
    parts = {"posterior": posterior, "prior": prior, "conditional": conditional}
    config = VECTOR
    if has_map:
        config = PLANAR_MAP if prior in ("ring", "swiss-roll") else MAP
    return build(replace(config, **parts), SHAPE, 3)


EVERY_PAIR = list(itertools.product(POSTERIORS, PRIORS, [False, True]))


@pytest.mark.parametrize("has_map", [False, True])
@pytest.mark.parametrize(("posterior", "prior", "conditional"), EVERY_PAIR)
def test_a_pair_trains_every_parameter_or_is_refused(posterior, prior, conditional, has_map):
    if not works(posterior, prior, conditional):
        with pytest.raises(ConfigError, match=r"\.$"):
            make(posterior, prior, conditional, has_map)
        return
    model, objective = make(posterior, prior, conditional, has_map)
    x, c = bars(6).pixels(slice(None)), LABELS if conditional else None
    objective(model, x.flip(-1), c)  # at its first batch a codebook moves to where the latents are
    terms = objective(model, x, c)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.metrics.values())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    assert model.sample(6, c).shape == model.reconstruct(x, c).shape == x.shape
    assert model.draw(x, c, samples=4).bound.isfinite().all()


EXACT = [("gaussian", "normal", False), ("gaussian", "conditional", True), ("vmf", "sphere", False)]


@pytest.mark.parametrize(("posterior", "prior", "conditional"), EXACT)
def test_the_rate_by_formula_is_that_by_samples(posterior, prior, conditional):
    model, _ = make(posterior, prior, conditional)
    with torch.no_grad():
        c = LABELS if conditional else None
        draw = model.draw(2 * bars(6).pixels(slice(None)), c, samples=20_000)
        sampled, rate = (draw.log_qz - draw.log_pz).mean(0), kl_divergence(draw.q, draw.p)
    torch.testing.assert_close(sampled, rate, atol=0.05, rtol=0)
    torch.testing.assert_close(draw.rate, rate)


def test_no_tensor_of_a_checkpoint_stands_twice():
    for posterior, prior in (
        ("gaussian", "vamp"),
        ("ladder", "hierarchical"),
        ("quantized", "codes"),
    ):
        tensors = make(posterior, prior)[0].state_dict().values()
        assert len({t.data_ptr() for t in tensors}) == len(tensors)
