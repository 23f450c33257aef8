"""Logistic regression on latents."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.builders import build
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.evaluation.classification import (
    L2_WEIGHT,
    error_rate,
    fit_logistic_regression,
    latent_test_errors,
)
from vaecli.system.errors import ConfigError, DataError


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


def test_the_penalty_has_weight_3_on_the_latents_as_they_are():
    """With latents that were scaled to variance 1 first, it would weigh otherwise."""
    assert L2_WEIGHT == 3
    features, labels = clouds(3.0)
    found = fit_logistic_regression(features, labels).coef_
    wanted = LogisticRegression(C=1 / 3, tol=1e-10, max_iter=5000).fit(features, labels).coef_
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    small = fit_logistic_regression(0.1 * features, labels).coef_
    assert np.abs(0.1 * small / found).max() < 0.9  # small latents are penalized more


def means(model, images):
    return model.posterior(images.pixels(slice(None))).mean.detach().double().numpy()


@pytest.mark.parametrize(("labels", "seed"), [(4, 0), (10, 0), (10, 1)])
def test_the_latent_test_error_learns_from_few_training_images_and_scores_test_images(
    parts, labels, seed
):
    model, _ = parts
    train, test = bars(80), bars(60, seed=1)
    few = train.subset(train.hide_labels(labels, seed).labelled_indices)
    assert len(few) == labels
    classifier = LogisticRegression(C=1 / 3, tol=1e-8, max_iter=5000)
    classifier.fit(means(model, few), few.labels)
    wrong = classifier.predict(means(model, test)) != test.labels.numpy()
    assert 0.05 < wrong.mean() < 0.95
    found = latent_test_errors(model, train, test, labels, seed).overall
    assert found == wrong.mean()
    in_sample = classifier.predict(means(model, train)) != train.labels.numpy()
    assert found != in_sample.mean()


def test_the_classifier_of_a_conditional_model_is_refused():
    config = Config(conditional=True, latent_dim=3, network="mlp:width=16,depth=1")
    model, _ = build(config, (1, 8, 8), 2)
    with pytest.raises(ConfigError, match="A conditional model reads the labels to predict"):
        latent_test_errors(model, bars(20), bars(20), 4, 0)
