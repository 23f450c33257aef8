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
