"""Tests of the translations to ONNX, where torch's own are inexact."""

import numpy as np
import pytest
import torch
from torch import nn

from vaecli.export.programs import silence
from vaecli.export.to_onnx import TRANSLATIONS, run_onnx

EXTREMES = torch.tensor([-200.0, -90, -17, -1, -1e-3, -1e-6, 0, 1e-6, 1e-3, 1, 17, 60])


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *values):
        return self.function(*values)


def run(function, *values):
    """The result of a function after its translation, and torch's own."""
    with silence():
        program = torch.onnx.export(
            Function(function),
            values,
            dynamo=True,
            verbose=False,
            input_names=[f"x{n}" for n in range(len(values))],
            custom_translation_table=TRANSLATIONS,
        )
    content = program.model_proto.SerializeToString()
    (found,) = run_onnx(content, {f"x{n}": value.numpy() for n, value in enumerate(values)})
    return found, function(*values).numpy()


@pytest.mark.parametrize("function", [nn.functional.logsigmoid, torch.expm1, torch.special.expm1])
def test_functions_are_exact_where_they_are_nearly_0_or_far_from_it(function):
    found, expected = run(function, EXTREMES)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-30)
    assert np.isfinite(found).all()


def test_logsumexp_takes_minus_infinity():
    x = torch.full((64, 40), -torch.inf)
    x[:, 20:] = torch.randn(64, 20, generator=torch.Generator().manual_seed(0)) * 100
    x[0] = -torch.inf
    x[1:32, 20:] -= 1000  # whose exponentials are all 0
    found, expected = run(lambda x: x.logsumexp(-1), x)
    assert np.allclose(found[1:], expected[1:], rtol=1e-6)
    assert found[0] == expected[0] == -np.inf
    kept, _ = run(lambda x: x.logsumexp((0,), keepdim=True), x[1:])
    assert kept.shape == (1, 40)


def test_searchsorted_finds_the_place_before_equal_numbers():
    edges = torch.tensor([[0.1, 0.2, 0.2, 0.9], [0.0, 0.5, 0.6, 0.7]])
    values = torch.tensor([[0.2, 0.0, 1.0], [0.5, 0.55, 0.0]])
    found, expected = run(torch.searchsorted, edges, values)
    assert found.dtype == expected.dtype
    assert (found == expected).all()
