"""A conditional run, trained once for the commands that read it, and figures as objects."""

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tests.conftest import vaecli
from tests.runs import arguments
from vaecli.pictures import latent_map, loss_curves


@pytest.fixture(scope="session")
def conditional(digits, tmp_path_factory) -> Path:
    """A conditional run on bars: label 0 is a row, label 1 a column; do not write to it."""
    folder = tmp_path_factory.mktemp("conditional") / "run"
    options = ("-q", "--conditional", "--epochs", 60, "--lr", "0.01", "--sample-every", 60)
    assert vaecli(*arguments(digits, folder, *options)) == 0
    return folder


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """The figures that commands plot, instead of the content of their files."""
    plotted: list[Figure] = []

    def keep(figure, ending):
        plotted.append(figure)
        return ending.encode()

    for module in (latent_map, loss_curves):
        monkeypatch.setattr(module, "encode_figure", keep)
    return plotted


@pytest.fixture
def result_of(capfdbinary) -> Callable[..., bytes]:
    """What a command writes to stdout with `-o -`; nothing else is printed."""

    def run(*words: object) -> bytes:
        capfdbinary.readouterr()
        assert vaecli(*words, "-o", "-") == 0
        out, err = capfdbinary.readouterr()
        assert err == b""
        return out

    return run
