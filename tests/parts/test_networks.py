import pytest
import torch

from vaecli.errors import ConfigError
from vaecli.parts.likelihoods import Bernoulli
from vaecli.parts.networks import MLP, join
from vaecli.parts.posteriors import Gaussian

SHAPE = (1, 8, 8)


def sizes(module):
    return [tuple(p.shape) for p in module.parameters() if p.ndim == 2]


def test_mlp_has_depth_hidden_layers_of_width():
    network = MLP(width=6, depth=3)
    assert sizes(network.encoder(SHAPE, 0)) == [(6, 64), (6, 6), (6, 6)]
    assert sizes(network.decoder(2, SHAPE, 0)) == [(6, 2), (6, 6), (6, 6), (64, 6)]


def test_the_default_is_the_network_of_the_report():
    encoder = MLP().encoder((1, 28, 28), 0)
    assert sizes(Gaussian(encoder, 20)) == [(400, 784), (400, 400), (40, 400)]
    assert sizes(MLP().decoder(20, (1, 28, 28), 0)) == [(400, 20), (400, 400), (784, 400)]


def test_features_are_rectified_and_logits_are_not():
    torch.manual_seed(0)
    network = MLP(width=6, depth=2)
    features = network.encoder(SHAPE, 0)(torch.randn(50, *SHAPE))
    assert features.min() == 0
    assert features.max() > 0
    assert network.decoder(2, SHAPE, 0)(torch.randn(50, 2)).min() < 0


@pytest.mark.parametrize("option", ["width", "depth"])
def test_a_layer_has_at_least_one_unit(option):
    with pytest.raises(ConfigError, match=f"{option} of at least 1 and at most 10*, not 0"):
        MLP(**{option: 0})


def test_context_reaches_encoder_and_decoder():
    torch.manual_seed(0)
    c = torch.eye(4)
    network = MLP(width=6, depth=1)
    posterior = Gaussian(network.encoder(SHAPE, context=4), 2)
    likelihood = Bernoulli(network.decoder(2, SHAPE, context=4))
    x, z = torch.rand(1, *SHAPE).expand(4, *SHAPE), torch.zeros(3, 4, 2)
    means, pictures = posterior(x, c).mean, likelihood(z, c).mean
    assert pictures.shape == (3, 4, *SHAPE)
    assert len(means.unique(dim=0)) == 4
    assert len(pictures[0].unique(dim=0)) == 4
    torch.testing.assert_close(pictures[0], pictures[2])  # c broadcasts over samples


def test_no_context_leaves_features_alone():
    h = torch.rand(2, 3)
    assert join(h, None) is h


def test_the_head_is_mean_then_log_variance():
    torch.manual_seed(0)
    posterior = Gaussian(MLP(width=6, depth=1).encoder(SHAPE, 0), 3)
    x = torch.rand(5, *SHAPE)
    head = posterior.head(posterior.encoder(x))
    torch.testing.assert_close(posterior(x).mean, head[:, :3])
    torch.testing.assert_close(posterior(x).variance, head[:, 3:].exp())


def test_layers_keep_the_variance_of_what_passes_through():
    torch.manual_seed(0)
    encoder = MLP(width=400, depth=8).encoder((1, 20, 20), 0)
    h = encoder(torch.randn(500, 1, 20, 20))
    assert 0.5 < h.square().mean().item() < 2  # torch's default layers leave 1e-6
