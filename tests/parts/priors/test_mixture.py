from types import SimpleNamespace

import pytest
import torch

from vaecli.parts.mixtures import NormalMixture
from vaecli.parts.priors import FITTED_PRIORS, PRIORS, FittedMixture, FixedLatents
from vaecli.system.errors import ConfigError

REAL = SimpleNamespace(space="real")
CENTERS = torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])


def latents(count=100, std=0.1, labelled=True):
    """Latents of three classes, each around a center of its own, and a few without label."""
    generator = torch.Generator().manual_seed(4)
    mean = CENTERS.repeat(count, 1) + 0.2 * torch.randn(3 * count, 2, generator=generator)
    unknown = torch.full((5, 2), 50.0)
    context = torch.cat([torch.eye(3).repeat(count, 1), torch.zeros(5, 3)])
    if not labelled:
        return FixedLatents(mean, torch.full_like(mean, std))
    return FixedLatents(
        torch.cat([mean, unknown]), torch.full((len(mean) + 5, 2), std), None, context
    )


def fitted(data, context_dim=0, seed=0, **options):
    prior = FittedMixture(2, REAL, context_dim, **{"components": 3, "iterations": 10, **options})
    fractions = list(prior.fit(data, torch.Generator().manual_seed(seed)))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    return prior


def test_it_is_found_by_name_and_is_no_prior_to_train_with():
    assert FITTED_PRIORS["mixture"] is FittedMixture
    assert not list(FittedMixture(2, REAL, 0).parameters())
    assert FittedMixture not in PRIORS.values()


def test_every_class_has_its_own_mixture():
    prior = fitted(latents(), context_dim=3, components=2)
    torch.testing.assert_close(prior.loc.mean(1), CENTERS, atol=0.2, rtol=0)
    torch.manual_seed(0)
    p = prior(torch.eye(3)[[2, 0]])
    assert p.batch_shape == (2,)
    samples = p.sample((500,))
    torch.testing.assert_close(samples.mean(0), CENTERS[[2, 0]], atol=0.1, rtol=0)
    alone = NormalMixture(prior.weights[2].log(), prior.loc[2], prior.scale_tril[2])
    torch.testing.assert_close(p.log_prob(samples)[:, 0], alone.log_prob(samples[:, 0]))


def test_an_unknown_label_has_the_equal_mixture_over_classes():
    prior = fitted(latents(), context_dim=3)
    z = torch.randn(20, 1, 2, generator=torch.Generator().manual_seed(0))
    by_class = prior(torch.eye(3)).log_prob(z).exp().mean(1)
    torch.testing.assert_close(prior(torch.zeros(1, 3)).log_prob(z)[:, 0].exp(), by_class)
    torch.testing.assert_close(prior().log_prob(z[:, 0]).exp(), by_class)


def test_an_unconditional_model_ignores_labels():
    prior = fitted(latents(labelled=False))
    assert prior(torch.eye(3)).batch_shape == ()
    order = prior.loc[0, :, 0].argsort()
    torch.testing.assert_close(prior.loc[0][order], CENTERS, atol=0.1, rtol=0)


def test_latents_have_a_multiple_of_the_noise_of_the_posterior():
    data = latents(count=1000, std=2.0, labelled=False)
    for noise in (0.0, 0.5):
        prior = fitted(data, components=1, noise=noise)
        covariance = prior.scale_tril[0, 0] @ prior.scale_tril[0, 0].T
        expected = data.mean.T.cov() + noise**2 * 4 * torch.eye(2)
        torch.testing.assert_close(covariance, expected, atol=0.15, rtol=0)


def test_the_fit_depends_on_the_generator_alone_to_the_bit():
    data = latents(labelled=False)
    torch.manual_seed(1)
    first = fitted(data, seed=7).state_dict()
    torch.manual_seed(2)
    again, other = fitted(data, seed=7).state_dict(), fitted(data, seed=8).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["loc"], other["loc"])
    assert set(first) == {"weights", "loc", "scale_tril"}


def test_the_covariances_are_full_or_diagonal():
    for covariance, correlated in (("full", True), ("diagonal", False)):
        prior = fitted(latents(labelled=False), covariance=covariance)
        assert bool(prior.scale_tril[..., 1, 0].any()) is correlated


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            [49],
            "components=10 needs 5 training images for each, and there are 49: use components=9",
        ),
        ([60, 12], "and the smallest class has 12: use components=2 or fewer"),
        ([60, 0], "the smallest class has 0: use more images"),
    ],
)
def test_too_few_images_are_refused(counts, message):
    prior = FittedMixture(2, REAL, 0, components=10)
    prior.require_enough([50])
    with pytest.raises(ConfigError, match=message):
        prior.require_enough(counts)


def test_the_fit_counts_the_images_of_each_class():
    with pytest.raises(ConfigError, match="the smallest class has 9"):
        fitted(latents(count=9), context_dim=3)
    with pytest.raises(ConfigError, match="there are 12"):
        fitted(latents(count=4, labelled=False))


@pytest.mark.parametrize("space", ["sphere", "codes"])
def test_latents_that_are_not_real_are_refused(space):
    with pytest.raises(ConfigError, match="needs real latents"):
        FittedMixture(2, SimpleNamespace(space=space), 0)


def test_many_dimensions_are_refused():
    FittedMixture(128, REAL, 0, components=1)
    with pytest.raises(ConfigError, match="at most 128 dimensions, not 129: use a smaller"):
        FittedMixture(129, REAL, 0)
