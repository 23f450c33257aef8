"""A conditional run, trained once for the commands that read it."""

from pathlib import Path

import pytest

from tests.conftest import vaecli
from tests.runs import arguments


@pytest.fixture(scope="session")
def conditional(digits, tmp_path_factory) -> Path:
    """A conditional run on bars: label 0 is a row, label 1 a column; do not write to it."""
    folder = tmp_path_factory.mktemp("conditional") / "run"
    options = ("-q", "--conditional", "--epochs", 60, "--lr", "0.01", "--sample-every", 60)
    assert vaecli(*arguments(digits, folder, *options)) == 0
    return folder
