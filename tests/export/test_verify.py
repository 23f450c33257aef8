"""Tests of the comparison of two arrays."""

import numpy as np
import pytest

from vaecli.export.verify import difference

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
