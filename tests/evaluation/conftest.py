"""An untrained model of small images."""

import pytest

from tests.builders import build
from vaecli.config.config import Config


@pytest.fixture
def parts():
    """A model of 8x8 images with three latent dimensions, and its objective."""
    return build(Config(latent_dim=3, network="mlp:width=16,depth=1"), (1, 8, 8))
