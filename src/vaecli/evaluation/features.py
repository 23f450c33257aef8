"""Feature spaces for judging samples: classifiers that ship with vaecli, one per data set."""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..config.config import Config
from ..system.errors import ConfigError

READ_AT_ONCE = 1000  # images


class FeatureSpace(NamedTuple):
    """A classifier whose last hidden layer is the space in which samples are compared.

    Attributes:
        name: Says which features they are; figures of two spaces cannot be compared.
        features: Their number.
        accuracy: Fraction of the test images that the classifier gets right.
    """

    name: str
    features: int
    accuracy: float

    @property
    def path(self) -> Path:
        """The file of the weights, which `tests/tools/classifier.py` makes."""
        return Path(__file__).parent / "networks" / f"{self.name}.safetensors"


FEATURE_SPACES = {"mnist": FeatureSpace("mnist-cnn-128", features=128, accuracy=0.987)}


class Features(NamedTuple):
    """What a classifier says of N images.

    Attributes:
        values: Activations of its last hidden layer, float64, shape `(N, F)`.
        probabilities: Of the classes, float64, shape `(N, classes)`.
    """

    values: Tensor
    probabilities: Tensor


def feature_space(config: Config) -> FeatureSpace:
    """The feature space for the images of a run.

    Raises:
        ConfigError: There is none: a classifier of digits cannot judge other images.
    """
    given = f"data={config.data}"
    if config.data in FEATURE_SPACES:
        if config.data_dir is not None:
            given = f"data_dir={config.data_dir!r}"
        elif config.image_size not in (None, "28"):
            given = f"image_size={config.image_size}"
        elif config.channels == "3":
            given = "channels=3"
        else:
            return FEATURE_SPACES[config.data]
    raise ConfigError(
        f"metrics=samples needs a classifier of the run's images, and there is one for the bundled "
        f"MNIST only: it cannot judge a run with {given}."
    )


def make_network() -> nn.Sequential:
    """An untrained classifier: images, shape `(N, 1, 28, 28)`, to logits, shape `(N, 10)`."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 7 * 7, 128), nn.ReLU()),
        *(nn.Dropout(0.25), nn.Linear(128, 10)),
    )


def load_network(space: FeatureSpace) -> nn.Sequential:
    """The trained classifier of a feature space."""
    network = make_network()
    network.load_state_dict(load_file(space.path))
    return network.eval()


@torch.inference_mode()
def read_features(network: nn.Sequential, x: Tensor) -> Features:
    """Features and class probabilities of images in [0, 1], shape `(N, 1, 28, 28)`.

    The network computes in float32: features of up to 18 are off by 3e-6 at most.
    """
    *hidden, dropout, last = network
    body = nn.Sequential(*hidden)
    values = torch.cat([body(part) for part in x.split(READ_AT_ONCE)])
    return Features(values.double(), last(dropout(values)).double().softmax(-1))
