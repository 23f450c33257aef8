"""`vaecli train --resume`: exact, idempotent, one process at a time."""

import signal
import subprocess
import sys
import time

import pytest

import vaecli
from tests import runs
from tests.conftest import TINY
from tests.processes import begin, posix, wait_for
from tests.runs import arguments, assert_same_run
from vaecli.run import names


def test_extending_a_finished_run_is_exact(cli, digits, run_dir, tmp_path):
    assert cli("train", "-q", "--resume", run_dir, "--epochs", 4) == (0, f"{run_dir}\n", "")
    reference = tmp_path / "reference"
    cli(*arguments(digits, reference, "--epochs", 4, "-q"))
    assert_same_run(run_dir, reference)
    log = (run_dir / names.LOG).read_text()
    assert log.count("epoch     loss distortion") == 2  # a header for each process
    assert runs.config(run_dir)["epochs"] == 4
    assert runs.record(run_dir)["resumes"] == 1


def test_a_finished_run_stays_as_it_is(cli, run_dir):
    before = runs.contents(run_dir)
    for options in ([], ["--epochs", 1]):
        done = cli("train", "--resume", run_dir, *options)
        assert (done.status, done.out) == (0, f"{run_dir}\n")
        assert "already complete: all 2 epochs are done; extend it with --epochs N" in done.err
    assert runs.contents(run_dir) == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--latent-dim", 8], "Cannot change --latent-dim from 3 to 8 when resuming"),
        (["--lr", 0.5], "Cannot change --lr from 0.001 to 0.5"),
        (["--network", "mlp:width=17"], "Cannot change --network from mlp:width=16,depth=1,"),
        (["--run-dir", "x"], "--resume RUN excludes --run-dir"),
    ],
)
def test_an_option_that_cannot_change_is_named_with_both_values(cli, run_dir, options, reason):
    before = runs.contents(run_dir)
    done = cli("train", "--resume", run_dir, *options)
    assert (done.status, done.out) == (2, "")
    assert reason in done.err
    assert runs.contents(run_dir) == before


def test_resuming_what_is_no_run_is_status_4(cli, tmp_path):
    done = cli("train", "--resume", tmp_path)
    assert (done.status, done.out) == (4, "")
    assert "is not a run directory" in done.err


def test_resuming_on_other_data_is_refused_unless_it_is_allowed(cli, run_dir):
    runs.set_record(run_dir, data={"train": "0" * 64, "test": "0" * 64})
    config = runs.config(run_dir)
    done = cli("train", "--resume", run_dir, "--epochs", 3)
    assert (done.status, done.out) == (2, "")
    assert "The data differ from those" in done.err
    assert runs.config(run_dir) == config
    assert cli("train", "--resume", run_dir, "--epochs", 3, "--dry-run").status == 2
    line = ("train", "-q", "--resume", run_dir, "--epochs", 3, "--allow-data-change")
    assert cli(*line).status == 0


def test_auto_starts_then_resumes_then_starts_anew(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ["train", "-q", "--resume", "auto", "--epochs", 2, "--data-dir", digits, *TINY]
    assert cli(*line).out == "runs/mnist-vae-1\n"
    cli(*line, "--seed", 1)
    first = tmp_path / "runs/mnist-vae-1"
    reference = runs.tensors(first)
    (first / names.CHECKPOINT).unlink()
    runs.set_record(first, status="running", epochs_done=0)
    assert cli(*line).out == "runs/mnist-vae-1\n"
    runs.assert_same_tensors(runs.tensors(first), reference)
    runs.set_record(first, status="diverged")
    assert cli(*line).out == "runs/mnist-vae-3\n"


def test_auto_with_a_run_dir_can_be_repeated(cli, digits, tmp_path):
    line = arguments(digits, tmp_path / "run", "-q", "--resume", "auto", "--epochs", 1)
    first = cli(*line)
    assert first == (0, f"{tmp_path / 'run'}\n", "")
    before = (tmp_path / "run" / names.RECORD).read_bytes()
    assert cli(*line).out == first.out
    assert (tmp_path / "run" / names.RECORD).read_bytes() == before


def test_a_checkpoint_of_an_epoch_goes_on_in_a_new_run(cli, digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 3, "--save-every", 2))
    second = run / names.EPOCH_CHECKPOINT.format(2)
    assert cli("sample", "-r", second, "-o", tmp_path / "2.png").status == 0
    monkeypatch.chdir(tmp_path)
    done = cli("train", "--resume", second)
    assert (done.status, done.out) == (0, "runs/mnist-vae-1\n")
    assert done.err.startswith(f"Goes on from {second}, 2 finished epochs.\nTraining runs/mnist-")
    runs.assert_same_tensors(runs.tensors(tmp_path / "runs/mnist-vae-1"), runs.tensors(run))
    done = cli("train", "-q", "--resume", second, "--run-dir", "new", "--epochs", 4)
    assert (done.status, done.out) == (0, "new\n")
    assert len(runs.losses(tmp_path / "new")) == 4
    dry = cli("train", "--resume", second, "--run-dir", "dry", "--dry-run")
    assert " for 1 epoch of " in dry.out
    assert not (tmp_path / "dry").exists()
    refused = cli("train", "--resume", second, "--run-dir", run)
    assert refused.status == 2
    assert "is not empty" in refused.err


def test_a_run_that_another_process_trains_is_refused(cli, run_dir):
    code = f"""
import sys, vaecli
from vaecli.run.writer import RunWriter
with RunWriter(vaecli.open({str(run_dir)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    assert holder.stdout.readline() == "held\n"
    done = cli("train", "--resume", run_dir, "--epochs", 3)
    assert (done.status, done.out) == (2, "")
    host = vaecli.open(run_dir).record.host
    assert f"is being trained by process {holder.pid} on {host}" in done.err
    holder.kill()
    holder.communicate()
    assert cli("train", "-q", "--resume", run_dir, "--epochs", 3).status == 0


@pytest.mark.slow
@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_process_resumes_to_the_same_bits(cli, digits, tmp_path, number):
    """Several epochs of many batches, stopped wherever training happens to be, twice."""
    options = ["--epochs", "24", "--batch-size", "8"]
    reference = tmp_path / "reference"
    run = tmp_path / "run"
    cli(*arguments(digits, reference, *options, "-q"))
    process = begin(*arguments(digits, run, *options, "-q"))
    for epoch in (3, 12):
        wait_for(run / names.EPOCH_SAMPLES.format(epoch))
        time.sleep(0.05)
        process.send_signal(number)
        process.communicate()
        assert process.returncode == (-9 if number == signal.SIGKILL else 143)
        process = begin("train", "-q", "--resume", run)
    process.communicate()
    assert process.returncode == 0
    assert_same_run(run, reference)
    assert vaecli.open(run).record.resumes == 2
