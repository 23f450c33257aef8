import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from vaecli.parts import expectation_maximization
from vaecli.parts.expectation_maximization import KMEANS_ITERATIONS, RIDGE, MixtureFit
from vaecli.parts.mixtures import NormalMixture

WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.double)
LOC = torch.tensor([[0.0, 0.0], [4.0, 1.0], [-3.0, 4.0]], dtype=torch.double)
ROOTS = torch.tensor(
    [[[1.0, 0.0], [0.8, 0.3]], [[0.4, 0.0], [-0.3, 0.6]], [[0.7, 0.0], [0.0, 0.2]]],
    dtype=torch.double,
)


def known(count=4000, spread=1.0):
    """Samples of the mixture of the constants above, its centers that much closer."""
    generator = torch.Generator().manual_seed(1)
    chosen = torch.multinomial(WEIGHTS, count, replacement=True, generator=generator)
    noise = torch.randn(count, 2, 1, dtype=torch.double, generator=generator)
    return (spread * LOC[chosen] + (ROOTS[chosen] @ noise).squeeze(-1)).float()


def fit(z, components=3, covariance="full", iterations=25, seed=0):
    mixture = MixtureFit(lambda: z, components, covariance, torch.Generator().manual_seed(seed))
    assert list(mixture.run(iterations))[-1] == 1
    return mixture


def mean_log_prob(mixture, z):
    density = NormalMixture(mixture.weights.log(), mixture.loc, mixture.scale_tril)
    return density.log_prob(z.double()).mean().item()


def test_the_fit_to_samples_of_a_mixture_finds_it():
    mixture = fit(known())
    found = torch.cdist(LOC, mixture.loc).argmin(1)
    covariances = mixture.scale_tril @ mixture.scale_tril.mT
    torch.testing.assert_close(mixture.weights[found], WEIGHTS, atol=0.02, rtol=0)
    torch.testing.assert_close(mixture.loc[found], LOC, atol=0.05, rtol=0)
    torch.testing.assert_close(covariances[found], ROOTS @ ROOTS.mT, atol=0.05, rtol=0)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_likelihood_is_that_of_scikit_learn(covariance):
    z = known(spread=0.5)  # the components overlap
    mixture = fit(z, covariance=covariance, iterations=100)
    kind = {"full": "full", "diagonal": "diag"}[covariance]
    other = GaussianMixture(3, covariance_type=kind, reg_covar=1e-6, tol=1e-6, random_state=0)
    expected = other.fit(z.numpy()).score(z.numpy())
    assert mean_log_prob(mixture, z) == pytest.approx(expected, abs=1e-3)


def test_one_component_has_the_moments_of_the_latents():
    z = known() + torch.tensor([1000.0, 0.0])
    mixture = fit(z, components=1, iterations=1)
    torch.testing.assert_close(mixture.loc[0], z.double().mean(0))
    covariance = mixture.scale_tril[0] @ mixture.scale_tril[0].T
    torch.testing.assert_close(covariance, z.double().T.cov(correction=0), rtol=1e-5, atol=1e-4)


def narrow():
    """The known mixture made so narrow, beside a far point, that float32 cannot tell its parts."""
    z = 1 + 2e-3 * known(400).double()
    return torch.cat([z, torch.full((50, 2), -2.0, dtype=torch.double)])


@pytest.mark.parametrize(("z", "components"), [(known(400), 3), (narrow(), 4)])
def test_an_iteration_is_expectation_and_maximization_with_shrunk_covariances(z, components):
    """By loops in float64, from where the fit without the last iteration ended."""
    before, after = (fit(z, components, iterations=count) for count in (3, 4))
    normals = [
        torch.distributions.MultivariateNormal(loc, scale_tril=root)
        for loc, root in zip(before.loc, before.scale_tril, strict=True)
    ]
    log_joint = torch.stack([normal.log_prob(z.double()) for normal in normals])
    responsibilities = (log_joint + before.weights.log().unsqueeze(1)).softmax(0)
    counts = responsibilities.sum(1)
    torch.testing.assert_close(after.weights, counts / len(z), rtol=1e-4, atol=1e-4)
    means = responsibilities @ z.double() / counts.unsqueeze(1)
    torch.testing.assert_close(after.loc, means, rtol=1e-5, atol=1e-5)
    scatters = []
    for share, mean in zip(responsibilities, means, strict=True):
        centered = z - mean
        scatters.append(torch.einsum("n,ni,nj->ij", share, centered, centered))
    ridge = RIDGE * z.double().var(0, correction=0).mean() * torch.eye(2)
    pooled = sum(scatters) / len(z)
    for scatter, count, root in zip(scatters, counts, after.scale_tril, strict=True):
        expected = (scatter + 2 * pooled) / (count + 2) + ridge
        torch.testing.assert_close(root @ root.T, expected, rtol=1e-3, atol=1e-9)


def test_the_diagonal_fit_has_no_correlations():
    assert fit(known(), covariance="diagonal").scale_tril[:, 1, 0].count_nonzero() == 0


def test_components_without_latents_restart():
    """Three points, each many times: no more than three components can have latents."""
    z = LOC.float().repeat(40, 1)
    mixture = fit(z, components=8)
    assert mixture.weights.min() > 0
    assert mixture.weights.sum().item() == pytest.approx(1)
    assert mixture.scale_tril.isfinite().all()
    assert torch.cdist(LOC, mixture.loc).min(1).values.max() < 1e-4


def test_constant_latents_are_fitted():
    z = torch.full((30, 3), 2.0)
    mixture = fit(z, components=2)
    torch.testing.assert_close(mixture.loc, torch.full((2, 3), 2.0, dtype=torch.double))
    weights, loc, roots = (t.float() for t in (mixture.weights, mixture.loc, mixture.scale_tril))
    density = NormalMixture(weights.log(), loc, roots)  # as a model stores it
    assert density.log_prob(z).isfinite().all()
    torch.testing.assert_close(density.sample((5,)), z[:5])


def test_every_iteration_draws_anew_and_chunks_change_nothing(monkeypatch):
    z = known(1000)
    drawn = []

    def draw():
        drawn.append(1)
        return z

    whole = fit(z)
    monkeypatch.setattr(expectation_maximization, "CHUNK", 300)
    mixture = MixtureFit(draw, 3, "full", torch.Generator().manual_seed(0))
    fractions = list(mixture.run(25))
    assert len(drawn) == 1 + KMEANS_ITERATIONS + 25
    assert np.all(np.diff(fractions) >= 0)
    assert len(fractions) > 20 * 25  # chunks of 50 latents
    torch.testing.assert_close(mixture.loc, whole.loc, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(mixture.scale_tril, whole.scale_tril, rtol=1e-3, atol=1e-3)
