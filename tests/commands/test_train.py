"""`vaecli train` from outside: what it prints and writes, and what decides its options."""

import json
import shlex
import time

import numpy as np
import pytest
import torch
from PIL import Image

import vaecli
from tests import runs
from tests.commands.pictures import enlarged, grid, picture
from tests.conftest import TINY, bars
from tests.experiments.trainings import poison
from tests.runs import arguments
from vaecli.pictures.themes import LIGHT
from vaecli.run import names
from vaecli.system.seeds import random_stream

VALIDATED = ("--lr", "0.2", "--seed", 2, "--validation", 32)


def test_train_prints_the_run_directory_and_the_next_commands(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 2))
    assert (done.status, done.out) == (0, f"{run}\n")
    lines = done.err.splitlines()
    assert lines[0].startswith(f"Training {run} on cpu (")
    assert "96 training and 40 test images, 32 in a batch." in lines[0]
    assert [line.split()[0] for line in lines[4:6]] == ["1/2", "2/2"]
    assert lines[-6].startswith("Faster: --preset vae-fast")
    assert lines[-4:] == [
        f"  vaecli sample -n 64 -o grid.png -r {run}",
        f"  vaecli reconstruct -r {run}",
        f"  vaecli embed --split test --plot latent.png -r {run}",
        f"  vaecli plot-loss -r {run}",
    ]
    assert "\x1b" not in done.err  # no colours, no bar
    assert (run / names.LOG).read_text().splitlines() == lines


def test_the_next_commands_work_as_printed(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "--data-dir", digits, *TINY, "--epochs", 1)
    commands = [line.split()[1:] for line in done.err.splitlines()[-4:]]
    assert commands[1] == ["reconstruct"]
    for command in commands:
        assert cli(*command).status == 0
    assert (tmp_path / "grid.png").exists()
    assert (tmp_path / "latent.png").exists()


def test_a_line_holds_loss_distortion_and_rate_of_both_splits(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--epochs", 1))
    (row,) = runs.losses(run)
    terms = ("loss", "distortion", "rate")
    values = [float(row[f"{split}_{term}"]) for split in ("train", "test") for term in terms]
    shown = done.err.splitlines()[4].split()
    assert shown[1:7] == [f"{value:.2f}" for value in values]


def test_quiet_prints_the_result_only_and_none_no_progress(cli, digits, tmp_path):
    quiet = cli(*arguments(digits, tmp_path / "a", "--epochs", 1, "-q"))
    assert quiet == (0, f"{tmp_path / 'a'}\n", "")
    none = cli(*arguments(digits, tmp_path / "b", "--epochs", 1, "--progress", "none"))
    assert "1/1" not in none.err
    assert "Next" in none.err
    assert "1/1" in (tmp_path / "a" / names.LOG).read_text()


def test_the_pictures_show_images_and_samples(trained):
    train = bars(96)
    test = bars(40, seed=1)
    assert (picture(trained / "data.png") == enlarged(train.pixels(slice(64)))).all()
    real = grid(test.pixels(slice(32)), 4)
    both = picture(trained / "real-and-generated.png")
    scale = round((both.shape[1] - 8) / 2 / real.shape[1])
    real = real.repeat(scale, 0).repeat(scale, 1)
    assert (both[-real.shape[0] :, : real.shape[1]] == real).all()
    inputs = enlarged(test.pixels(slice(8)))
    shown = picture(trained / "reconstructions.png")
    assert (shown[: inputs.shape[0], -inputs.shape[1] :] == inputs).all()
    assert picture(trained / "samples.png").shape == (546, 546)
    first = picture(trained / "samples/epoch-0001.png")
    assert (first != picture(trained / "samples/epoch-0002.png")).any()


def test_the_pictures_follow_the_seed(cli, digits, tmp_path):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "--epochs", 1, "--seed", 3, "-q"))
    with random_stream(torch.device("cpu"), 3, "samples"):
        x = vaecli.open(run).model().sample(64)
    assert (picture(run / "samples.png") == enlarged(x)).all()


def test_flags_override_the_environment_which_overrides_the_file(
    cli, digits, tmp_path, monkeypatch
):
    file = tmp_path / "given.json"
    file.write_text(json.dumps({"epochs": 1, "lr": 0.5, "seed": 4, "batch_size": 7}))
    monkeypatch.setenv("VAECLI_LR", "0.25")
    monkeypatch.setenv("VAECLI_SEED", "5")
    monkeypatch.setenv("VAECLI_DATA_DIR", str(digits))
    run = tmp_path / "run"
    line = ("train", "-q", "--config", file, "--seed", 6, "--network", "mlp:width=8")
    assert cli(*line, "--run-dir", run).status == 0
    found = runs.config(run)
    assert (found["epochs"], found["lr"], found["seed"]) == (1, 0.25, 6)
    assert (found["batch_size"], found["latent_dim"]) == (7, 20)
    assert found["network"] == "mlp:width=8,depth=2,activation=relu,norm=none,output_bias=zero"


def test_the_config_of_a_run_trains_the_same_model(cli, trained, tmp_path):
    run = tmp_path / "again"
    assert cli("train", "-q", "--config", trained / "config.json", "--run-dir", run).status == 0
    runs.assert_same_run(run, trained)


def test_threads_are_those_asked_for_and_recorded(cli, digits, tmp_path):
    threads = torch.get_num_threads()
    cli(*arguments(digits, tmp_path / "run", "-q", "--epochs", 1, "--threads", 2))
    assert runs.record(tmp_path / "run")["threads"] == 2
    torch.set_num_threads(threads)


def test_beta_is_written_into_the_objective(cli, digits, tmp_path):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 1, "--beta", 4))
    assert "beta=4.0" in runs.config(run)["objective"]
    assert cli("train", "-q", "--resume", run, "--epochs", 2, "--beta", 4).status == 0
    done = cli("train", "--resume", run, "--epochs", 3, "--beta", 5)
    assert done.status == 2
    assert done.err.startswith("Error: Cannot change --objective from elbo:beta=4.0,")


def test_a_run_is_kept_unless_it_is_overwritten(cli, digits, run_dir):
    before = runs.contents(run_dir)
    done = cli(*arguments(digits, run_dir, "--epochs", 1))
    assert (done.status, done.out) == (2, "")
    assert runs.contents(run_dir) == before
    assert cli(*arguments(digits, run_dir, "--epochs", 1, "--overwrite", "-q")).status == 0
    assert len(runs.losses(run_dir)) == 1


def test_an_option_that_a_data_set_cannot_meet_is_refused(cli, digits, tmp_path):
    for options, reason in (
        (["--patience", 3], "--patience 3 needs a validation set: add --validation N"),
        (["--validation", 96], "--validation 96: none of the 96 training images would be left"),
        (["--validation", 0], "--validation 0: should be greater than or equal to 1"),
        (["--max-time", "soon"], "--max-time soon: write a time as 2h, 90m, 1h30m or 45s"),
        (["--max-time", "0s"], "--max-time 0s: a time must be above 0"),
        (["--sample-every", 0], "--sample-every 0: should be greater"),
        (["--labels", 10], "--labels 10 needs a semi-supervised objective"),
    ):
        done = cli(*arguments(digits, tmp_path / "run", *options))
        assert (done.status, done.out) == (2, "")
        assert reason in done.err
        assert not (tmp_path / "run").exists()


def test_the_last_training_images_are_held_out(cli, digits, tmp_path):
    run = tmp_path / "run"
    assert cli(*arguments(digits, run, "-q", *VALIDATED, "--epochs", 1)).status == 0
    for split, count in (("train", 64), ("validation", 32), ("test", 40)):
        out = tmp_path / f"{split}.csv"
        assert cli("embed", "-r", run, "--split", split, "-o", out).status == 0
        assert len(out.read_text().splitlines()) == count + 1
    labels = [line.split(",")[1] for line in (tmp_path / "validation.csv").read_text().split()[1:]]
    assert labels == [str(int(label)) for label in bars(96).labels[64:]]
    assert set(runs.record(run)["data"]) == {"train", "test", "validation"}


def test_the_commands_read_the_best_checkpoint_unless_told_otherwise(cli, digits, tmp_path):
    run = tmp_path / "run"
    # With so high a learning rate the loss rises and falls.
    assert cli(*arguments(digits, run, "-q", *VALIDATED, "--epochs", 12)).status == 0
    losses = [float(row["valid_loss"]) for row in runs.losses(run)]
    assert min(losses) != losses[-1]
    pictures = {}
    for name, options in (("best", ()), ("last", ("--checkpoint", "last"))):
        checkpoint = run / f"checkpoints/{name}.safetensors"
        for target, more in ((run, options), (checkpoint, ())):
            out = tmp_path / "x.png"
            assert cli("sample", "-r", target, *more, "--seed", 2, "-o", out).status == 0
            pictures[target.name, name] = out.read_bytes()
    assert pictures["run", "best"] == pictures["best.safetensors", "best"]
    assert pictures["run", "last"] == pictures["last.safetensors", "last"]
    assert pictures["run", "best"] != pictures["run", "last"]
    assert pictures["run", "best"] == (run / "samples.png").read_bytes()


def test_max_time_interrupts_with_status_0_and_the_run_can_be_resumed(cli, digits, tmp_path):
    run = tmp_path / "run"
    began = time.monotonic()
    done = cli(*arguments(digits, run, "--epochs", 100000, "--max-time", "1s"))
    assert time.monotonic() - began >= 1  # all epochs would take hours
    assert (done.status, done.out) == (0, f"{run}\n")
    said = "Stopped: --max-time is reached. Resume with: vaecli train --resume"
    assert done.err.splitlines()[-1] == f"{said} {run}"
    record = runs.record(run)
    assert (record["status"], record["reason"]) == ("interrupted", f"{said} {run}")
    before = len(runs.losses(run))
    assert cli("train", "-q", "--resume", run, "--epochs", before + 1).status == 0
    assert len(runs.losses(run)) == before + 1


def test_patience_ends_a_training_and_more_of_it_continues_exactly(cli, digits, tmp_path):
    run = tmp_path / "run"
    reference = tmp_path / "reference"
    options = (*VALIDATED, "--epochs", 12)
    cli(*arguments(digits, reference, "-q", *options))
    first = cli(*arguments(digits, run, *options, "--patience", 1))
    assert first.status == 0
    assert len(runs.losses(run)) < 12
    assert "Ended early: the validation loss was lowest after epoch" in first.err
    again = cli("train", "--resume", run)
    assert (again.status, again.out) == (0, f"{run}\n")
    assert "is already complete: the validation loss was lowest" in again.err
    assert again.err.endswith("extend it with --patience N.\n")
    assert cli("train", "-q", "--resume", run, "--patience", 12).status == 0
    runs.assert_same_run(run, reference)
    assert runs.record(run)["reason"] is None
    runs.assert_same_tensors(runs.tensors(run, names.BEST), runs.tensors(reference, names.BEST))


def test_divergence_is_status_5_and_its_epoch_a_row_without_test_metrics(cli, digits, tmp_path):
    run = tmp_path / "run"
    done = cli(*arguments(digits, run, "--lr", "1e9", "--batch-size", "4"))
    assert (done.status, done.out) == (5, "")
    assert "Training diverged: rate became inf in batch 2 of epoch 1" in done.err
    assert done.err.endswith("Try a lower learning rate, or --on-nan rollback.\n")
    said = done.err.splitlines()[-1].removeprefix("Error: ")
    assert (run / names.LOG).read_text().splitlines()[-1] == said
    assert runs.record(run)["status"] == "diverged"
    (row,) = runs.losses(run)
    assert row["epoch"] == "1"
    assert any(row[f"train_{term}"] in ("nan", "inf") for term in ("loss", "distortion", "rate"))
    assert [row[f"test_{term}"] for term in ("loss", "distortion", "rate")] == [""] * 3
    assert cli("plot-loss", "-r", run).status == 0


def test_a_rollback_is_a_warning_and_training_continues(cli, digits, tmp_path, monkeypatch):
    run = tmp_path / "run"
    poison(monkeypatch, epoch=2, times=1)
    done = cli(*arguments(digits, run, "-q", "--epochs", 2, "--on-nan", "rollback"))
    assert (done.status, done.out) == (0, f"{run}\n")
    (warning,) = done.err.splitlines()
    assert warning.startswith("Warning: Training diverged: loss became nan in batch 1 of epoch 2")
    assert warning.endswith("halved the learning rate: rollback 1 of 3.")


@pytest.mark.parametrize("preset", ["aae", "vae-gan", "rae-gp"])
def test_an_objective_that_torch_cannot_compile_trains_with_one_warning(
    cli, digits, tmp_path, preset
):
    more = ("-q", "--epochs", 1, "--compile", "--preset", preset)
    done = cli(*arguments(digits, tmp_path / "run", *more))
    assert done.status == 0
    (warning,) = done.err.splitlines()
    assert warning.startswith("Warning: torch cannot compile")


def test_a_dynamically_binarized_run_repeats_itself_to_the_bit(cli, digits, tmp_path):
    made = [tmp_path / name for name in ("a", "b")]
    for run in made:
        options = ("-q", "--epochs", 2, "--binarize", "dynamic")
        assert cli(*arguments(digits, run, *options)).status == 0
    runs.assert_same_run(*made)
    pixels = np.unique(np.asarray(Image.open(made[0] / "data.png")))
    assert set(pixels.tolist()) <= {0, LIGHT.gap, 255}


def test_the_advice_quotes_a_path_with_spaces(cli, digits, tmp_path):
    run = tmp_path / "my 'runs'"
    done = cli(*arguments(digits, run, "--epochs", 1))
    for line in done.err.splitlines()[-4:]:
        assert str(run) in shlex.split(line)


def test_a_closed_stdout_stops_no_training(cli, digits, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert cli(*arguments(digits, tmp_path / "run", "--epochs", 1, "-q")).status == 0
