"""Tests of random numbers as an input: the same laws as those of torch's own."""

import pytest
import torch

from tests.builders import build
from vaecli.config.config import Config
from vaecli.export.noise import NoiseInput

SHAPE = (1, 8, 8)
PRIORS = {
    "normal": {},
    "mixture": {"prior": "mixture:components=3"},
    "flow": {"prior": "flow:width=8"},
    "hierarchical": {"prior": "hierarchical", "posterior": "hierarchical"},
    "sphere": {"prior": "sphere", "posterior": "vmf"},
    "codes": {"prior": "codes", "posterior": "quantized:codes=5"},
    "ring": {"prior": "ring", "posterior": "dirac", "objective": "adversarial", "latent_dim": 2},
    "swiss-roll": {"prior": "swiss-roll", "latent_dim": 2},
}


def make(**options):
    options = {"network": "mlp:width=8", "latent_dim": 4, **options}
    model, _ = build(Config(**options), SHAPE, classes=2)
    return model.eval()


@torch.no_grad()
def sample_from_noise(model, n, c=None):
    with NoiseInput(None, 0) as source:
        model.sample_latent(1, None if c is None else c[:1])
    noise = torch.randn(n, source.used, generator=torch.Generator().manual_seed(0))
    with NoiseInput(noise, 0):
        return model.sample_latent(n, c)


def moments(z):
    """Means, and second moments of all pairs of dimensions."""
    return torch.cat([z.mean(0), (z.T @ z / len(z)).flatten()])


@pytest.mark.parametrize("name", PRIORS)
def test_samples_from_noise_have_the_moments_of_the_prior(name):
    """Within five standard errors, of all moments at once."""
    model = make(**PRIORS[name])
    torch.manual_seed(1)
    n = 20_000
    own = model.sample_latent(n)
    found = sample_from_noise(model, n)
    pairs = (own.unsqueeze(2) * own.unsqueeze(1)).flatten(1)
    spread = torch.cat([own.std(0), pairs.std(0)])
    error = spread * (2 / n) ** 0.5 + 1e-6
    assert ((moments(found) - moments(own)).abs() < 5 * error).all()


@pytest.mark.parametrize("posterior", ["gaussian", "flow", "iaf", "hierarchical"])
def test_noise_gives_what_the_generator_gives(posterior):
    """The columns are in the order in which the model draws them."""
    prior = "hierarchical" if posterior == "hierarchical" else "normal"
    model = make(posterior=posterior, prior=prior)
    x = torch.rand(3, *SHAPE)
    torch.manual_seed(0)
    expected = model.draw(x)
    torch.manual_seed(0)
    sizes = model.posterior.sizes if posterior == "hierarchical" else [4]
    noise = torch.cat([torch.randn(3, size) for size in sizes], dim=-1)
    with torch.no_grad(), NoiseInput(noise, 1):
        found = model.draw(x)
        assert torch.equal(found.z, expected.z)
        assert torch.allclose(found.log_qz, expected.log_qz)


def test_choices_have_the_probabilities_of_their_weights():
    weights = torch.tensor([[1.0, 3.0, 0.0, 4.0]])
    n = 8000
    noise = torch.randn(n, 1, generator=torch.Generator().manual_seed(0))
    with NoiseInput(noise, 0):
        chosen = torch.multinomial(weights, n, replacement=True)
    shares = torch.bincount(chosen.flatten(), minlength=4) / n
    assert torch.allclose(shares, weights[0] / 8, atol=0.02)
    assert shares[2] == 0


def test_each_image_has_its_own_weights():
    weights = torch.eye(5).repeat(3, 1)
    with NoiseInput(torch.randn(15, 1), 0):
        chosen = torch.multinomial(weights, 1)
    assert torch.equal(chosen, torch.arange(5).repeat(3).unsqueeze(-1))


def test_extreme_noise_chooses_a_component_that_exists():
    weights = torch.tensor([[0.25, 0.75]])
    with NoiseInput(torch.tensor([[-40.0], [40.0]]), 0):
        assert torch.multinomial(weights, 2, replacement=True).tolist() == [[0, 1]]


def test_whole_numbers_are_uniform_and_below_their_limit():
    n = 9000
    noise = torch.cat(
        [
            torch.randn(n - 1, 2, generator=torch.Generator().manual_seed(0)),
            torch.full((1, 2), 50.0),
        ]
    )
    with NoiseInput(noise, 0):
        drawn = torch.randint(3, (n, 2))
    assert drawn[-1].tolist() == [2, 2]
    for column in drawn.T:
        assert torch.allclose(torch.bincount(column) / n, torch.full((3,), 1 / 3), atol=0.02)


def test_further_draws_take_further_columns():
    noise = torch.randn(2, 5)
    with NoiseInput(noise, 0) as source:
        first = torch.randn((2, 3))
        second = torch.randn((2, 2))
    assert torch.equal(torch.cat([first, second], dim=1), noise)
    assert source.used == 5
