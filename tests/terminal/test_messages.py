"""What `vaecli train` prints before and after training, and in a dry run."""

from types import SimpleNamespace

import pytest

import vaecli
from tests.conftest import bars
from tests.experiments.trainings import options
from vaecli.config.config import PART_KINDS, Config
from vaecli.data.splits import Splits
from vaecli.experiments.dry_run import DryRun
from vaecli.experiments.resume import make_plan
from vaecli.run.create import make_run
from vaecli.run.record import new_record
from vaecli.terminal.messages import (
    count,
    dry_run_report,
    format_duration,
    next_commands,
    training_summary,
)

COMMANDS = ["sample -n 64 -o grid.png", "reconstruct", "embed --split test --plot latent.png"]


def summary(digits, tmp_path, threads=1, validation=None, **more):
    config = make_plan(options(digits, **more)).config
    run = vaecli.open(make_run(config, tmp_path / "run").folder)
    images = Splits(bars(2000), bars(40), validation)
    known = {"device": "cpu", "threads": threads, "parameters": 1234}
    record = new_record(0).model_copy(update=known)
    state = vaecli.start(config, bars(8))
    return training_summary(run, record, state, images).splitlines()


def test_the_summary_says_what_is_trained_on_what(digits, tmp_path):
    first, second = summary(digits, tmp_path)
    assert first == (
        f"Training {tmp_path}/run on cpu (1 thread): 1,234 parameters, 2,000 training and 40 test "
        "images, 32 in a batch."
    )
    assert second == "Protocol: grey pixels under a Bernoulli: a loss, not a probability."


def test_the_summary_names_the_protocol_of_the_pixels_and_the_size_of_a_batch(digits, tmp_path):
    first, second = summary(digits, tmp_path, binarize="dynamic", batch_size=7)
    protocol = vaecli.start(Config(), bars(8)).model.likelihood.protocol("dynamic")
    assert second == f"Protocol: {protocol}."
    assert first.endswith(", 7 in a batch.")


def test_the_summary_counts_validation_images_and_threads(digits, tmp_path):
    first, _ = summary(digits, tmp_path, threads=2, validation=bars(500))
    assert "(2 threads)" in first
    assert "2,000 training, 500 validation and 40 test images" in first


def test_the_next_commands_name_the_run_unless_it_is_the_newest(run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = next_commands(vaecli.open(run_dir), Config(preset="iwae")).splitlines()
    assert lines[0] == "Next, from this folder:"
    assert lines[1:] == [f"  vaecli {command} -r {run_dir}" for command in [*COMMANDS, "plot-loss"]]
    (tmp_path / "runs").mkdir()
    run_dir.rename(tmp_path / "runs" / "1")
    lines = next_commands(vaecli.open("runs/1"), Config(preset="iwae")).splitlines()
    assert lines[1:] == [f"  vaecli {command}" for command in [*COMMANDS, "plot-loss"]]


def test_a_path_is_quoted_for_the_shell(run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_dir.rename(tmp_path / "my 'runs'")
    last = next_commands(vaecli.open("my 'runs'"), Config(preset="vae-fast")).splitlines()[-1]
    assert last == """  vaecli plot-loss -r 'my '"'"'runs'"'"''"""


def test_the_faster_preset_is_named_to_whom_it_helps(run_dir):
    run = vaecli.open(run_dir)
    first = next_commands(run, Config()).splitlines()[0]
    assert (
        first == "Faster: --preset vae-fast reaches a lower test loss in 8 epochs than vae in 50."
    )
    parts = {
        "posterior": "dirac",
        "prior": "vamp",
        "likelihood": "laplace",
        "objective": "iwae",
        "network": "conv",
        "optimizer": "sgd",
        "fitted_prior": "mixture",
    }
    others = [{kind: name} for kind, name in parts.items()]
    assert parts.keys() == set(PART_KINDS)
    own = {"data": "/photos"}  # the losses were measured on MNIST
    for other in (*others, own, {"preset": "vae-fast"}, {"conditional": True}):
        assert "Faster" not in next_commands(run, Config(**other))


def test_a_dry_run_says_time_memory_and_disk():
    result = DryRun(
        parameters=1_234_567,
        device="cuda:0",
        epochs=50,
        epoch_seconds=4.26,
        memory=1_234_000_000,
        disk=5_600_000,
        fits_prior=False,
        caches=[],
        notices=[],
    )
    assert dry_run_report(result).splitlines() == [
        "1,234,567 parameters on cuda:0.",
        "About 0:03:33 for 50 epochs of 4.3 s, pictures not counted, 1,234 MB of memory and 6 MB "
        "of disk.",
        "Nothing was written.",
    ]
    cached = SimpleNamespace(**{**vars(result), "caches": ["somewhere"]})
    assert dry_run_report(cached).endswith("Nothing was written, but for the cache.")
    one = SimpleNamespace(**{**vars(result), "epochs": 1})
    assert " for 1 epoch of " in dry_run_report(one)
    fitted = SimpleNamespace(**{**vars(result), "fits_prior": True})
    assert " s, pictures and the fit of the prior not counted, " in dry_run_report(fitted)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (1000, "1,000 epochs")]
)
def test_a_noun_agrees_with_its_number(number, text):
    assert count(number, "epoch") == text


def test_durations_are_hours_minutes_and_seconds():
    assert format_duration(89.6) == "0:01:30"
    assert format_duration(7261) == "2:01:01"
