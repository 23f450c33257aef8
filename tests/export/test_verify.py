"""Tests of the comparison of a file with the model, and of two arrays."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.builders import build
from vaecli.config.config import Config
from vaecli.export import export
from vaecli.export.exported import NotExportable
from vaecli.export.graphs import makers
from vaecli.export.verify import Check, difference

ONE = np.array([[1.0, 2.0], [1000.0, -0.5]], np.float32)


def test_differences_are_absolute_and_above_1_relative():
    assert difference(ONE, ONE) == 0
    assert difference(ONE, ONE + np.float32([[0.0, 0.0], [1.0, 0.0]])) == pytest.approx(1e-3)
    assert difference(ONE, ONE + np.float32([[0.0, 0.0], [0.0, 0.25]])) == pytest.approx(0.25)


def test_differences_of_sums_are_divided_by_the_number_of_their_terms():
    """Unless the sum is larger: then they are relative."""
    assert difference(ONE, ONE + np.float32(0.25), terms=100) == pytest.approx(0.25 / 100)
    assert difference(ONE[1:, :1], ONE[1:, :1] + 1, terms=100) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "other",
    [ONE.reshape(4), ONE.astype(np.float64), np.where(ONE > 900, np.nan, ONE).astype(np.float32)],
)
def test_other_shapes_types_and_nan_differ_without_bound(other):
    assert difference(ONE, other) > 1e300


def test_another_code_differs_by_at_least_one_part_in_itself():
    assert difference(np.array([63]), np.array([62])) > 1e-2


SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def checked():
    """A comparison with an untrained model, and its graphs."""
    model, objective = build(Config(network="mlp:width=8", latent_dim=4), SHAPE)
    made = makers(model.eval(), objective, SHAPE)
    return Check(model), {name: make().eval() for name, make in made.items()}


def shifted(graph, shifts, seen):
    """A file whose outputs for one batch after the other are off by these numbers."""

    def run_file(inputs):
        with torch.no_grad():
            outputs = graph(*map(torch.from_numpy, inputs.values()))
        shift = np.float32(shifts[len(seen)])
        seen.append(inputs)
        return [output.numpy() + shift for output in outputs]

    return run_file


@pytest.mark.parametrize("wrong", range(4))
def test_a_file_that_is_wrong_for_one_batch_is_found(checked, wrong):
    """Batches of one image and of several, and images that the model makes."""
    check, made = checked
    seen = []
    shifts = [float(number == wrong) for number in range(4)]
    assert check.max_difference(made["encoder"], shifted(made["encoder"], shifts, seen)) > 0.2
    sizes = {len(inputs["image"]) for inputs in seen}
    assert min(sizes) == 1
    assert len(sizes) > 2
    assert np.array_equal(seen[-1]["image"], check.images.numpy())


def test_scores_may_differ_by_a_part_of_each_pixel_value(checked):
    check, made = checked
    found = check.max_difference(made["scorer"], shifted(made["scorer"], [0.64] * 4, []))
    assert found == pytest.approx(0.64 / 64, rel=1e-3)


@pytest.mark.parametrize("found", [0.0, 1e-5, 1.1e-5, math.inf, math.nan])
def test_a_file_beyond_the_tolerance_is_refused(checked, monkeypatch, found):
    monkeypatch.setattr(export, "to_pt2", lambda program, about: b"content")
    check = SimpleNamespace(max_difference=lambda graph, run_file: found)
    arguments = (checked[1]["decoder"], None, {}, Path("decoder.pt2"), "pt2", check)
    if found <= 1e-5:
        file, content = export._make(*arguments)
        assert (file.graph, file.max_difference, content) == ("decoder", found, b"content")
        return
    with pytest.raises(NotExportable, match=r"decoder\.pt2 differ by .* more than 1e-05"):
        export._make(*arguments)
