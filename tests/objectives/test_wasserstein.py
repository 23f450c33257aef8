import itertools

import pytest
import torch

from tests.objectives.made import Learned, Shared, X, draw, gradients, make, seeded_terms
from vaecli.objectives.elbo import ELBO
from vaecli.objectives.wasserstein import KERNEL_SCALES, SWAE, WAE, mmd, sliced_wasserstein
from vaecli.parts.posteriors import DiracPosterior


def loops(a, b):
    """The estimator of the paper's algorithm 2, as a loop over pairs."""
    n, total = len(a), 0.0
    pairs = list(itertools.product(range(n), range(n)))
    for c in [2 * a.shape[1] * scale for scale in KERNEL_SCALES]:

        def k(u, v, c=c):
            return (c / (c + (u - v).square().sum())).item()

        total += sum((k(a[i], a[j]) + k(b[i], b[j])) / (n * (n - 1)) for i, j in pairs if i != j)
        total -= 2 * sum(k(a[i], b[j]) for i, j in pairs) / n**2
    return total


def test_the_mmd_is_the_estimator_of_the_paper():
    torch.manual_seed(0)
    a, b = torch.randn(7, 3), torch.randn(7, 3) * 2 + 1
    assert mmd(a, b).item() == pytest.approx(loops(a, b), rel=1e-5)
    torch.testing.assert_close(mmd(a, b), mmd(b, a.flip(0)))


def test_the_mean_mmd_of_samples_of_one_distribution_is_0():
    """For few points too: a biased estimate would be about 1 for samples of four points."""
    torch.manual_seed(0)
    values = torch.stack([mmd(*torch.randn(2, 4, 2)) for _ in range(1500)])
    assert values.mean().abs() < 3 * values.std() / 1500**0.5
    assert values.std() < 1.5


@pytest.mark.parametrize("distance", [mmd, lambda a, b: sliced_wasserstein(a, b, 50)])
def test_samples_of_different_distributions_have_a_larger_distance(distance):
    torch.manual_seed(0)
    a, b = torch.randn(2, 1000, 2)
    same = distance(a, b).abs()
    assert same < 0.02
    for other in (b + 1, b * 2, torch.stack([b[:, 0], b[:, 0]], dim=1)):
        assert distance(a, other) > 5 * same + 0.03


def test_the_mmd_of_two_single_points_pulls_them_together():
    a = torch.zeros(1, 2, requires_grad=True)
    mmd(a, torch.ones(1, 2)).backward()
    assert (a.grad < 0).all()  # so descent moves it towards the other point


def test_the_sliced_distance_of_a_shift_is_its_squared_length_over_the_dimensions():
    torch.manual_seed(0)
    a, shift = torch.randn(20, 3), torch.tensor([1.0, -2.0, 2.0])
    shuffled = (a + shift)[torch.randperm(20)]
    assert sliced_wasserstein(a, shuffled, 20_000).item() == pytest.approx(9 / 3, rel=0.02)
    assert sliced_wasserstein(a, a.flip(0), 100) == 0


def test_the_sliced_distance_of_a_scaled_sample_is_that_of_its_points():
    torch.manual_seed(0)
    a = torch.randn(20, 3)
    wanted = (1.5 - 1) ** 2 * a.square().sum(-1).mean() / 3
    found = sliced_wasserstein(a, 1.5 * a, 20_000)
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0)


def test_losses_are_weighted_sums_of_their_metrics():
    model = make()
    wae = seeded_terms(WAE(weight=7, kl_weight=0.4), model).metrics
    wanted = wae["distortion"] + 7 * wae["mmd"] + 0.4 * wae["rate"]
    torch.testing.assert_close(wae["loss"], wanted)
    swae = seeded_terms(SWAE(weight=7), model).metrics
    torch.testing.assert_close(swae["loss"], swae["distortion"] + 7 * swae["sliced_wasserstein"])


def test_the_mmd_compares_the_latents_of_the_batch_with_samples_of_the_prior():
    model = make(latent_dim=3)
    torch.manual_seed(3)
    z, prior = model.posterior(X).rsample((1,))[0], model.prior().expand((6,)).sample()
    torch.testing.assert_close(seeded_terms(WAE(), model).metrics["mmd"], mmd(z, prior).detach())


def test_without_the_distance_the_loss_is_that_of_the_elbo_or_an_autoencoder():
    model = make()
    info = seeded_terms(WAE(weight=0, kl_weight=1), model).loss
    torch.testing.assert_close(info, seeded_terms(ELBO(), model).loss, rtol=1e-6, atol=1e-6)
    for objective in (WAE(weight=0), SWAE(weight=0)):
        torch.testing.assert_close(
            seeded_terms(objective, model).loss, seeded_terms(ELBO(beta=0), model).loss
        )


@pytest.mark.parametrize("prior", [Learned, Shared])
@pytest.mark.parametrize("objective", [WAE(weight=50), SWAE(weight=50)])
def test_a_learned_prior_is_fitted_to_the_latents_only(objective, prior):
    model = make(DiracPosterior, prior)
    got = gradients(seeded_terms(objective, model).loss, model)
    z = draw(model).z[0].detach()
    fit = gradients(-model.prior().log_prob(z).mean(), model)
    own = [name for name in got if name.startswith("prior.") and "posterior" not in name]
    assert own
    for name in own:
        torch.testing.assert_close(got[name], fit[name])


def test_only_a_kl_weight_needs_a_density():
    assert WAE(kl_weight=0.5).needs_density
    assert not WAE().needs_density
    assert not SWAE().needs_density
