import itertools
from typing import get_args

import pytest
import torch
from torch import nn

from tests.builders import build, make_part
from vaecli.config.config import Config
from vaecli.parts.encoder_decoder import EncoderWithHead, concat_context
from vaecli.parts.layers import (
    ACTIVATIONS,
    ActivationName,
    BatchNorm,
    NormName,
    ResidualBlock,
    SubPixel,
)
from vaecli.parts.likelihoods import BernoulliLikelihood
from vaecli.parts.networks import MLP, NETWORKS, Conv, ResNet
from vaecli.parts.posteriors import GaussianPosterior
from vaecli.system.errors import ConfigError

SHAPE = (1, 8, 8)
SMALL = {"mlp": "mlp:width=8,depth=2", "conv": "conv:width=4", "resnet": "resnet:width=4"}
SHUFFLE = "conv:width=4,upsampling=shuffle"
STYLES = [
    *(f"activation={a}" for a in get_args(ActivationName)),
    *(f"norm={n}" for n in get_args(NormName) if n != "none"),
]


def make(spec):
    return make_part(spec, "network")


def sizes(module):
    return [tuple(p.shape) for p in module.parameters() if p.ndim == 2]


def test_mlp_has_depth_hidden_layers_of_width():
    network = MLP(width=6, depth=3)
    assert sizes(network.encoder(SHAPE, 0)) == [(6, 64), (6, 6), (6, 6)]
    assert sizes(network.decoder(2, SHAPE, 0)) == [(6, 2), (6, 6), (6, 6), (64, 6)]


def test_the_default_has_two_hidden_layers_of_400_units():
    encoder = MLP().encoder((1, 28, 28), 0)
    assert sizes(GaussianPosterior(encoder, 20)) == [(400, 784), (400, 400), (40, 400)]
    assert sizes(MLP().decoder(20, (1, 28, 28), 0)) == [(400, 20), (400, 400), (784, 400)]


def test_relu_layers_are_initialized_as_by_kaiming_uniform_of_torch():
    torch.manual_seed(0)
    encoder = MLP(width=6).encoder(SHAPE, 0)
    torch.manual_seed(0)
    for inputs, layer in ((64, encoder.net[0]), (6, encoder.net[2])):
        torchs = nn.Linear(inputs, 6)
        nn.init.kaiming_uniform_(torchs.weight, nonlinearity="relu")
        torch.testing.assert_close(layer.weight, torchs.weight, rtol=0, atol=0)
        assert not layer.bias.any()


def test_features_are_activated_and_logits_are_not():
    torch.manual_seed(0)
    network = MLP(width=6, depth=2)
    features = network.encoder(SHAPE, 0)(torch.randn(50, *SHAPE))
    assert features.min() == 0
    assert features.max() > 0
    assert network.decoder(2, SHAPE, 0)(torch.randn(50, 2)).min() < 0


@pytest.mark.parametrize("activation", get_args(ActivationName))
@pytest.mark.parametrize(
    "network",
    ["mlp:width=200,depth=4", "conv:width=24", "conv:width=24,latent=map", "resnet:width=24"],
)
def test_signals_neither_fade_nor_explode(network, activation):
    torch.manual_seed(0)
    parts = make(f"{network},activation={activation}")
    _, gain = ACTIVATIONS[activation]
    features = parts.encoder((1, 20, 20), 0)(torch.randn(30, 1, 20, 20))
    hidden = parts.decoder(50, (1, 20, 20), 0)(torch.randn(30, 50))
    assert 0.2 < gain**2 * features.square().mean().item() < 3
    assert 0.02 < hidden.square().mean().item() < 3


@pytest.mark.parametrize("network", [*SMALL.values(), SHUFFLE])
@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64), (3, 8, 8), (2, 7, 9), (1, 1, 1), (1, 1, 5)]
)
def test_networks_take_and_return_images_of_every_size(network, shape):
    parts = make(network)
    encoder = parts.encoder(shape, 3)
    decoder = parts.decoder(2, shape, 3)
    c = torch.eye(3)
    assert encoder(torch.rand(3, *shape), c).shape == (3, encoder.features)
    assert decoder(torch.zeros(3, 2), c).shape == (3, *shape)


def test_the_encoder_halves_sizes_and_the_decoder_doubles_them():
    decoder = Conv(width=4, depth=3).decoder(2, (1, 28, 9), 0)
    assert [layer.size for layer in decoder.net if isinstance(layer, nn.Upsample)] == [
        (7, 3),
        (14, 5),
        (28, 9),
    ]
    assert Conv(width=4, depth=3).encoder((1, 28, 9), 0).features == 16 * 4 * 2


@pytest.mark.parametrize("network", NETWORKS)
def test_hidden_layers_have_a_bias_only_without_a_norm(network):
    """Of the encoder; the last layer of a decoder always has one."""
    for norm, wanted in (("none", True), ("batch", False), ("layer", False)):
        encoder = make(f"{SMALL[network]},norm={norm}").encoder(SHAPE, 0)
        layers = [m for m in encoder.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        assert {layer.bias is not None for layer in layers} == {wanted}


@pytest.mark.parametrize(
    "network", ["conv:depth=3", "resnet:blocks=2", "conv:depth=6", "conv:upsampling=shuffle"]
)
@pytest.mark.parametrize("side", [5, 8, 13])
def test_features_depend_on_every_pixel_and_every_pixel_on_the_latents(network, side):
    torch.manual_seed(0)
    parts = make(network)
    x = torch.rand(4, 1, side, side, requires_grad=True)
    parts.encoder((1, side, side), 0)(x).square().sum().backward()
    assert x.grad.abs().amax(0).min() > 0
    output = parts.decoder(2, (1, side, side), 0)(torch.randn(20, 2))
    assert output.std(0).min() > 0


@pytest.mark.parametrize(
    "network", [Conv(width=4), ResNet(width=4), Conv(width=4, upsampling="shuffle")]
)
def test_the_decoder_draws_no_checkerboard(network):
    """Constant input gives constant output, away from the border."""
    torch.manual_seed(0)
    decoder = network.decoder(8, (1, 64, 64), 0)
    decoder.net[0].weight.data.copy_(torch.randn(8, 1, 8).expand(8, 256, 8).flatten(0, 1))
    middle = decoder(torch.randn(5, 8))[..., 20:-20, 20:-20]
    torch.testing.assert_close(middle, middle[..., :1, :1].expand_as(middle))


def test_a_convolution_of_repeated_pixels_is_a_sub_pixel_convolution():
    """In the middle of the image: its 3x3 weights are those of 2x2 pixels of the smaller image."""
    torch.manual_seed(0)
    x = torch.randn(3, 5, 6, 7)
    plain = nn.Conv2d(5, 2, 3, padding=1, bias=False)
    shuffled = SubPixel(nn.Conv2d(5, 8, 3, padding=1, bias=False), (12, 13))
    weight = torch.zeros(2, 2, 2, 5, 3, 3)  # output, row and column in 2x2, input, kernel
    for row, column, y, x_ in itertools.product(range(2), range(2), range(3), range(3)):
        source = (row + y + 1) // 2, (column + x_ + 1) // 2
        weight[:, row, column, :, *source] += plain.weight.data[..., y, x_]
    shuffled.convolution.weight.data = weight.flatten(0, 2)
    repeated = plain(nn.Upsample((12, 14))(x))[..., :12, :13]
    torch.testing.assert_close(shuffled(x)[..., 1:-1, 1:-1], repeated[..., 1:-1, 1:-1])


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
        # from a batch of two, batch norm keeps the signs only: no gradient to the layer before it
        assert parameter.grad.abs().sum() > 0 or spec == "norm=batch", name


@pytest.mark.parametrize("network", NETWORKS)
def test_features_depend_on_the_rest_of_the_batch_with_batch_norm_only(network):
    torch.manual_seed(0)
    x = torch.rand(6, *SHAPE)
    for norm, alike in (("none", True), ("layer", True), ("batch", False)):
        encoder = make(f"{SMALL[network]},norm={norm}").encoder(SHAPE, 0)
        assert torch.allclose(encoder(x)[:2], encoder(x[:2]), atol=1e-6) == alike
        encoder.eval()
        assert torch.allclose(encoder(x)[:2], encoder(x[:2]), atol=1e-6)


def test_a_resnet_without_blocks_is_a_convolutional_network():
    x = torch.rand(2, *SHAPE)
    z = torch.randn(2, 3)
    outputs = []
    for network in (Conv(width=4), ResNet(width=4, blocks=0), ResNet(width=4, blocks=1)):
        torch.manual_seed(0)
        encoder = network.encoder(SHAPE, 0)
        decoder = network.decoder(3, SHAPE, 0)
        outputs.append((encoder(x), decoder(z)))
    for conv, none, one in zip(*outputs, strict=True):
        torch.testing.assert_close(conv, none, rtol=0, atol=0)
        assert not torch.allclose(conv, one)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_output_bias_is_added_to_the_output(network):
    torch.manual_seed(0)
    decoder = make(SMALL[network]).decoder(2, SHAPE, 0)
    z = torch.randn(3, 2)
    output = torch.rand(SHAPE)
    decoder.set_output_bias(torch.zeros(SHAPE))
    before = decoder(z)
    decoder.set_output_bias(output)
    torch.testing.assert_close(decoder(z), before + output)


def test_layer_norm_over_one_unit_is_refused():
    with pytest.raises(ConfigError) as error:
        MLP(width=1, norm="layer")
    assert str(error.value) == (
        "norm=layer needs width=2 or more: one unit normalizes to a constant."
    )


@pytest.mark.parametrize("network", [Conv, ResNet])
def test_layer_norm_over_one_channel_of_one_pixel_is_refused(network):
    parts = network(width=1, norm="layer")
    for make_network in (
        lambda: parts.encoder((1, 2, 2), 0),
        lambda: parts.decoder(3, (1, 2, 2), 0),
    ):
        with pytest.raises(ConfigError) as error:
            make_network()
        assert str(error.value) == (
            "norm=layer needs width=2 or more for images of 2x2 pixels: one value normalizes to a "
            "constant."
        )


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 3, 2), (3, 1, 3)])
@pytest.mark.parametrize("network", ["conv:width=1", "conv:width=1,depth=1", "resnet:width=1"])
def test_convolutions_of_one_channel_train_with_layer_norm(network, shape):
    config = Config(latent_dim=3, network=f"{network},norm=layer,activation=tanh")
    model, objective = build(config, shape)
    losses = []
    x = torch.rand(8, *shape)
    for _ in range(30):
        torch.manual_seed(0)
        loss = objective(model, x).loss
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, [*model.parameters()])
        for (name, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
            assert gradient.isfinite().all(), name
            assert gradient.abs().sum() > 0, name
            parameter.data -= 0.01 * gradient / len(x[0].flatten())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_context_reaches_encoder_and_decoder(network):
    torch.manual_seed(0)
    c = torch.eye(4)
    parts = make(SMALL[network])
    posterior = GaussianPosterior(parts.encoder(SHAPE, context_dim=4), 2)
    likelihood = BernoulliLikelihood(lambda maps: parts.decoder(2, SHAPE, context_dim=4))
    x = torch.rand(1, *SHAPE).expand(4, *SHAPE)
    z = torch.zeros(3, 4, 2)
    means = posterior(x, c).mean
    pictures = likelihood(z, c).mean
    assert pictures.shape == (3, 4, *SHAPE)
    assert len(means.unique(dim=0)) == 4
    assert len(pictures[0].unique(dim=0)) == 4
    torch.testing.assert_close(pictures[0], pictures[2])  # c broadcasts over samples


def test_without_a_context_features_are_returned_as_they_are():
    h = torch.rand(2, 3)
    assert concat_context(h, None) is h


def test_the_context_is_repeated_at_every_pixel():
    joined = concat_context(torch.rand(2, 3, 4, 5), torch.tensor([[7.0], [8.0]]))
    assert joined.shape == (2, 4, 4, 5)
    assert (joined[0, 3] == 7).all()
    assert (joined[1, 3] == 8).all()


def test_the_head_outputs_the_mean_and_then_the_log_variance():
    torch.manual_seed(0)
    posterior = GaussianPosterior(MLP(width=6, depth=1).encoder(SHAPE, 0), 3)
    x = torch.rand(5, *SHAPE)
    head = posterior.head(posterior.encoder(x))
    torch.testing.assert_close(posterior(x).mean, head[:, :3])
    torch.testing.assert_close(posterior(x).variance, head[:, 3:].exp())


ACTIVATION_MODULES = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "leaky-relu": nn.LeakyReLU,
}
NORM_MODULES = {"none": (), "batch": (BatchNorm,), "layer": (nn.GroupNorm,)}


def count(module, kinds):
    return sum(isinstance(m, kinds) for m in module.modules())


@pytest.mark.parametrize("activation", get_args(ActivationName))
@pytest.mark.parametrize("norm", get_args(NormName))
@pytest.mark.parametrize(
    ("network", "blocks"), [("mlp", 0), ("conv", 0), ("conv", 2), ("resnet", 1), ("resnet", 3)]
)
@pytest.mark.parametrize("depth", [1, 3])
def test_every_hidden_layer_has_its_norm_and_its_activation(
    network, blocks, activation, norm, depth
):
    spec = f"{network}:width=4,depth={depth},activation={activation},norm={norm}"
    if network != "mlp":
        spec += f",blocks={blocks}"
    parts = make(spec)
    hidden = depth * (1 + 2 * blocks)
    for module in (parts.encoder(SHAPE, 0), parts.decoder(2, SHAPE, 0)):
        assert count(module, ACTIVATION_MODULES[activation]) == hidden
        others = tuple(m for name, m in ACTIVATION_MODULES.items() if name != activation)
        assert count(module, others) == 0
        assert count(module, (BatchNorm, nn.GroupNorm)) == (0 if norm == "none" else hidden)
        assert count(module, NORM_MODULES[norm]) == (0 if norm == "none" else hidden)
        assert count(module, ResidualBlock) == depth * blocks
        for m in module.modules():
            if isinstance(m, nn.GroupNorm):
                assert m.num_groups == 1


@pytest.mark.parametrize("network", ["conv", "resnet"])
@pytest.mark.parametrize("width", [3, 5])
def test_channels_double_with_every_halving(network, width):
    parts = make(f"{network}:width={width},depth=3")
    convolutions = [m for m in parts.encoder((2, 16, 16), 0).modules() if isinstance(m, nn.Conv2d)]
    halvings = [(m.in_channels, m.out_channels) for m in convolutions if m.stride == (2, 2)]
    assert halvings == [(2, width), (width, 2 * width), (2 * width, 4 * width)]
    decoder = parts.decoder(2, (2, 16, 16), 0)
    growing = [(m.in_channels, m.out_channels) for m in decoder.net if isinstance(m, nn.Conv2d)]
    assert growing == [(4 * width, 2 * width), (2 * width, width), (width, 2)]
    assert decoder.net[0].out_features == 4 * width * 2 * 2


def test_the_defaults_of_every_network_are_the_documented_ones():
    found = {name: network() for name, network in NETWORKS.items()}
    assert {name: (n.width, n.depth) for name, n in found.items()} == {
        "mlp": (400, 2),
        "conv": (16, 2),
        "resnet": (16, 2),
    }
    assert (found["conv"].blocks, found["resnet"].blocks) == (0, 1)
    assert found["conv"].latent == found["resnet"].latent == "vector"
    assert {(n.activation, n.norm, n.output_bias) for n in found.values()} == {
        ("relu", "none", "zero")
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_only_output_bias_data_begins_with_the_mean_image(network):
    image = torch.linspace(0.1, 0.9, 64).view(SHAPE)
    for value, begins in (("zero", torch.zeros(64)), ("data", image.flatten().logit())):
        config = Config(latent_dim=2, network=f"{SMALL[network]},output_bias={value}")
        decoder = build(config, SHAPE, mean=lambda: image)[0].likelihood.decoder
        bias = decoder.net[-1].bias.detach().flatten()
        if value == "data":
            torch.testing.assert_close(bias, begins)
        else:
            assert bias.abs().max() < 0.5
            assert not torch.allclose(bias, image.flatten().logit())


def test_the_head_of_a_classifier_returns_its_features_with_their_gradient():
    torch.manual_seed(0)
    encoder = MLP(width=6, depth=1).encoder(SHAPE, 0)
    one, many = EncoderWithHead(encoder), EncoderWithHead(encoder, 3)
    x = torch.rand(5, *SHAPE, requires_grad=True)
    for module, shape in ((one, (5,)), (many, (5, 3))):
        logits, features = module(x)
        assert logits.shape == shape
        torch.testing.assert_close(features, encoder(x))
        torch.testing.assert_close(logits.view(5, -1), module.head(encoder(x)))
        (gradient,) = torch.autograd.grad(features.sum(), x)
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("latent", ["vector", "map"])
@pytest.mark.parametrize("norm", get_args(NormName))
def test_every_convolution_of_a_decoder_but_the_last_is_built_for_its_norm_and_activation(
    norm, latent
):
    torch.manual_seed(0)
    network = make(f"conv:width=16,depth=3,activation=tanh,norm={norm},latent={latent}")
    decoder = network.decoder(8, SHAPE, 0)
    *hidden, last = [m for m in decoder.net if isinstance(m, nn.Conv2d)]
    assert len(hidden) == (2 if latent == "vector" else 3)
    assert last.bias is None
    for m in hidden:
        assert (m.bias is None) == (norm != "none")
        gain = (m.weight.var() * m.in_channels * 9).sqrt().item()
        assert gain == pytest.approx(ACTIVATIONS["tanh"][1], rel=0.03)
