import itertools
from typing import get_args

import pytest
import torch
from torch import nn

from vaecli.config.build import build, make_part
from vaecli.config.config import Config
from vaecli.config.spec import Spec
from vaecli.parts.layers import ACTIVATIONS, ActivationName, NormName
from vaecli.parts.likelihoods import Bernoulli
from vaecli.parts.networks import MLP, NETWORKS, Conv, ResNet, join
from vaecli.parts.posteriors import Gaussian
from vaecli.system.errors import ConfigError

SHAPE = (1, 8, 8)
SMALL = {"mlp": "mlp:width=8,depth=2", "conv": "conv:width=4", "resnet": "resnet:width=4"}
STYLES = [
    *(f"activation={a}" for a in get_args(ActivationName)),
    *(f"norm={n}" for n in get_args(NormName) if n != "none"),
]


def make(spec):
    return make_part(Spec.parse(spec), "network")


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


def test_the_default_begins_as_torch_begins_layers_before_rectifiers():
    torch.manual_seed(0)
    encoder = MLP(width=6).encoder(SHAPE, 0)
    torch.manual_seed(0)
    for inputs, layer in ((64, encoder.net[0]), (6, encoder.net[2])):
        torchs = nn.Linear(inputs, 6)
        nn.init.kaiming_uniform_(torchs.weight, nonlinearity="relu")
        torch.testing.assert_close(layer.weight, torchs.weight, rtol=0, atol=0)
        assert not layer.bias.any()


def test_features_are_rectified_and_logits_are_not():
    torch.manual_seed(0)
    network = MLP(width=6, depth=2)
    features = network.encoder(SHAPE, 0)(torch.randn(50, *SHAPE))
    assert features.min() == 0
    assert features.max() > 0
    assert network.decoder(2, SHAPE, 0)(torch.randn(50, 2)).min() < 0


@pytest.mark.parametrize("activation", get_args(ActivationName))
@pytest.mark.parametrize("network", ["mlp:width=200,depth=4", "conv:width=24", "resnet:width=24"])
def test_signals_neither_fade_nor_explode(network, activation):
    torch.manual_seed(0)
    parts = make(f"{network},activation={activation}")
    _, gain = ACTIVATIONS[activation]
    features = parts.encoder((1, 20, 20), 0)(torch.randn(30, 1, 20, 20))
    hidden = parts.decoder(50, (1, 20, 20), 0)(torch.randn(30, 50))
    assert 0.2 < gain**2 * features.square().mean().item() < 3
    assert 0.02 < hidden.square().mean().item() < 3


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64), (3, 8, 8), (2, 7, 9), (1, 1, 1), (1, 1, 5)]
)
def test_every_size_of_image_goes_in_and_comes_out(network, shape):
    parts = make(SMALL[network])
    encoder, decoder = parts.encoder(shape, 3), parts.decoder(2, shape, 3)
    c = torch.eye(3)
    assert encoder(torch.rand(3, *shape), c).shape == (3, encoder.features)
    assert decoder(torch.zeros(3, 2), c).shape == (3, *shape)


def test_sizes_halve_on_the_way_down_and_double_on_the_way_up():
    decoder = Conv(width=4, depth=3).decoder(2, (1, 28, 9), 0)
    assert [layer.size for layer in decoder.net if isinstance(layer, nn.Upsample)] == [
        (7, 3),
        (14, 5),
        (28, 9),
    ]
    assert Conv(width=4, depth=3).encoder((1, 28, 9), 0).features == 16 * 4 * 2


@pytest.mark.parametrize("network", NETWORKS)
def test_a_layer_before_a_norm_has_no_bias_for_it_to_take_off(network):
    """Between input and output; the last layer has one, and a norm has its own."""
    for norm, wanted in (("none", True), ("batch", False), ("layer", False)):
        encoder = make(f"{SMALL[network]},norm={norm}").encoder(SHAPE, 0)
        layers = [m for m in encoder.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        assert {layer.bias is not None for layer in layers} == {wanted}


@pytest.mark.parametrize("network", ["conv:depth=3", "resnet:blocks=2", "conv:depth=6"])
@pytest.mark.parametrize("side", [5, 8, 13])
def test_every_pixel_is_seen_and_drawn(network, side):
    """A gradient from each input pixel to the features and from the latents to each output."""
    torch.manual_seed(0)
    parts, x = make(network), torch.rand(4, 1, side, side, requires_grad=True)
    parts.encoder((1, side, side), 0)(x).square().sum().backward()
    assert x.grad.abs().amax(0).min() > 0
    maps = parts.decoder(2, (1, side, side), 0)(torch.randn(20, 2))
    assert maps.std(0).min() > 0


@pytest.mark.parametrize("network", [Conv(width=4), ResNet(width=4)])
def test_the_decoder_draws_no_checkerboard(network):
    """What is the same everywhere stays so, away from the border, and has no pattern added."""
    torch.manual_seed(0)
    decoder = network.decoder(8, (1, 64, 64), 0)
    decoder.net[0].weight.data.copy_(torch.randn(8, 1, 8).expand(8, 256, 8).flatten(0, 1))
    middle = decoder(torch.randn(5, 8))[..., 20:-20, 20:-20]
    torch.testing.assert_close(middle, middle[..., :1, :1].expand_as(middle))


@pytest.mark.parametrize(("network", "spec"), [*itertools.product(NETWORKS, STYLES)])
@pytest.mark.parametrize("batch", [1, 2])
def test_every_parameter_gets_a_gradient(network, spec, batch):
    config = Config(latent_dim=3, network=f"{SMALL[network]},{spec}")
    model, objective = build(config, (1, 9, 6))
    loss = objective(model, torch.rand(batch, 1, 9, 6)).loss
    loss.backward()
    assert loss.isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # Of two values a batch norm leaves the signs, whatever the layer before it does.
        assert parameter.grad.abs().sum() > 0 or spec == "norm=batch", name


@pytest.mark.parametrize("network", NETWORKS)
def test_a_layer_norm_knows_no_batch_and_a_batch_norm_does(network):
    torch.manual_seed(0)
    x = torch.rand(6, *SHAPE)
    for norm, alike in (("none", True), ("layer", True), ("batch", False)):
        encoder = make(f"{SMALL[network]},norm={norm}").encoder(SHAPE, 0)
        assert torch.allclose(encoder(x)[:2], encoder(x[:2]), atol=1e-6) == alike
        encoder.eval()
        assert torch.allclose(encoder(x)[:2], encoder(x[:2]), atol=1e-6)


def test_a_residual_network_without_blocks_is_a_convolutional_one():
    x, z = torch.rand(2, *SHAPE), torch.randn(2, 3)
    outputs = []
    for network in (Conv(width=4), ResNet(width=4, blocks=0), ResNet(width=4, blocks=1)):
        torch.manual_seed(0)
        encoder, decoder = network.encoder(SHAPE, 0), network.decoder(3, SHAPE, 0)
        outputs.append((encoder(x), decoder(z)))
    for conv, none, one in zip(*outputs, strict=True):
        torch.testing.assert_close(conv, none, rtol=0, atol=0)
        assert not torch.allclose(conv, one)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_last_bias_moves_every_map_by_as_much(network):
    torch.manual_seed(0)
    decoder, z, maps = (
        make(SMALL[network]).decoder(2, SHAPE, 0),
        torch.randn(3, 2),
        torch.rand(SHAPE),
    )
    decoder.start_at(torch.zeros(SHAPE))
    before = decoder(z)
    decoder.start_at(maps)
    torch.testing.assert_close(decoder(z), before + maps)


@pytest.mark.parametrize("network", NETWORKS)
def test_one_unit_cannot_be_normed_over_itself(network):
    with pytest.raises(ConfigError) as caught:
        NETWORKS[network](width=1, norm="layer")
    assert str(caught.value) == ("norm=layer leaves nothing of one unit: use width=2 or more.")


@pytest.mark.parametrize("network", NETWORKS)
def test_context_reaches_encoder_and_decoder(network):
    torch.manual_seed(0)
    c, parts = torch.eye(4), make(SMALL[network])
    posterior = Gaussian(parts.encoder(SHAPE, context=4), 2)
    likelihood = Bernoulli(lambda maps: parts.decoder(2, SHAPE, context=4))
    x, z = torch.rand(1, *SHAPE).expand(4, *SHAPE), torch.zeros(3, 4, 2)
    means, pictures = posterior(x, c).mean, likelihood(z, c).mean
    assert pictures.shape == (3, 4, *SHAPE)
    assert len(means.unique(dim=0)) == 4
    assert len(pictures[0].unique(dim=0)) == 4
    torch.testing.assert_close(pictures[0], pictures[2])  # c broadcasts over samples


def test_no_context_leaves_features_alone():
    h = torch.rand(2, 3)
    assert join(h, None) is h


def test_context_is_the_same_at_every_pixel():
    joined = join(torch.rand(2, 3, 4, 5), torch.tensor([[7.0], [8.0]]))
    assert joined.shape == (2, 4, 4, 5)
    assert (joined[0, 3] == 7).all()
    assert (joined[1, 3] == 8).all()


def test_the_head_is_mean_then_log_variance():
    torch.manual_seed(0)
    posterior = Gaussian(MLP(width=6, depth=1).encoder(SHAPE, 0), 3)
    x = torch.rand(5, *SHAPE)
    head = posterior.head(posterior.encoder(x))
    torch.testing.assert_close(posterior(x).mean, head[:, :3])
    torch.testing.assert_close(posterior(x).variance, head[:, 3:].exp())
