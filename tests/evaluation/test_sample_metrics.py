"""Metrics of samples: against loops over all pairs, closed forms and other libraries."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from vaecli.data.images import Images
from vaecli.evaluation import sample_metrics
from vaecli.evaluation.sample_metrics import (
    class_distance,
    frechet_distances,
    frechet_estimate,
    nearest_distances,
    neighbourhoods,
)


def points(n: int, dimensions: int = 6, seed: int = 0, scale: float = 1.0, shift: float = 0.0):
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimensions, dimensions, generator=random, dtype=torch.float64)
    return (
        scale * torch.randn(n, dimensions, generator=random, dtype=torch.float64) @ mixing + shift
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    return frechet_distances(a, b, torch.ones(1, len(a), dtype=torch.float64)).item()


A, B = points(70), points(50, seed=1, scale=0.7, shift=0.5)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that every distance is computed in several parts."""
    monkeypatch.setattr(sample_metrics, "MAX_DISTANCES", 400)


def test_the_frechet_distance_is_that_of_scipys_square_root():
    root = scipy.linalg.sqrtm(np.cov(A.numpy().T) @ np.cov(B.numpy().T)).real
    means = A.mean(0) - B.mean(0)
    traces = np.trace(np.cov(A.numpy().T)) + np.trace(np.cov(B.numpy().T))
    expected = means.square().sum().item() + traces - 2 * np.trace(root)
    assert frechet(A, B) == pytest.approx(expected, rel=1e-9)
    assert frechet(B, A) == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_is_that_of_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Features(torch.nn.Module):
        num_features = A.shape[1]

        def forward(self, x):
            return x

    metric = fid.FrechetInceptionDistance(feature=Features()).set_dtype(torch.float64)
    metric.update(A, real=False)
    metric.update(B, real=True)
    assert frechet(A, B) == pytest.approx(metric.compute().item(), rel=1e-6)


def test_the_frechet_distance_of_diagonal_normals_has_a_closed_form():
    """Points whose sample moments are exact: +-s on each axis."""
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    scales, others = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 2.0, 0.5]).double()
    shift = torch.tensor([1.0, -2.0, 0.5]).double()
    factor = 2 / 5  # variance of +-1 twice among six points, N - 1 in the denominator
    expected = shift.square().sum() + factor * (scales - others).square().sum()
    assert frechet(axes * scales + shift, axes * others) == pytest.approx(expected.item())


def test_the_frechet_distance_of_identical_sets_is_zero():
    assert frechet(A, A) == pytest.approx(0, abs=1e-9)
    flat = torch.cat([A, torch.zeros(len(A), 2)], 1)  # features that are never active
    assert frechet(flat, flat) == pytest.approx(0, abs=1e-9)


def test_an_image_that_occurs_twice_counts_twice():
    counts = torch.zeros(2, 70, dtype=torch.float64)
    counts[:, :35] = 2
    repeated = frechet(A[:35].repeat(2, 1), B)
    assert frechet_distances(A, B, counts).tolist() == pytest.approx([repeated] * 2)


def test_the_interval_of_the_frechet_distance_covers_its_expectation():
    real = points(400, 3)
    sets = points(200 * 150, 3).view(200, 150, 3)
    once = torch.ones(1, 150, dtype=torch.float64)
    expected = torch.cat([frechet_distances(part, real, once) for part in sets]).mean().item()
    found = [frechet_estimate(part, real, generator()) for part in sets[:40]]
    assert 33 <= sum(e.low <= expected <= e.high for e in found) <= 40
    assert {e.n for e in found} == {150}


def radius(points, i, k):
    return sorted(math.dist(points[i], p) for j, p in enumerate(points) if j != i)[k - 1]


@pytest.mark.parametrize("k", [1, 5])
def test_precision_recall_density_and_coverage_are_those_of_a_loop(k):
    samples, real = A.tolist(), B.tolist()
    real_radii = [radius(real, i, k) for i in range(len(real))]
    sample_radii = [radius(samples, i, k) for i in range(len(samples))]
    held = [
        sum(math.dist(s, r) <= d for r, d in zip(real, real_radii, strict=True)) for s in samples
    ]
    found = neighbourhoods(A, B, k)
    assert found.precision.tolist() == [n > 0 for n in held]
    assert found.density.tolist() == pytest.approx([n / k for n in held])
    assert found.recall.tolist() == [
        any(math.dist(s, r) <= d for s, d in zip(samples, sample_radii, strict=True)) for r in real
    ]
    assert found.coverage.tolist() == [
        any(math.dist(s, r) <= d for s in samples) for r, d in zip(real, real_radii, strict=True)
    ]
    for term in found:
        assert 0 < term.double().mean() < (2 if term is found.density else 1)


def test_identical_sets_have_perfect_neighbourhoods_and_distant_ones_none():
    same, apart = neighbourhoods(A, A), neighbourhoods(A, A + 1000)
    assert all(term.double().mean() == 1 for term in (same.precision, same.recall, same.coverage))
    assert 1 <= same.density.mean() <= 1.2 + 1e-9  # an image lies in its own ball
    assert all(term.double().sum() == 0 for term in apart)


def test_the_distance_within_a_class_is_the_mean_over_its_pairs():
    classes = torch.arange(70) % 3
    classes[0] = 7  # alone in its class: no pair
    means = []
    for label in range(3):
        own = A[classes == label].tolist()
        pairs = [math.dist(a, b) for i, a in enumerate(own) for b in own[:i]]
        means.append(sum(pairs) / len(pairs))
    found = class_distance(A, classes, generator())
    assert found.value == pytest.approx(sum(means) / 3, rel=1e-6)
    assert found.low < found.value < found.high
    assert math.isnan(class_distance(A[:2], torch.arange(2), generator()).value)


def test_the_interval_does_not_depend_on_the_size_of_the_parts(monkeypatch):
    classes = torch.arange(70) % 2
    parts = class_distance(A, classes, generator())
    monkeypatch.setattr(sample_metrics, "MAX_DISTANCES", 10**6)
    whole = class_distance(A, classes, generator())
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=1e-6)


def test_the_interval_of_the_distance_within_a_class_covers_its_expectation():
    sets = points(120 * 40, 3).view(120, 40, 3)
    classes = torch.arange(40) % 2
    found = [class_distance(part, classes, generator()) for part in sets]
    expected = sum(e.value for e in found) / len(found)
    assert 0.88 <= sum(e.low <= expected <= e.high for e in found) / 120 <= 0.99


def grey(n: int, seed: int) -> Images:
    random = torch.Generator().manual_seed(seed)
    x = torch.randint(256, (n, 1, 6, 6), generator=random, dtype=torch.uint8)
    return Images(x, torch.zeros(n, dtype=torch.uint8))


def test_the_nearest_distance_is_that_of_a_loop_in_float64():
    others = grey(101, 0)  # a prime: the last part is smaller
    x = torch.rand(30, 1, 6, 6, generator=generator())
    steps = []
    found = nearest_distances(x, others, steps.append)
    pixels = (others.x.double() / 255).flatten(1).tolist()
    expected = [min(math.dist(a, b) for b in pixels) for a in x.double().flatten(1).tolist()]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, rel=1e-6)
    assert sum(steps) == sample_metrics.NEAREST_PARTS
    few = nearest_distances(x, others.first(3))  # fewer images than parts
    assert (few >= found).all()
    assert few.isfinite().all()


def test_copies_of_training_images_have_distance_zero():
    train = grey(50, 0)
    copies = train.pixels(torch.tensor([49, 0, 17]))
    assert nearest_distances(copies, train).max() < 1e-6
    assert nearest_distances(grey(3, 1).pixels(slice(None)), train).min() > 1


def test_binarized_training_images_are_read_in_grey():
    train = Images(grey(20, 0).x, torch.zeros(20, dtype=torch.uint8), binarize="threshold")
    assert nearest_distances(grey(20, 0).pixels(slice(None)), train).max() < 1e-6
