"""`vaecli train --resume`: exact, idempotent, one writer at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

import vaecli
from tests.commands.test_process import arguments, posix, start, wait_for
from tests.conftest import TINY, bars
from vaecli import run as runs
from vaecli.config.config import Config
from vaecli.run import checkpoint, names, resume
from vaecli.system.errors import ConfigError, RunError
from vaecli.training.loop import Step, fit
from vaecli.training.state import start as begin

CONFIG = Config(latent_dim=3, network="mlp:width=16,depth=1", epochs=3, batch_size=32, lr=1e-2)
TRAIN, TEST = bars(100), bars(40, seed=1)


def tensors(run):
    return checkpoint.load(run / names.CHECKPOINT)[0]


def assert_same_run(run, reference):
    """Every tensor, the losses but for the seconds, and the pictures."""
    ours, theirs = tensors(run), tensors(reference)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert torch.equal(ours[name], theirs[name]), name
    rows = [
        [line.split(",")[:-2] for line in (r / "losses.csv").read_text().splitlines()]
        for r in (run, reference)
    ]
    assert rows[0] == rows[1]
    for path in reference.rglob("*.png"):
        if path.name != "loss.png":  # names its run in the legend
            assert (run / path.relative_to(reference)).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 8, 11])
def test_a_run_stopped_after_any_batch_goes_on_as_if_it_had_not(tmp_path, optimizer, stop):
    config = replace(CONFIG, optimizer=optimizer, lr=1e-3)
    whole = begin(config, TRAIN)
    list(fit(whole, TRAIN, TEST))
    run = runs.create(config, tmp_path / "run")
    first = begin(config, TRAIN)
    steps = 0
    for event in fit(first, TRAIN, TEST):
        steps += isinstance(event, Step)
        if steps == stop:
            run.save(first)
            break
    second = begin(config, TRAIN)
    run.restore(second)
    assert (second.batch, len(second.history)) == (first.batch, len(first.history))
    torch.manual_seed(stop)  # what was drawn elsewhere does not matter
    list(fit(second, TRAIN, TEST))
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name
    assert [(e.train, e.test) for e in second.history] == [(e.train, e.test) for e in whole.history]


def test_a_restored_state_shares_nothing_with_the_file(tmp_path):
    run = runs.create(CONFIG, tmp_path / "run")
    state = begin(CONFIG, TRAIN)
    events = fit(state, TRAIN, TEST)
    next(events)
    run.save(state)
    saved = (run.checkpoint).read_bytes()
    next(events)
    other = begin(CONFIG, TRAIN)
    run.restore(other)
    next(fit(other, TRAIN, TEST))
    assert run.checkpoint.read_bytes() == saved


def test_without_a_checkpoint_a_run_starts_at_epoch_1(cli, digits, trained, tmp_path):
    config = Config.checked(json.loads((trained / "config.json").read_text()))
    run = runs.create(config, tmp_path / "run")
    done = cli("train", "-q", "--resume", run.folder)
    assert done == (0, f"{run.folder}\n", "")
    assert_same_run(run.folder, trained)


def test_extending_a_finished_run_is_exact(cli, digits, run_dir, tmp_path):
    assert cli("train", "-q", "--resume", run_dir, "--epochs", 4).status == 0
    reference = tmp_path / "reference"
    cli(*arguments(digits, reference, "--epochs", 4, "-q"))
    assert_same_run(run_dir, reference)
    log = (run_dir / "train.log").read_text()
    assert log.count("epoch     loss distortion") == 2  # a header for each process
    assert json.loads((run_dir / "config.json").read_text())["epochs"] == 4
    assert vaecli.open(run_dir).record.resumes == 1


def test_a_finished_run_is_already_complete_and_stays_as_it_is(cli, run_dir):
    before = {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()}
    for options in ([], ["--epochs", 1]):
        done = cli("train", "--resume", run_dir, *options)
        assert (done.status, done.out) == (0, f"{run_dir}\n")
        assert "already complete: all 2 epochs are done; extend it with --epochs N" in done.err
    assert {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--latent-dim", 8], "--latent-dim 8 is not what"),
        (["--lr", 0.5], "--lr 0.5 is not what"),
        (["--network", "mlp:width=17"], "bias=zero is not what"),
        (["--run-dir", "x"], "goes without --run-dir"),
    ],
)
def test_a_conflicting_option_is_named_with_both_values(cli, run_dir, options, reason):
    done = cli("train", "--resume", run_dir, *options)
    assert (done.status, done.out) == (2, "")
    assert reason in done.err
    if "--latent-dim" in options:
        assert "(3)" in done.err


def test_repeating_an_option_is_no_conflict(cli, run_dir, digits):
    same = ["--latent-dim", 3, "--network", "mlp:width=16,depth=1", "--data-dir", digits]
    assert cli("train", "-q", "--resume", run_dir, "--epochs", 3, *same).status == 0


def test_resuming_what_is_no_run_is_status_4(cli, tmp_path):
    done = cli("train", "--resume", tmp_path)
    assert (done.status, done.out) == (4, "")
    assert "is not a run directory" in done.err


def test_resuming_on_other_data_is_refused(cli, run_dir):
    config = json.loads((run_dir / "config.json").read_text())
    vaecli.open(run_dir).note(data={"train": "0" * 64, "test": "0" * 64})
    done = cli("train", "--resume", run_dir, "--epochs", 3)
    assert (done.status, done.out) == (2, "")
    assert "The data are not those" in done.err
    assert json.loads((run_dir / "config.json").read_text()) == config


def test_auto_starts_then_resumes_then_starts_anew(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ["train", "-q", "--resume", "auto", "--epochs", 2, "--data-dir", digits, *TINY]
    assert cli(*line).out == "runs/mnist-vae-1\n"
    cli(*line, "--seed", 1)
    first = vaecli.open("runs/mnist-vae-1")
    reference = tensors(first.folder)
    (first.folder / names.CHECKPOINT).unlink()
    first.note(status="running", epochs_done=0)
    assert cli(*line).out == "runs/mnist-vae-1\n"
    assert all(torch.equal(t, reference[n]) for n, t in tensors(first.folder).items())
    first.note(status="diverged")
    assert cli(*line).out == "runs/mnist-vae-3\n"


def test_auto_with_a_run_dir_is_idempotent(cli, digits, tmp_path):
    line = arguments(digits, tmp_path / "run", "-q", "--resume", "auto", "--epochs", 1)
    first = cli(*line)
    assert first == (0, f"{tmp_path / 'run'}\n", "")
    before = (tmp_path / "run" / "run.json").read_bytes()
    assert cli(*line).out == first.out
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_second_writer_is_refused_by_process_and_host(cli, run_dir):
    run = vaecli.open(run_dir)
    code = f"""
import sys, vaecli
with vaecli.open({str(run_dir)!r}).hold():
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    assert holder.stdout.readline() == "held\n"
    done = cli("train", "--resume", run_dir, "--epochs", 3)
    assert (done.status, done.out) == (2, "")
    assert f"is being trained by process {holder.pid} on {run.record.host}" in done.err
    assert not resume.is_unfinished(run, run.config)
    holder.kill()
    holder.communicate()
    assert cli("train", "-q", "--resume", run_dir, "--epochs", 3).status == 0


def test_the_lock_falls_when_training_ends(run_dir):
    run = vaecli.open(run_dir)
    with pytest.raises(KeyError), run.hold():
        raise KeyError
    with run.hold(), pytest.raises(ConfigError, match=f"by process {os.getpid()} on "), run.hold():
        pass


def test_leftovers_of_a_killed_writer_are_removed(run_dir):
    stale = [run_dir / ".tmp-00", run_dir / "checkpoints" / ".tmp-11", run_dir / "samples/.tmp-2"]
    for path in stale:
        path.write_bytes(b"half")
    with vaecli.open(run_dir).hold():
        assert not any(path.exists() for path in stale)


def test_a_checkpoint_of_another_shape_is_refused(run_dir):
    state = begin(replace(CONFIG, latent_dim=5), TRAIN)
    with pytest.raises(
        RunError, match=r"model.likelihood.decoder.net.0.weight: expected \(16, 5\)"
    ):
        vaecli.open(run_dir).restore(state)


@pytest.mark.slow
@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_process_resumes_to_the_same_bits(cli, digits, tmp_path, number):
    """Several epochs of many batches, stopped wherever it happens to be, twice."""
    options = ["--epochs", "24", "--batch-size", "8"]
    reference, run = tmp_path / "reference", tmp_path / "run"
    cli(*arguments(digits, reference, *options, "-q"))
    process = start(digits, run, *options, "-q")
    for epoch in (3, 12):
        wait_for(run / "samples" / f"epoch-{epoch:04d}.png")
        time.sleep(0.05)
        process.send_signal(number)
        assert process.wait() == (-9 if number == signal.SIGKILL else 143)
        command = [sys.executable, "-m", "vaecli", "train", "-q", "--resume", str(run)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    assert process.wait() == 0
    assert_same_run(run, reference)
    assert vaecli.open(run).record.resumes == 2


def test_eight_starts_at_once_get_eight_directories(digits, tmp_path):
    code = "import vaecli; print(vaecli.run.create(vaecli.Config()).folder)"
    command = [sys.executable, "-c", "import vaecli.run; " + code]
    processes = [subprocess.Popen(command, cwd=tmp_path, stdout=-1, text=True) for _ in range(8)]
    names = {process.communicate()[0] for process in processes}
    assert names == {f"runs/mnist-vae-{n}\n" for n in range(1, 9)}


def test_divergence_leaves_a_row_and_the_last_good_epoch(cli, run_dir):
    run = vaecli.open(run_dir)
    state = begin(run.config, bars(8))
    run.restore(state)
    good = run.checkpoint.read_bytes()
    state.config = replace(state.config, epochs=3)
    list(fit(state, bars(96), TEST))
    with torch.no_grad():
        next(iter(state.model.parameters()))[0, 0] = float("inf")
    with pytest.raises(vaecli.system.errors.TrainingDiverged, match=r"model.posterior.* no longer finite"):
        run.save(state)
    assert run.checkpoint.read_bytes() == good


def test_a_diverged_epoch_is_a_row_with_empty_test_columns(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--lr", "1e9", "--batch-size", "4"))
    assert done.status == 5
    row = (run / "losses.csv").read_text().splitlines()[1].split(",")
    assert row[0] == "1"
    assert any(value in ("nan", "inf") for value in row[1:4])
    assert row[4:7] == ["", "", ""]
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "diverged"
    assert "batch 2 of epoch 1" in record["reason"]
    assert cli("plot-loss", "-r", run).status == 0


def test_what_a_kill_left_out_of_an_epoch_is_written_at_the_resume(cli, run_dir, trained):
    """A kill may come right after a checkpoint, even after that of the last epoch."""
    run = vaecli.open(run_dir)
    (run_dir / "losses.csv").unlink()
    (run_dir / "samples" / "epoch-0002.png").unlink()
    (run_dir / "samples.png").unlink()
    run.note(status="running", epochs_done=1)
    assert cli("train", "-q", "--resume", run_dir).status == 0
    assert_same_run(run_dir, trained)
    assert (run.record.status, run.record.epochs_done) == ("completed", 2)
