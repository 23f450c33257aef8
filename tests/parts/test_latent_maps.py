"""Latents that are a map: shapes, order, locality, and the number of parameters."""

import math

import pytest
import torch
from torch.distributions import kl_divergence

from tests.builders import build, make_part
from vaecli.config.config import Config
from vaecli.parts.latent_maps import map_shape, vectors_to_maps
from vaecli.parts.networks import DEFAULT_LATENT_DIM, NETWORKS
from vaecli.system.errors import ConfigError

SHAPES = [(1, 28, 28), (3, 64, 64), (1, 17, 23), (2, 7, 9), (3, 1, 5), (1, 1, 1)]
MAPS = ["conv:width=4,latent=map", "resnet:width=4,latent=map"]
DEEP = "resnet:width=4,depth=3,latent=map"


def model(network, shape, classes=0, **options):
    torch.manual_seed(0)
    config = Config(network=network, conditional=bool(classes), **options)
    return build(config, shape, classes)[0]


def size(shape, depth):
    return tuple(math.ceil(pixels / 2**depth) for pixels in shape[1:])


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def numbers(*shape):
    return torch.arange(float(math.prod(shape))).view(shape)


def test_a_number_of_latents_is_a_number_of_channels_at_each_position():
    assert map_shape(None, (8, 5)) == (4, 8, 5)
    for channels in (1, 3, 7):
        assert map_shape(channels * 40, (8, 5)) == (channels, 8, 5)
        assert map_shape(channels, (1, 1)) == (channels, 1, 1)


@pytest.mark.parametrize(
    ("latent_dim", "map_size", "message"),
    [
        (100, (8, 8), "latent_dim=100: a map of 8x8 needs a multiple of 64: use 64 or 128."),
        (63, (8, 8), "latent_dim=63: a map of 8x8 needs a multiple of 64: use 64."),
        (20, (2, 3), "latent_dim=20: a map of 3x2 needs a multiple of 6: use 18 or 24."),
    ],
)
def test_another_number_of_latents_is_answered_with_the_nearest_that_fit(
    latent_dim, map_size, message
):
    with pytest.raises(ConfigError) as refused:
        map_shape(latent_dim, map_size)
    assert str(refused.value) == message


@pytest.mark.parametrize("network", NETWORKS)
def test_the_number_of_a_vector_is_that_given_or_the_default(network):
    for latent_dim, wanted in ((None, DEFAULT_LATENT_DIM), (7, 7)):
        assert make_part(network, "network").latent_dim(latent_dim, (1, 28, 28)) == wanted


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("network", "depth"), [(MAPS[0], 2), (DEEP, 3)])
@pytest.mark.parametrize("classes", [0, 3])
def test_maps_have_the_smallest_size_of_the_image_and_come_back_as_images(
    shape, network, depth, classes
):
    made = model(network, shape, classes)
    height, width = size(shape, depth)
    assert made.posterior.latent_shape == (4, height, width)
    x = torch.rand(5, *shape)
    c = torch.eye(3)[[0, 1, 2, 0, 1]] if classes else None
    draw = made.draw(x, c, samples=2)
    assert draw.z.shape == (2, 5, 4 * height * width)
    assert made.reconstruct(x, c).shape == made.sample(5, c).shape == x.shape
    assert draw.bound.isfinite().all()


def test_a_vector_lists_the_channels_of_one_position_after_another():
    positions = vectors_to_maps(numbers(2, 24), (3, 2, 4))
    assert positions.shape == (2, 3, 2, 4)
    for row in range(2):
        for column in range(4):
            first = 3 * (4 * row + column)
            assert positions[0, :, row, column].tolist() == [first, first + 1, first + 2]


def test_the_head_gives_the_means_and_then_the_log_variances_in_the_order_of_a_vector():
    posterior = model(MAPS[0], (3, 17, 23)).posterior
    x = torch.rand(5, 3, 17, 23)
    q = posterior(x)
    features = posterior.encoder(x).view(5, 8, 5, 6)
    mean, log_var = posterior.head.convolution(features).split(4, dim=1)
    torch.testing.assert_close(vectors_to_maps(q.mean, (4, 5, 6)), mean)
    torch.testing.assert_close(vectors_to_maps(q.variance.log(), (4, 5, 6)), log_var)


def test_the_number_of_parameters_of_head_and_first_layer_does_not_grow_with_the_image():
    for shape in ((1, 28, 28), (1, 64, 64)):
        positions = math.prod(size(shape, 2))
        made = model("conv:width=4,latent=map", shape, classes=5, latent_dim=3 * positions)
        assert parameters(made.posterior.head) == 2 * 3 * (8 + 1)
        assert parameters(made.likelihood.decoder.net[0]) == (9 * (3 + 5) + 1) * 8


@pytest.mark.parametrize("network", MAPS)
def test_an_image_that_moves_by_the_size_of_a_position_moves_the_map_by_one(network):
    made = model(network, (1, 96, 96))
    x = torch.rand(2, 1, 96, 96)
    before, after = (
        vectors_to_maps(made.embed(pixels), (4, 24, 24)) for pixels in (x, x.roll((4, 8), (2, 3)))
    )
    inside = slice(6, -6)  # the others see the border
    moved = before.roll((1, 2), (2, 3))[..., inside, inside]
    torch.testing.assert_close(after[..., inside, inside], moved, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before[..., inside, inside], moved, atol=1e-2)


@pytest.mark.parametrize("network", MAPS)
def test_a_map_that_moves_moves_the_decoded_image(network):
    made = model(network, (1, 96, 96))
    z = torch.randn(2, 24, 24, 4)
    before, after = (made.decode(latents.flatten(1)) for latents in (z, z.roll((1, 2), (1, 2))))
    inside = slice(32, -32)
    moved = before.roll((4, 8), (2, 3))[..., inside, inside]
    torch.testing.assert_close(after[..., inside, inside], moved, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before[..., inside, inside], moved, atol=1e-3)


def test_a_position_reads_and_writes_its_surroundings_only():
    made = model("conv:width=4,latent=map", (1, 64, 64))
    x = torch.rand(1, 1, 64, 64, requires_grad=True)
    vectors_to_maps(made.encode(x).mean, (4, 16, 16))[0, :, 5, 9].sum().backward()
    rows, columns = x.grad[0, 0].nonzero().T
    assert 4 * 5 - 4 < rows.min() <= 4 * 5 < rows.max() < 4 * 5 + 8
    assert 4 * 9 - 4 < columns.min() <= 4 * 9 < columns.max() < 4 * 9 + 8
    z = torch.zeros(1, 16, 16, 4)
    z[0, 5, 9] = 1
    changed = (made.decode(z.flatten(1)) - made.decode(torch.zeros(1, 1024)))[0, 0]
    rows, columns = (changed.abs() > 1e-6).nonzero().T
    assert 4 * 5 - 12 < rows.min() < 4 * 5 < rows.max() < 4 * 5 + 16
    assert 4 * 9 - 12 < columns.min() < 4 * 9 < columns.max() < 4 * 9 + 16


def test_the_rate_of_a_map_is_the_sum_over_its_positions():
    made = model("conv:width=4,latent=map", (1, 12, 20))
    draw = made.draw(torch.rand(4, 1, 12, 20))
    mean, variance = (vectors_to_maps(v, (4, 3, 5)) for v in (draw.q.mean, draw.q.variance))
    rates = (mean.square() + variance - variance.log() - 1) / 2
    by_position = rates.sum(1)
    assert by_position.shape == (4, 3, 5)
    torch.testing.assert_close(draw.rate, by_position.sum((1, 2)))
    torch.testing.assert_close(draw.rate, kl_divergence(draw.q, draw.p))


@pytest.mark.parametrize(("dim", "at_a_position"), [(4, 1), (2, 2), (1, 4)])
def test_codes_lie_at_one_position_each(dim, at_a_position):
    made = model(
        "conv:width=4,latent=map",
        (1, 12, 20),
        posterior=f"quantized:codes=8,dim={dim}",
        prior="codes",
        latent_dim=60,
    ).eval()
    x = torch.rand(2, 1, 12, 20)
    q = made.encode(x)
    assert q.codes.shape == (2, 15 * at_a_position, 1)
    changed = x.clone()
    changed[..., 8:] = 0  # the positions from the third column on, and the second that sees them
    codes, others = (
        made.encode(pixels).codes.view(2, 3, 5, at_a_position) for pixels in (x, changed)
    )
    assert torch.equal(codes[:, :, 0], others[:, :, 0])
    assert not torch.equal(codes, others)
    book = made.posterior.quantizer.codebooks[0]
    value = vectors_to_maps(q.mean, (4, 3, 5))[0, :, 1, 3]
    index = q.codes.view(2, 3, 5, at_a_position)[0, 1, 3]
    torch.testing.assert_close(value, book[index].flatten())


@pytest.mark.parametrize("network", MAPS)
def test_a_label_reaches_every_position_of_the_map_and_every_pixel(network):
    made = model(network, (1, 16, 16), classes=2)
    c = torch.eye(2)
    means = made.embed(torch.zeros(2, 1, 16, 16), c)
    assert (means[0] != means[1]).view(-1, 4).any(-1).all()
    images = made.decode(torch.zeros(2, means.shape[1]), c)
    assert (images[0] != images[1]).all()
