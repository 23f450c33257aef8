from typing import get_args

import pytest
import torch
from torch import nn

from vaecli.parts.layers import ACTIVATIONS, ActivationName, BatchNorm, Style


def passed_on(activation, power):
    """The second moment after a layer, of the pre-activations that this one makes of `power`."""
    module, gain = ACTIVATIONS[activation]
    u = torch.linspace(-12, 12, 100_001, dtype=torch.float64)
    density = torch.distributions.Normal(0.0, 1.0).log_prob(u).exp()
    moment = torch.trapezoid(module()(power**0.5 * u).square() * density, u)
    return gain**2 * moment.item()


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "softplus"])
def test_a_gain_makes_up_for_what_the_activation_takes(activation):
    assert passed_on(activation, 1.0) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("activation", get_args(ActivationName))
def test_large_signals_do_not_grow(activation):
    for power in (2.0, 10.0, 100.0, 1000.0):
        assert passed_on(activation, power) < power * (1 + 1e-6)
    assert passed_on("relu", 1000.0) == pytest.approx(1000)


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("size", [(), (4, 5)])
def test_norms_are_those_of_torch(norm, size):
    torch.manual_seed(0)
    batches = 3 + 2 * torch.randn(5, 8, 3, *size)
    mine = Style(norm=norm).bend(3)[0]
    torchs = (
        (nn.BatchNorm2d if size else nn.BatchNorm1d)(3) if norm == "batch" else nn.GroupNorm(1, 3)
    )
    for h in batches:
        torch.testing.assert_close(mine(h), torchs(h))
    mine.eval(), torchs.eval()
    torch.testing.assert_close(mine(h), torchs(h))


def test_a_batch_of_one_value_is_normed_as_in_evaluation():
    torch.manual_seed(0)
    norm = BatchNorm(3)
    norm(torch.randn(50, 3) + 2)
    before, h = norm.mean.clone(), torch.randn(1, 3)
    trained = norm(h)
    torch.testing.assert_close(norm.mean, before, rtol=0, atol=0)
    torch.testing.assert_close(trained, norm.eval()(h))
