"""Running means of loss terms."""

import math

import torch

from vaecli.evaluation.means import RunningMeans
from vaecli.objectives import LossTerms


def terms(loss):
    return LossTerms(torch.tensor(loss), {"loss": torch.tensor(loss)})


def test_means_are_weighted_by_images():
    means = RunningMeans()
    means.add(terms(1.0), 30)
    means.add(terms(4.0), 10)
    assert means.images == 40
    assert means.read() == {"loss": (1.0 * 30 + 4.0 * 10) / 40}


def test_there_is_nothing_to_read_before_the_first_batch():
    assert RunningMeans().read() == {}


def test_the_first_batch_that_is_not_finite_is_remembered():
    means = RunningMeans()
    for loss in (1.0, 2.0, math.inf, 3.0):
        means.add(terms(loss), 1)
    assert (means.batches, int(means.finite)) == (4, 2)
    assert means.last.tolist() == [math.inf]


def test_every_metric_has_its_own_mean_by_its_name():
    means = RunningMeans()
    for loss, rate, images in ((4.0, 1.0, 1), (1.0, 3.0, 3)):
        metrics = {"loss": torch.tensor(loss), "rate": torch.tensor(rate)}
        means.add(LossTerms(metrics["loss"], metrics), images)
    assert means.read() == {"loss": 1.75, "rate": 2.5}
    assert list(means.read()) == ["loss", "rate"]
    assert means.last.tolist() == [1, 3]
    assert (means.images, means.batches, int(means.finite)) == (4, 2, 2)


def test_the_first_bad_batch_is_that_of_any_metric_and_stays_the_first():
    means = RunningMeans()
    for loss, rate in ((1.0, 2.0), (3.0, math.nan), (math.inf, 5.0), (7.0, 8.0)):
        metrics = {"loss": torch.tensor(loss), "rate": torch.tensor(rate)}
        means.add(LossTerms(metrics["loss"], metrics), 2)
    assert int(means.finite) == 1
    assert means.last[0] == 3
    assert means.last[1].isnan()
