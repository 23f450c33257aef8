"""Intervals: against tables and libraries, and how often they cover the truth."""

import pytest
import torch
from scipy.stats import binomtest

from vaecli.evaluation.intervals import RESAMPLES, around, bootstrap_mean, resample, share


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (37, 400), (10, 10)])
def test_the_interval_of_a_share_is_wilsons(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = share(torch.arange(n) < hits)
    assert (found.value, found.n) == (hits / n, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize("n", [7, 1000, 10_000])
def test_the_interval_of_none_or_all_ends_exactly_there(n):
    assert share(torch.zeros(n, dtype=torch.bool)).low == 0
    assert share(torch.ones(n, dtype=torch.bool)).high == 1


def test_the_share_of_nothing_is_unknown():
    found = share(torch.zeros(0, dtype=torch.bool))
    assert (found.value, found.low, found.high, found.n) == (0, 0, 1, 0)


def test_a_resample_has_as_many_images_some_of_them_repeated():
    counts = resample(50, torch.Generator().manual_seed(0))
    assert counts.shape == (RESAMPLES, 50)
    assert (counts.sum(1) == 50).all()
    assert counts.mean(0).tolist() == pytest.approx([1] * 50, abs=0.4)
    assert counts.var(0).mean() == pytest.approx(1 - 1 / 50, abs=0.1)  # that of a multinomial
    assert torch.equal(counts, resample(50, torch.Generator().manual_seed(0)))


def test_the_interval_of_a_mean_covers_it_in_95_of_100_cases():
    random = torch.Generator().manual_seed(0)
    sets = torch.empty(200, 80, dtype=torch.float64).exponential_(generator=random)
    found = [bootstrap_mean(values, random) for values in sets]
    assert found[0].value == pytest.approx(sets[0].mean().item())
    assert 0.9 <= sum(e.low <= 1 <= e.high for e in found) / 200 <= 0.98
    error = sets.std(1).mean().item() / 80**0.5
    widths = [(e.high - e.low) / 2 for e in found]
    assert sum(widths) / 200 == pytest.approx(1.96 * error, rel=0.05)


def test_the_interval_of_a_figure_has_1_96_standard_errors_and_no_negative_values():
    resampled = torch.tensor([4.0, 6.0] * 50, dtype=torch.float64)
    half = 1.959964 * resampled.std().item()
    found = around(5.0, resampled, 30)
    assert (found.low, found.high) == pytest.approx((5 - half, 5 + half))
    assert (found.value, found.n) == (5, 30)
    assert around(1.0, resampled, 30).low == 0


def test_a_mean_is_summed_in_double_precision():
    found = bootstrap_mean(torch.full((1000,), 0.1), torch.Generator().manual_seed(0))
    assert found.value == pytest.approx(torch.tensor(0.1).item(), rel=1e-12)
