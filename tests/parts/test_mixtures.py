import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from tests.parts.laws import assert_samples_agree, probabilities
from vaecli.parts import mixtures
from vaecli.parts.mixtures import NormalMixture


def make(components=4, dim=2, batch=()):
    """A mixture of normals of different shapes, all within reach of `laws.plane`."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(*batch, components, generator=generator)
    loc = 2 * torch.randn(components, dim, generator=generator)
    root = torch.randn(components, dim, dim, generator=generator)
    scale_tril = torch.linalg.cholesky(root @ root.mT + 0.1 * torch.eye(dim))
    return NormalMixture(logits, loc, scale_tril)


def by_torch(mixture):
    """The same with the classes of torch."""
    logits = mixture.logits
    normals = MultivariateNormal(mixture.loc, scale_tril=mixture.scale_tril)
    return MixtureSameFamily(Categorical(logits=logits), normals.expand(logits.shape))


@pytest.mark.parametrize("batch", [(), (5,)])
@pytest.mark.parametrize("chunk", [50, 100, mixtures.CHUNK])
def test_the_density_is_that_of_torch_however_it_is_chunked(batch, chunk, monkeypatch):
    monkeypatch.setattr(mixtures, "CHUNK", chunk)
    mixture = make(components=7, dim=3, batch=batch)
    z = 3 * torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(0))
    expected = by_torch(mixture).log_prob(z)
    torch.testing.assert_close(mixture.log_prob(z), expected)
    torch.testing.assert_close(mixture.log_prob(z[0]), expected[0])
    torch.testing.assert_close(mixture.expand((6, 5)).log_prob(z), expected)
    broadcast = mixture.expand((6, 5)).log_prob(z[0, 0])
    torch.testing.assert_close(broadcast, by_torch(mixture).log_prob(z[0, 0]).expand(6, 5))


@pytest.mark.parametrize("chunk", [100, mixtures.CHUNK])
def test_it_integrates_to_one_and_samples_follow_it(chunk, monkeypatch):
    mixture = make(batch=(5,))
    z, weights = probabilities(mixture, 5)
    torch.testing.assert_close(weights.sum(0), torch.ones(5), atol=2e-3, rtol=0)
    monkeypatch.setattr(mixtures, "CHUNK", chunk)
    torch.manual_seed(0)
    assert_samples_agree(mixture.sample((4_000,)), z, weights)
    samples = mixture.expand((4_000, 5)).sample()
    assert_samples_agree(samples, z, weights)


def test_a_component_of_weight_zero_has_no_samples_and_no_density():
    mixture = make(components=3)
    first = NormalMixture(
        torch.tensor([0.0, -torch.inf, -torch.inf]), mixture.loc, mixture.scale_tril
    )
    alone = MultivariateNormal(mixture.loc[0], scale_tril=mixture.scale_tril[0])
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first.log_prob(z), alone.log_prob(z))
    torch.manual_seed(0)
    far = NormalMixture(
        first.logits, torch.tensor([[0.0], [90.0], [90.0]]), 0.1 * torch.ones(3, 1, 1)
    )
    assert far.sample((500,)).abs().max() < 1


def test_shapes_of_samples():
    mixture = make()
    assert mixture.sample().shape == (2,)
    assert mixture.sample((3, 4)).shape == (3, 4, 2)
    assert mixture.expand((6,)).sample().shape == (6, 2)
    assert mixture.expand((0,)).sample().shape == (0, 2)
    double = NormalMixture(mixture.logits, mixture.loc.double(), mixture.scale_tril.double())
    assert double.sample((3,)).dtype == torch.double
    assert make(batch=(5,)).sample((3,)).shape == (3, 5, 2)
