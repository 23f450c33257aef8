"""`vaecli evaluate --metrics samples`: a table, JSON, and what is refused."""

import json
import sys

import pytest

import vaecli
from tests.conftest import TINY
from tests.conftest import vaecli as vaecli_command
from tests.json_schema import problems
from vaecli.evaluation import intervals
from vaecli.evaluation.samples import evaluate_samples
from vaecli.terminal.results import RESULTS
from vaecli.terminal.schema import result_schema

WARNING = (
    "Warning: the Frechet distance grows with fewer samples: compare that of 1,000 only with "
    "others of 1,000.\n"
)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnist") / "run"
    limits = ("--train-images", 500, "--test-images", 50, "--epochs", 1, "--conditional")
    assert vaecli_command("train", "-q", *TINY, *limits, "--run-dir", folder) == 0
    return folder


COMMAND = ("evaluate", "--metrics", "samples", "-n", 1000)


def test_a_pipe_gets_json_and_a_terminal_a_table(cli, mnist, monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 10)
    done = cli(*COMMAND, "-r", mnist, "--seed", 3)
    assert (done.status, done.err) == (0, WARNING)
    assert done.out.count("\n") == 1
    found = json.loads(done.out, parse_constant=pytest.fail)
    run = vaecli.open(mnist)
    assert found == evaluate_samples(run.model(), run.config, 1000, 3)
    schema = result_schema(RESULTS["evaluate --metrics samples"])
    assert problems(found, schema) == []
    assert found.keys() == schema["properties"].keys()

    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    table = cli(*COMMAND, "-r", mnist, "--seed", 3).out.splitlines()
    assert table[0] == "1,000 samples, seed 3; features of mnist-cnn-128; 95 % intervals."
    assert all(len(line) <= 80 for line in table)
    rows = {line[:26].strip(): line[26:].split() for line in table[3:]}
    assert len(rows) == 11
    right, real = found["right"], found["right"]["real"]
    shown = [f"{100 * part[key]:.1f}" for part in (right, real) for key in ("value", "low", "high")]
    assert [word for word in rows["clear and right, %"] if word != "-"] == shown
    nearest = found["nearest_training_image"]
    assert rows["nearest training image"][0] == f"{nearest['value']:.2f}"
    assert rows["of reconstructions"][0] == f"{nearest['reconstructions']['value']:.2f}"
    assert cli(*COMMAND, "-r", mnist, "--seed", 3, "--json").out == done.out


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ("--samples", 50),
            "--samples 50 is for the bound: leave it out with --metrics samples; -n chooses the "
            "number of samples.",
        ),
        (
            ("--split", "train"),
            "--split train: --metrics samples compares with the test images: leave it out.",
        ),
    ],
)
def test_options_of_the_bound_are_refused(cli, mnist, options, error):
    done = cli("evaluate", "-r", mnist, "--metrics", "samples", *options)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"Error: {error}\n"


def test_a_run_on_other_images_is_refused(cli, trained):
    done = cli("evaluate", "-r", trained, "--metrics", "samples")
    assert (done.status, done.out) == (2, "")
    assert (
        "there is one for the bundled MNIST only: it cannot judge a run with --data-dir" in done.err
    )
