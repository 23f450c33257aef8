import torch

from vaecli.parts.likelihoods import Bernoulli
from vaecli.parts.networks import MLP

SHAPE = (1, 2, 2)


def test_probabilities_of_all_binary_images_sum_to_one():
    torch.manual_seed(0)
    likelihood = Bernoulli(MLP(width=6, depth=1).decoder(3, SHAPE, 0))
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).view(16, 1, *SHAPE)
    mass = likelihood(torch.randn(5, 3)).log_prob(x).exp().sum(0)
    torch.testing.assert_close(mass, torch.ones(5))


def test_grey_pixels_are_scored_by_cross_entropy():
    torch.manual_seed(0)
    likelihood = Bernoulli(MLP(width=6, depth=1).decoder(3, SHAPE, 0))
    z, x = torch.randn(5, 3), torch.rand(5, *SHAPE)
    mean = likelihood(z).mean
    cross_entropy = (x * mean.log() + (1 - x) * (1 - mean).log()).sum((1, 2, 3))
    torch.testing.assert_close(likelihood(z).log_prob(x), cross_entropy)
