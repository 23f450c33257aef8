"""Runs to export: one on images of a user, with names that mean something in Markdown."""

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import vaecli

MODEL = ("--network", "mlp:width=8,depth=1", "--latent-dim", "2", "--batch-size", "8")
HOSTILE = {
    "cat": "a | b",
    "dog": "``` `x` <script>alert(1)<",
    "newt": "- *x*\n# ](http:evil) ![i](j.png) $x_1$ &lt; \\",
}


def make_run(folder: Path, data: str, class_names: list[str], *options: object) -> Path:
    """A run of an epoch on images of these classes, in `folder`."""
    for label, name in enumerate(class_names):
        (folder / data / name).mkdir(parents=True)
        for number in range(12):
            colour = (20 * number, 90 * label, 200)
            Image.new("RGB", (9, 7), colour).save(folder / data / name / f"{number}.png")
    run = folder / "run"
    words = ("train", "-q", "--data", folder / data, "--epochs", 1, *MODEL, "--run-dir", run)
    assert vaecli(*words, *options) == 0
    return run


@pytest.fixture(scope="session")
def pets(tmp_path_factory) -> Path:
    """A conditional run on three classes of colour images, with validation images."""
    folder = tmp_path_factory.mktemp("pets")
    return make_run(folder, "pets", [*HOSTILE], "--conditional", "--validation", 6)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory) -> Path:
    """The same run with hostile names of the data and the classes."""
    folder = tmp_path_factory.mktemp("hostile")
    names = [*HOSTILE.values()]
    return make_run(folder, "<b>x | `y`\n# z", names, "--conditional", "--validation", 6)
