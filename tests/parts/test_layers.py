from typing import get_args

import pytest
import torch
from torch import nn

from vaecli.parts.layers import (
    ACTIVATIONS,
    ActivationName,
    BatchNorm,
    LayerBuilder,
    PixelBias,
    ResidualBlock,
)


def second_moment_after_layer(activation, power):
    """Second moment of the next layer's output, if that of this one's output is `power`."""
    module, gain = ACTIVATIONS[activation]
    u = torch.linspace(-12, 12, 100_001, dtype=torch.float64)
    density = torch.distributions.Normal(0.0, 1.0).log_prob(u).exp()
    moment = torch.trapezoid(module()(power**0.5 * u).square() * density, u)
    return gain**2 * moment.item()


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "softplus"])
def test_the_gain_keeps_a_second_moment_of_one(activation):
    assert second_moment_after_layer(activation, 1.0) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("activation", get_args(ActivationName))
def test_large_signals_do_not_grow(activation):
    for power in (2.0, 10.0, 100.0, 1000.0):
        assert second_moment_after_layer(activation, power) < power * (1 + 1e-6)
    assert second_moment_after_layer("relu", 1000.0) == pytest.approx(1000)


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("size", [(), (4, 5)])
def test_norms_equal_those_of_torch(norm, size):
    torch.manual_seed(0)
    batches = 3 + 2 * torch.randn(5, 8, 3, *size)
    ours = LayerBuilder(norm=norm).norm_activation(3)[0]
    if norm == "layer":
        theirs = nn.LayerNorm([3, *size])
    elif size:
        theirs = nn.BatchNorm2d(3)
    else:
        theirs = nn.BatchNorm1d(3)
    for h in batches:
        torch.testing.assert_close(ours(h), theirs(h))
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours(h), theirs(h))


def test_a_batch_of_one_value_is_normalized_as_in_evaluation():
    torch.manual_seed(0)
    norm = BatchNorm(3)
    norm(torch.randn(50, 3) + 2)
    before = norm.mean.clone()
    h = torch.randn(1, 3)
    in_training = norm(h)
    torch.testing.assert_close(norm.mean, before, rtol=0, atol=0)
    torch.testing.assert_close(in_training, norm.eval()(h))


@pytest.mark.parametrize("activation", get_args(ActivationName))
@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_weights_have_variance_gain_squared_over_fan_in_and_biases_are_zero(activation, kind):
    torch.manual_seed(0)
    layer = getattr(LayerBuilder(activation), kind)(60, 300)
    fan_in = 60 if kind == "linear" else 60 * 9
    _, gain = ACTIVATIONS[activation]
    bound = gain * (3 / fan_in) ** 0.5
    assert layer.weight.var().item() == pytest.approx(gain**2 / fan_in, rel=0.03)
    assert layer.weight.abs().max().item() == pytest.approx(bound, rel=1e-2)
    assert (layer.bias == 0).all()


def test_a_residual_block_adds_its_input_and_keeps_the_variance():
    torch.manual_seed(0)
    h = torch.randn(4000, 3)
    block = ResidualBlock(nn.Linear(3, 3))
    torch.testing.assert_close(block(h), (h + block.net[0](h)) / 2**0.5)
    with torch.no_grad():
        block.net[0].weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]))
    assert block(h).var(0).mean().item() == pytest.approx(1, abs=0.05)


def test_a_pixel_bias_is_one_number_for_every_channel_and_pixel():
    module = PixelBias((2, 3, 4))
    with torch.no_grad():
        module.bias.copy_(torch.arange(24.0).view(2, 3, 4))
    x = torch.rand(5, 2, 3, 4)
    torch.testing.assert_close(module(x), x + torch.arange(24.0).view(2, 3, 4))
