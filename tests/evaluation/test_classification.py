"""Logistic regression on latents."""

import numpy as np
import pytest

from vaecli.evaluation.classification import L2_WEIGHT, error_rate, fit_logistic_regression
from vaecli.system.errors import DataError


def clouds(spread, count=60, classes=3):
    """Normal clouds on a circle of radius 4, and the cloud of each point."""
    labels = np.arange(count) % classes
    angles = 2 * np.pi * labels / classes
    centers = 4 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return centers + spread * np.random.default_rng(0).normal(size=(count, 2)), labels


def test_separable_classes_are_separated():
    features, labels = clouds(0.3)
    classifier = fit_logistic_regression(features, labels)
    assert error_rate(classifier, features, labels) == 0
    assert error_rate(classifier, features, (labels + 1) % 3) == 1
    half = np.concatenate([labels[:30], (labels[30:] + 1) % 3])
    assert error_rate(classifier, features, half) == 0.5


def test_the_fit_maximizes_likelihood_times_prior():
    """The gradient, written out, vanishes: the problem is convex, so there is no other maximum."""
    features, labels = clouds(3.0)
    classifier = fit_logistic_regression(features, labels)
    wrong = classifier.predict_proba(features) - np.eye(3)[labels]
    assert np.abs(wrong.T @ features + L2_WEIGHT * classifier.coef_).max() < 1e-4
    assert np.abs(wrong.sum(0)).max() < 1e-4
    assert np.abs(classifier.coef_).max() > 0.1


def test_labels_of_one_class_are_refused():
    features, labels = clouds(1.0)
    with pytest.raises(DataError, match="needs labels of at least two classes"):
        fit_logistic_regression(features, np.zeros_like(labels))
