"""Classification of latents: logistic regression on few labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ..data.images import Images
from ..model import VAE
from ..system.errors import ConfigError, DataError
from .embeddings import embed

L2_WEIGHT = 3.0  # weight of the penalty on coefficients; tuned on held-out images of MNIST
GRADIENT_TOLERANCE = 1e-6  # of the mean loss; with the default, 1e-4, the solver stops too early
MAX_ITERATIONS = 1000  # of L-BFGS


def fit_logistic_regression(
    features: NDArray[np.float32], labels: NDArray[np.integer]
) -> LogisticRegression:
    """Multinomial logistic regression with an L2 penalty on the coefficients.

    References:
        Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014),
            https://arxiv.org/abs/1406.5298, whose M1 classifies the latents of a model

    Args:
        features: Shape `(N, D)`.
        labels: Classes from 0, shape `(N,)`.

    Raises:
        DataError: All labels are of one class.
    """
    if len(np.unique(labels)) < 2:
        raise DataError("A classifier needs labels of at least two classes: these are all of one.")
    classifier = LogisticRegression(
        C=1 / L2_WEIGHT,
        tol=GRADIENT_TOLERANCE,
        max_iter=MAX_ITERATIONS,
    )
    return classifier.fit(features.astype(np.float64), labels)


def error_rate(
    classifier: LogisticRegression, features: NDArray[np.float32], labels: NDArray[np.integer]
) -> float:
    """The fraction of features, shape `(N, D)`, that are classified differently from `labels`."""
    predicted = classifier.predict(features.astype(np.float64))
    return float(np.mean(predicted != labels))


@dataclass(frozen=True)
class ClassificationErrors:
    """The errors of a classifier of test images.

    Attributes:
        overall: Fraction of all test images with a wrong class.
        by_class: The same fraction of the images of each class, by the name of the class; only of
            classes that have names and test images.
    """

    overall: float
    by_class: dict[str, float]


def latent_test_errors(
    model: VAE, train: Images, test: Images, labels: int, seed: int
) -> ClassificationErrors:
    """The test errors of a classifier of latents that is trained on few labels (M1).

    References:
        Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014),
            https://arxiv.org/abs/1406.5298

    Args:
        model: An unconditional model; its posterior means are the features.
        train: Images among which the labelled ones are chosen.
        test: Images to classify.
        labels: Number of labelled images, equally many per class.
        seed: Seed of the choice.

    Raises:
        ConfigError: The model is conditional, so that its latents depend on the label.
    """
    if model.context:
        raise ConfigError(
            "A conditional model reads the labels to predict: use an unconditional one."
        )
    train = train.hide_labels(labels, seed)
    known = embed(model, train.subset(train.labelled_indices))
    unseen = embed(model, test)
    classifier = fit_logistic_regression(known.mean, known.label)
    by_class = {}
    for label, name in enumerate(test.class_names):
        chosen = unseen.label == label
        if chosen.any():
            by_class[name] = error_rate(classifier, unseen.mean[chosen], unseen.label[chosen])
    return ClassificationErrors(error_rate(classifier, unseen.mean, unseen.label), by_class)
