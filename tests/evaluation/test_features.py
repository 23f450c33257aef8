"""The classifier that ships with vaecli."""

import pytest
import torch

import vaecli
from vaecli.config.config import Config
from vaecli.data.splits import load_split
from vaecli.evaluation.features import FEATURE_SPACES, feature_space, load_network, read_features
from vaecli.system.errors import ConfigError

SPACE = FEATURE_SPACES["mnist"]


def test_the_classifier_is_as_accurate_as_it_says():
    test = load_split(Config(), "test")
    read = read_features(load_network(SPACE), test.pixels(slice(None)))
    accuracy = (read.probabilities.argmax(1) == test.labels).double().mean().item()
    assert accuracy >= 0.985
    assert accuracy == pytest.approx(SPACE.accuracy, abs=5e-5)
    assert read.values.shape == (10_000, SPACE.features)
    assert read.values.dtype == torch.float64
    assert SPACE.path.stat().st_size <= 1_000_000


def test_features_in_float32_are_those_in_float64():
    """The network's own layers in float64: convolution, ReLU, the last hidden layer's output."""
    x = load_split(Config(), "test").pixels(slice(20))
    network = load_network(SPACE)
    read = read_features(network, x)
    with torch.no_grad():
        exact = network.double()[:-2](x.double())
        logits = network[-1](exact)
    assert read.values.min() == 0
    assert torch.allclose(read.values, exact, atol=1e-4)
    assert torch.allclose(read.probabilities, logits.softmax(1), atol=1e-4)
    assert (read.probabilities.argmax(1) == logits.argmax(1)).all()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"data": "fashion-mnist", "data_dir": "x"}, "data=fashion-mnist"),
        ({"data": "mnist", "data_dir": "x"}, "data_dir='x'"),
    ],
)
def test_other_images_are_not_judged_by_a_classifier_of_digits(given, named):
    with pytest.raises(ConfigError) as refused:
        feature_space(vaecli.Config(**given))
    assert str(refused.value) == (
        "metrics=samples needs a classifier of the run's images, and there is one for the bundled "
        f"MNIST only: it cannot judge a run with {named}."
    )
