"""Contours of priors, against quadrature and known answers."""

import numpy as np
import pytest
import torch

from tests.builders import build
from vaecli.config.config import Config
from vaecli.evaluation.fitting import with_prior
from vaecli.evaluation.prior_density import prior_contours
from vaecli.parts.priors import FittedMixture

NETWORK = "mlp:width=16,depth=1"


def model(classes=0, **options):
    torch.manual_seed(0)
    config = Config(**{"latent_dim": 2, "network": NETWORK, **options})
    return build(config, (1, 8, 8), classes)[0]


PLANE = {
    "normal": {},
    "ring": {"prior": "ring"},
    "swiss roll": {"prior": "swiss-roll"},
    "mixture": {"prior": "mixture:components=3"},
    "vamp": {"prior": "vamp:components=5"},
    "flow": {"prior": "flow:width=8,depth=2"},
    "conditional": {"prior": "conditional", "conditional": True, "classes": 4},
    "flow of classes": {"prior": "flow:width=8,depth=2", "conditional": True, "classes": 3},
    "ring of classes": {"prior": "ring", "conditional": True, "classes": 5},
}


def assert_contours_enclose_their_masses(vae):
    """By quadrature over the grid, which holds all the mass but a little."""
    found = prior_contours(vae)
    cell = np.diff(found.x[:2]) * np.diff(found.y[:2])
    mass = np.exp(found.log_density) * cell
    assert mass.sum() == pytest.approx(1, abs=0.01)
    assert found.masses == (0.99, 0.9, 0.5)
    assert (np.diff(found.levels) > 0).all()
    for level, inside in zip(found.levels, found.masses, strict=True):
        assert mass[found.log_density > level].sum() == pytest.approx(inside, abs=0.02)


@pytest.mark.parametrize("name", PLANE)
def test_a_contour_encloses_its_part_of_the_mass(name):
    assert_contours_enclose_their_masses(model(**PLANE[name]))


@pytest.mark.parametrize("classes", [0, 3])
def test_contours_are_those_of_the_fitted_prior(classes):
    trained = model(classes, conditional=bool(classes))
    prior = FittedMixture(2, trained.posterior, classes, components=2)
    torch.manual_seed(1)
    prior.weights.copy_(torch.tensor([0.7, 0.3]))
    prior.loc.normal_(std=3)
    prior.scale_tril.add_(torch.tensor([[0.0, 0.0], [0.8, -0.4]]))
    vae = with_prior(trained, prior)
    assert_contours_enclose_their_masses(vae)
    assert abs(prior_contours(vae).levels[0] - prior_contours(trained).levels[0]) > 0.2


def test_rows_are_along_the_second_latent():
    """A ring of three: its centre is empty, and none is opposite of the first on the right."""
    found = prior_contours(model(prior="ring:components=3,radius=4"))
    right, left = (np.abs(found.x - x).argmin() for x in (4, -4))
    middle = np.abs(found.y).argmin()
    assert found.log_density[middle, right] > found.levels[1] > found.levels[0]
    assert found.log_density[middle, left] < found.levels[0]


def test_the_same_model_has_the_same_contours_whatever_was_drawn_before():
    vae = model(prior="mixture:components=3")
    first = prior_contours(vae)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert np.array_equal(prior_contours(vae).levels, first.levels)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "options",
    [
        {"latent_dim": 3},
        {"latent_dim": 1},
        {"prior": "sphere", "posterior": "vmf"},
        {"prior": "codes", "posterior": "quantized:codes=4,dim=1"},
    ],
)
def test_a_prior_without_a_density_in_the_plane_has_no_contours(options):
    assert prior_contours(model(**options)) is None


def test_the_grid_ends_a_little_beyond_the_outermost_samples():
    """Of 20,000 numbers from a normal distribution the largest is about 4.1."""
    found = prior_contours(model())
    for axis in (found.x, found.y):
        assert -5.2 < axis[0] < -4
        assert 4 < axis[-1] < 5.2


def test_the_prior_of_a_conditional_model_is_that_of_all_classes():
    """Each class of the ring is on another side of its centre."""
    found = prior_contours(model(**PLANE["ring of classes"]))
    rows, columns = np.nonzero(found.log_density > found.levels[1])
    for places in (found.y[rows], found.x[columns]):
        assert places.min() < -1
        assert places.max() > 1
