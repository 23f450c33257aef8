"""A conditional run, figures as objects, the schema, and whether options are accepted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from typer.main import get_command

from tests.conftest import vaecli
from tests.runs import arguments
from vaecli.commands.app import app
from vaecli.config.build import build, build_fitted_prior, resolve
from vaecli.experiments.dry_run import DryRun
from vaecli.pictures import latent_map, loss_curves
from vaecli.terminal.schema import schema_document


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


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The document of `vaecli schema`, as JSON has it."""
    return json.loads(json.dumps(schema_document(get_command(app)), allow_nan=False))


@pytest.fixture
def accepts(cli, monkeypatch):
    """Whether `vaecli train` accepts words; their model is built, without weights."""

    def estimate(plan, *_):
        config = resolve(plan.config)
        with torch.device("meta"):
            model, _ = build(config, (1, 28, 28), 10, images=60_000)
            build_fitted_prior(config, model, (1, 28, 28), 10)
        return DryRun(1, "cpu", 1, 1.0, 1, 1, False, [], [])

    monkeypatch.setattr("vaecli.experiments.dry_run.estimate", estimate)

    def run(words):
        done = cli(*words, "--dry-run", "--json")
        assert done.status in (0, 2), (words, done.err)
        if done.status:
            assert done.err.startswith("Error: ")
            assert done.out == ""
        return done.status == 0

    return run
