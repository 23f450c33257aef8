"""What commands print and write of classes that have names."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vaecli
from tests.commands.pictures import picture
from tests.conftest import vaecli as run_command
from tests.pictures.conftest import legend_entries
from tests.runs import arguments, header
from vaecli.data import splits
from vaecli.data.images import Images

NAMES = ("row", "upright $x$ [red]")


@contextmanager
def named_classes() -> Iterator[None]:
    """The bars of the other tests have names of their classes inside the `with` block."""
    select = splits._select

    def with_names(*given: object) -> Images:
        return replace(select(*given), class_names=NAMES)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "_select", with_names)
        yield


@pytest.fixture(autouse=True)
def named_bars(run, plain):
    """In each test; the runs of other files are not trained with them."""
    with named_classes():
        yield


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory) -> Path:
    """A conditional run; do not write to it."""
    folder = tmp_path_factory.mktemp("named") / "run"
    with named_classes():
        assert run_command(*arguments(digits, folder, "-q", "--conditional", "--epochs", 1)) == 0
    return folder


@pytest.fixture(scope="module")
def plain(digits, tmp_path_factory) -> Path:
    """A run that is not conditional; do not write to it."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    with named_classes():
        assert run_command(*arguments(digits, folder, "-q", "--epochs", 1)) == 0
    return folder


def test_a_checkpoint_keeps_the_names(run):
    assert header(run)["class_names"] == list(NAMES)
    assert vaecli.open(run).class_names == NAMES


def test_a_class_is_sampled_by_its_name(cli, run, tmp_path):
    files = []
    for label in (NAMES[1], "1"):
        files.append(tmp_path / f"{len(files)}.png")
        done = cli("sample", "-r", run, "-n", 3, "--label", label, "-o", files[-1])
        assert done.status == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_name_that_is_not_known_is_refused_with_the_nearest(cli, run):
    done = cli("sample", "-r", run, "--label", "rwo")
    assert done.status == 2
    assert "--label rwo: there is no such class. Did you mean 'row'?" in done.err


def test_rows_of_all_classes_have_their_names_beside_them(cli, run, tmp_path):
    sizes = {}
    for case in ((), ("--scale", 1), ("--columns", 2), ("--columns", 3)):
        file = tmp_path / "all.png"
        done = cli("sample", "-r", run, "-n", 6, "--label", "all", "-o", file, *case)
        assert done.status == 0
        sizes[case] = picture(file).shape
    height, width = sizes[("--columns", 3)]
    assert sizes[()] == (height, width)
    assert width > 3 * height / 2 + 20  # three columns, two rows, and a margin
    assert sizes[("--scale", 1)] == (18, 28)
    assert sizes[("--columns", 2)][1] < sizes[("--columns", 2)][0]


def test_the_plot_of_latents_has_the_names(cli, run, figures, tmp_path):
    assert cli("embed", "-r", run, "--plot", tmp_path / "a.png", "--method", "pca").status == 0
    assert list(legend_entries(figures[0])) == list(NAMES)


def test_embeddings_have_number_and_name_of_each_class(result_of, run, tmp_path):
    with np.load(io.BytesIO(result_of("embed", "-r", run))) as found:
        assert found["class_names"].tolist() == list(NAMES)
        labels = found["label"].tolist()
    path = tmp_path / "table.csv"
    assert run_command("embed", "-r", run, "-o", path) == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["index", "label", "class", "z1"]
    assert [row["class"] for row in rows] == [NAMES[label] for label in labels]
    assert [int(row["label"]) for row in rows] == labels


def test_classify_prints_the_error_of_each_class(cli, plain):
    found = json.loads(cli("classify", "-r", plain, "--labels", 20).out)
    assert list(found["test_error_by_class"]) == list(NAMES)
    errors = found["test_error_by_class"].values()
    assert min(errors) <= found["test_error"] <= max(errors)


def test_classes_of_hidden_labels_are_empty(run):
    from vaecli.evaluation.embeddings import embed

    images = splits.load_split(vaecli.open(run).config, "test")
    hidden = images.labels.long().clone()
    hidden[0] = images.classes
    found = embed(vaecli.open(run).model(), replace(images, labels=hidden)).to_bytes(".csv")
    assert next(csv.DictReader(io.StringIO(found.decode())))["class"] == ""
